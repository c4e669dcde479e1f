/** What makes a flight recorder take a snapshot: each trigger, in a process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { requestSnapshot, startRecording } from 'rchan'
import { describe, expect, onTestFinished, test } from 'vitest'
import { babeltrace, fixture, freshFolder, readTrace } from './scenario.ts'

const COUNT = 1000

/** A process of the fixture, in an environment of its own. */
class Program {
  readonly dir = join(freshFolder(), 'snapshots')
  readonly child: ChildProcessWithoutNullStreams
  stdout = ''
  stderr = ''
  readonly #closed: Promise<unknown>

  constructor(how: string, options: object = {}, nodeArgs: readonly string[] = []) {
    const args = [...nodeArgs, fixture('flight.mjs'), this.dir, how, JSON.stringify(options)]
    this.child = spawn(process.execPath, args, { stdio: 'pipe' })
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#closed = once(this.child, 'close')
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  /** Waits until what should happen has happened. */
  async there(): Promise<void> {
    await this.until(() => this.stdout.includes('there'))
  }

  /** Waits for so many snapshots. */
  async snapshots(count: number): Promise<Seen[]> {
    await this.until(() => this.#folders().length >= count)
    return this.#folders().map(open)
  }

  /** Lets it end. */
  finish(): void {
    this.child.stdin.write('x')
  }

  /** Waits for its end. @returns its snapshots, oldest first. */
  async end(): Promise<Seen[]> {
    await this.#closed
    return this.#folders().map(open)
  }

  /** What it says of its snapshots. */
  get snapshotTotals(): { readonly taken?: number; readonly notTaken?: object } {
    const line = this.stdout.split('\n').find((text) => text.startsWith('{')) ?? '{}'
    return JSON.parse(line) as { taken?: number; notTaken?: object }
  }

  /** How many snapshots it says that it took. */
  get taken(): unknown {
    return this.snapshotTotals.taken
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`it ended with ${this.child.exitCode} ${this.child.signalCode}: ${this.stderr}`)
      await delay(10)
    }
  }

  #folders(): string[] {
    const names = existsSync(this.dir) ? readdirSync(this.dir) : []
    return names
      .filter((name) => !name.startsWith('.'))
      .sort()
      .map((name) => join(this.dir, name))
  }
}

/** What a snapshot says. */
interface Seen {
  readonly path: string
  readonly trigger: unknown
  readonly reason: unknown
  readonly thread: unknown
  /** The numbers of the steps, by thread. */
  readonly steps: ReadonlyMap<number, number[]>
}

/** Opens a snapshot in our reader, and in babeltrace2 if it is there. */
function open(path: string): Seen {
  const { records } = readTrace(path)
  const steps = new Map<number, number[]>()
  let said: Partial<Seen> = {}
  for (const { event, fields } of records) {
    const { thread, n } = fields as { thread: number; n: number }
    if (event.name === 'rchan:snapshot') said = fields
    else if (steps.get(thread)?.push(n) === undefined) steps.set(thread, [n])
  }
  expect(babeltrace(path)?.events ?? records.length).toBe(records.length)
  const { trigger, reason, thread } = said
  return { path, trigger, reason, thread, steps }
}

/** Checks that a thread's part holds all its events. */
function expectAll({ steps }: Seen, thread: number): void {
  expect(steps.get(thread)).toEqual(Array.from({ length: COUNT }, (_, n) => n))
}

describe('an event loop that stands still', () => {
  test('takes one snapshot, while it does', async () => {
    const program = new Program('hangs', { snapshotOn: { stallMs: 200 } })
    await program.there()
    const [seen] = await program.snapshots(1)
    expect(seen).toMatchObject({ trigger: 'stall', thread: 0 })
    expect(seen.reason).toMatch(
      /^the event loop of thread 0 \(main\) has stood still for \d+ ms so far \(stallMs=200\)$/,
    )
    expectAll(seen, 0)
    // Longer than the limits forbid a second one.
    await delay(1500)
    program.child.kill('SIGKILL')
    expect((await program.end()).length).toBe(1)
  })

  test('of a worker that lets it be watched, takes one, too', async () => {
    const program = new Program('worker-hangs')
    const [seen] = await program.snapshots(1)
    expect(seen).toMatchObject({ trigger: 'stall', thread: 2 })
    expect(seen.reason).toMatch(/^the event loop of thread 2 \(flight\.mjs\) has stood still/)
    expectAll(seen, 2)
  })
})

describe('an error that ends the process takes a snapshot before it does:', () => {
  test.each([
    ['throws', 'an unhandled rejection: RangeError: thrown by the fixture'],
    ['rejects', 'an unhandled rejection: Error: rejected by the fixture'],
  ])('%s', async (how, reason) => {
    const program = new Program(how)
    const [seen, ...others] = await program.end()
    expect(program.child.exitCode).toBe(1)
    expect(program.stderr).toContain('the fixture')
    expect(others).toEqual([])
    expect(seen).toMatchObject({ trigger: 'exception', thread: 0, reason })
    expectAll(seen, 0)
  })

  test('one that the program handles does, too, and the program goes on', async () => {
    const program = new Program('survives')
    const [seen] = await program.end()
    expect(program.child.exitCode, program.stderr).toBe(0)
    expect(program.taken).toBe(1)
    expect(seen).toMatchObject({
      trigger: 'exception',
      reason: 'an uncaught exception: Error: thrown by the fixture',
    })
  })

  test('but not where that is switched off', async () => {
    const program = new Program('throws', { snapshotOn: { exception: false } })
    expect(await program.end()).toEqual([])
    expect(program.child.exitCode).toBe(1)
  })
})

describe('a worker that dies with an error takes a snapshot, and one only:', () => {
  const died = 'died of an unhandled rejection: TypeError: thrown by the worker'
  test.each([
    ['throws, and nobody listens', 'worker-throws', 1, 2, `worker 2 (flight.mjs) ${died}`],
    ['throws, and the program handles it', 'worker-throws,ignored', 0, 2, `worker 2 (flight.mjs) ${died}`],
    ['is a worker of a worker', 'worker-nests', 0, 3, `worker 3 (flight.mjs) ${died}`],
    ['is older than the recording', 'worker-older', 0, 1, `worker 1 (flight.mjs) ${died}`],
    ['calls process.exit(1)', 'worker-exits-1', 0, 2, 'worker 2 (flight.mjs) ended with exit code 1'],
    ['calls process.exit(3)', 'worker-exits-3', 0, 2, 'worker 2 (flight.mjs) ended with exit code 3'],
  ])('it %s', async (_, how, status, thread, reason) => {
    const program = new Program(how)
    const [seen, ...others] = await program.end()
    expect(program.child.exitCode, program.stderr).toBe(status)
    expect(others).toEqual([])
    expect(seen).toMatchObject({ trigger: 'worker', thread, reason })
    expectAll(seen, thread)
    expectAll(seen, 0)
  })

  test('it has never traced', async () => {
    const [seen] = await new Program('worker-silent').end()
    expect(seen).toMatchObject({ trigger: 'worker', thread: 2, reason: 'worker 2 ended with exit code 3' })
    expectAll(seen, 0)
  })

  test('it is out of heap', async () => {
    const [seen] = await new Program('worker-heap,ignored').end()
    expect(seen).toMatchObject({ trigger: 'worker', thread: 2 })
    expect(seen.reason).toMatch(/^worker 2 \(flight\.mjs\) died of Error: .*out of memory/)
    expectAll(seen, 2)
  })

  test('but not where that is switched off', async () => {
    const program = new Program('worker-throws,ignored', { snapshotOn: { workerError: false } })
    expect(await program.end()).toEqual([])
    expect(program.taken).toBe(0)
  })
})

test('a worker asks for one itself, and has the events of all threads', async () => {
  const program = new Program('worker-asks')
  const [seen, ...more] = await program.end()
  expect(seen).toMatchObject({ trigger: 'call', reason: 'asked by the worker' })
  expect(seen.steps.size).toBe(2)
  for (const thread of seen.steps.keys()) expectAll(seen, thread)
  expect(more).toEqual([])
})

describe('a signal', () => {
  test('takes a snapshot, and changes nothing else', async () => {
    const program = new Program('waits', { snapshotOn: { signal: 'SIGUSR2' } })
    await program.there()
    program.child.kill('SIGUSR2')
    const [seen] = await program.snapshots(1)
    expect(seen).toMatchObject({ trigger: 'signal', thread: -1, reason: 'the process got SIGUSR2' })
    expectAll(seen, 0)
    program.child.kill('SIGTERM')
    await program.end()
    expect(program.child.signalCode).toBe('SIGTERM')
  })

  test('takes none sooner than the rate allows, which is counted, and a process that asks gets one', async () => {
    const options = { snapshots: { minIntervalMs: 60_000 }, snapshotOn: { signal: 'SIGUSR2' } }
    const program = new Program('counts-signals', options)
    await program.there()
    program.child.kill('SIGUSR2')
    await program.snapshots(1)
    for (const count of [2, 3]) {
      program.child.kill('SIGUSR2')
      await program.until(() => program.stdout.includes(`got ${count}`))
    }
    await requestSnapshot(program.child.pid!)
    program.finish()
    expect((await program.end()).map(({ trigger }) => trigger)).toEqual(['signal', 'request'])
    expect(program.snapshotTotals).toMatchObject({
      taken: 2,
      notTaken: { number: 0, rate: 2, bytes: 0, failed: 0 },
    })
  })

  test('that asks the process to end ends it, after the snapshot', async () => {
    const program = new Program('waits', { snapshotOn: { signal: 'SIGTERM' } })
    await program.there()
    program.child.kill('SIGTERM')
    const [seen] = await program.end()
    expect(program.child.signalCode).toBe('SIGTERM')
    expect(seen).toMatchObject({ trigger: 'signal', reason: 'the process got SIGTERM' })
    expectAll(seen, 0)
  })
})

describe('a level', () => {
  test('of memory takes one snapshot', async () => {
    const program = new Program('memory', { snapshotOn: { rssBytes: 180 * 2 ** 20 } })
    const [seen] = await program.snapshots(1)
    expect(seen).toMatchObject({ trigger: 'memory', thread: -1 })
    expect(seen.reason).toMatch(/^the process uses \d+ MiB of memory \(rssBytes=188743680\)$/)
    // Longer than the limits forbid a second one.
    await delay(1500)
    program.finish()
    expect((await program.end()).length).toBe(1)
    expect(program.taken).toBe(1)
  })

  test('of the heap takes one snapshot', async () => {
    const heap = ['--max-old-space-size=200']
    const program = new Program('heap', { snapshotOn: { heapShare: 0.25 } }, heap)
    const [seen] = await program.snapshots(1)
    expect(seen).toMatchObject({ trigger: 'heap', thread: 0 })
    expect(seen.reason).toMatch(/^the heap of thread 0 \(main\) is \d+ % of its limit \(heapShare=0\.25\)$/)
    await delay(1500)
    program.finish()
    expect((await program.end()).length).toBe(1)
  })

  test('of a buffer takes snapshots that together hold all events', async () => {
    const program = new Program('fills', {
      bufferSize: 2 ** 20,
      snapshots: { minIntervalMs: 0, max: 1000 },
      snapshotOn: { fillShare: 0.25 },
    })
    const all = await program.end()
    const numbers = new Set(all.flatMap(({ steps }) => steps.get(0) ?? []))
    const last = Math.max(...numbers)
    expect(all.length).toBeGreaterThan(3)
    expect(all.every(({ trigger }) => trigger === 'fill')).toBe(true)
    expect(all[0].reason).toBe(
      '25 % of the buffer of thread 0 (main) was filled since the last snapshot (fillShare=0.25)',
    )
    // A quarter of the buffer at most has come since the last one.
    expect(last).toBeGreaterThan(50_000)
    expect([...Array(last).keys()].filter((n) => !numbers.has(n))).toEqual([])
  })
})

describe('another process', () => {
  test('asks for a snapshot while the main thread hangs', async () => {
    const program = new Program('hangs')
    await program.there()
    const { path } = await requestSnapshot(program.child.pid!, { reason: 'it hangs' })
    const seen = open(path)
    expect(seen).toMatchObject({ trigger: 'request', thread: -1, reason: 'it hangs' })
    expectAll(seen, 0)
  })

  test('is told why it gets none', async () => {
    const full = new Program('hangs', { snapshots: { max: 1, keep: 'oldest' } })
    await full.there()
    await requestSnapshot(full.child.pid!)
    await expect(requestSnapshot(full.child.pid!)).rejects.toThrow(
      `process pid=${full.child.pid} took no snapshot: no snapshot is taken: 1 were taken, max=1`,
    )
    const off = new Program('hangs', { snapshotOn: { requests: false } })
    await off.there()
    await expect(requestSnapshot(off.child.pid!)).rejects.toThrow(
      'has no flight recording that takes requests',
    )
    const dead = new Program('hangs')
    await dead.there()
    dead.child.kill('SIGSTOP')
    const asked = requestSnapshot(dead.child.pid!)
    dead.child.kill('SIGKILL')
    await expect(asked).rejects.toThrow(`process pid=${dead.child.pid} ended its flight recording before`)
    for (const pid of [0, 1.5, '1', 2 ** 31, undefined])
      await expect(requestSnapshot(pid as number)).rejects.toThrow(
        `pid=${pid} is not the number of a process`,
      )
  })

  test('can not ask where no folder for it can be made, and the start says so if it must', async () => {
    const program = new Program('bad-door')
    await program.end()
    expect([program.child.exitCode, program.taken]).toEqual([0, 0])
    const strict = new Program('bad-door', { snapshotOn: { requests: true } })
    await strict.end()
    expect(strict.child.exitCode).toBe(1)
    expect(strict.stderr).toContain('no folder for requests of other processes: ENOENT')
  })
})

test('a program that is well takes no snapshot: workers that park, compute, end or are terminated; a process that was stopped', async () => {
  const program = new Program('stays-well', { snapshotOn: { stallMs: 2000, memoryShare: 1, heapShare: 1 } })
  await program.there()
  program.child.kill('SIGSTOP')
  await delay(3000)
  program.child.kill('SIGCONT')
  await delay(1000)
  program.finish()
  expect(await program.end()).toEqual([])
  expect(program.taken, program.stderr).toBe(0)
})

describe('options', () => {
  test.each([
    [1, 'snapshotOn is a number, expected an object like { stallMs: 1000 }'],
    [null, 'snapshotOn is null, expected an object'],
    [{ stall: 1 }, 'unknown option snapshotOn.stall; there are signal, exception, workerError, stallMs'],
    [{ signal: 'USR2' }, 'snapshotOn.signal=USR2 is not the name of a signal here, like SIGUSR2'],
    [{ signal: 'SIGKILL' }, 'snapshotOn.signal=SIGKILL can not be listened for'],
    [{ signal: 'SIGUSR1' }, "snapshotOn.signal=SIGUSR1 starts Node's debugger"],
    [{ exception: 1 }, 'snapshotOn.exception=1 is neither true nor false'],
    [{ requests: 'yes' }, 'snapshotOn.requests=yes is neither true nor false'],
    [{ stallMs: 10 }, 'snapshotOn.stallMs=10 is not a whole number from 50 to 3600000'],
    [{ rssBytes: 0.5 }, 'snapshotOn.rssBytes=0.5 is not a whole number from 1048576'],
    [{ memoryShare: 1.1 }, 'snapshotOn.memoryShare=1.1 is not a number above 0 and at most 1'],
    [{ fillShare: 0 }, 'snapshotOn.fillShare=0 is not a number above 0 and at most 1'],
    [{ heapShare: '1' }, 'snapshotOn.heapShare=1 is not a number above 0 and at most 1'],
  ])('%o', async (snapshotOn, message) => {
    const dir = join(freshFolder(), 'snapshots')
    const options = { dir, mode: 'flight', snapshotOn } as unknown as Parameters<typeof startRecording>[0]
    await expect(startRecording(options)).rejects.toThrow(message)
    expect(existsSync(dir)).toBe(false)
  })

  test('are those of a flight recorder', async () => {
    const dir = join(freshFolder(), 'snapshots')
    await expect(startRecording({ dir, snapshotOn: {} })).rejects.toThrow(
      "keepSeconds, snapshots and snapshotOn are for mode: 'flight', this one is 'discard'",
    )
  })

  test('leave no listener and no registration behind', async () => {
    const dir = join(freshFolder(), 'snapshots')
    const names = ['SIGUSR2', 'uncaughtExceptionMonitor', 'worker', 'exit']
    const counts = (): number[] => names.map((name) => process.listenerCount(name))
    const before = counts()
    const recording = await startRecording({
      dir,
      mode: 'flight',
      snapshotOn: { signal: 'SIGUSR2', stallMs: 100 },
    })
    expect(counts()).not.toEqual(before)
    const { path } = await requestSnapshot(process.pid)
    expect(existsSync(path)).toBe(true)
    await recording.stop()
    expect(counts()).toEqual(before)
    await expect(requestSnapshot(process.pid)).rejects.toThrow('has no flight recording that takes requests')
  })
})
