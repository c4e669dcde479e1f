// What the snapshots of a flight recorder hold, while threads write, die, and replace others.
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { currentRecording, startRecording, tracepoint, type Snapshot } from 'rchan'
import { describe, expect, test } from 'vitest'
import { countEvents, hasReader, needReader, runReader } from '../../../test/readers.ts'
import { babeltrace, freshFolder, readTrace, run } from './scenario.ts'
import { checkTokens } from './flight/tokens.mjs'

const tick = tracepoint('flight:tick', { n: 'u32' })

describe('a snapshot', () => {
  for (const buffers of ['per-thread', 'global'] as const) {
    test(`is a consistent cut: no receipt without its sending (${buffers})`, async () => {
      for (let seed = 1; seed <= 3; seed += 1) {
        const found = await checkTokens({ dir: freshFolder(), snapshots: 50, seed, buffers })
        expect(found.problems).toEqual([])
        expect(found.snapshots).toBe(50)
        expect(found.receipts).toBeGreaterThan(found.overwritten)
      }
    })

    test(`can be opened under load, while threads are terminated and replaced (${buffers})`, async (context) => {
      needReader(context, 'babeltrace2')
      const dir = freshFolder()
      const ended = await run('flight-load.mjs', [dir, '12', '7', buffers])
      expect(ended.stderr).toBe('')
      const { snapshots } = JSON.parse(ended.stdout) as { snapshots: Snapshot[] }
      expect(snapshots.length).toBe(12)
      let generations = 0
      for (const snapshot of snapshots) {
        const { records, discarded } = readTrace(snapshot.path)
        expect(records.length).toBe(snapshot.events + 1)
        expect(discarded).toBe(snapshot.lost)
        generations = Math.max(generations, ...snapshot.threads.map(({ generation }) => generation))
        checkSequences(records, snapshot)
      }
      // Places had several threads, one after the other.
      expect(generations).toBeGreaterThan(0)
      const folders = snapshots.map(({ path }) => path)
      const events = snapshots.reduce((sum, snapshot) => sum + snapshot.events + 1, 0)
      expect(countEvents('babeltrace2', folders)).toBe(events)
      const isWhole = snapshots.filter(({ lost }) => lost === 0)
      expect(isWhole.length).toBeGreaterThan(0)
      for (const { path } of isWhole.slice(0, 3)) {
        const ran = runReader('babeltrace2', [path])
        expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' })
        if (hasReader('babeltrace')) {
          const old = runReader('babeltrace', [path])
          expect({ status: old.status, stderr: old.stderr }).toEqual({ status: 0, stderr: '' })
        }
      }
      if (hasReader('babeltrace')) expect(countEvents('babeltrace', folders.slice(0, 4))).toBeGreaterThan(0)
    })
  }

  test.each(['per-thread', 'global'] as const)(
    'does not grow with the threads that were there before, and of which it holds nothing (%s)',
    async (buffers) => {
      const options = { mode: 'flight', dir: freshFolder(), buffers, possibleCpus: 2 } as const
      const recording = await startRecording({ ...options, bufferSize: 2 ** 17 })
      for (let i = 0; i < 8; i += 1) {
        await once(new Worker(new URL('./fixtures/flight-laps.mjs', import.meta.url)), 'exit')
      }
      const { threads } = await recording.snapshot()
      expect(threads.length).toBeGreaterThan(0)
      const { perCpu } = await recording.stop()
      const names = perCpu.find(({ cpu }) => cpu === 1)?.threads ?? []
      expect(names.length).toBeGreaterThan(0)
      expect(names.length).toBeLessThanOrEqual(3)
    },
  )

  test('tells why it was taken, in the trace and in its name, whatever the reason is', async () => {
    const dir = freshFolder()
    await using recording = await startRecording({ mode: 'flight', dir })
    tick({ n: 1 })
    const reason = '../Queue\n"über" 1000 \u0000'
    const snapshot = await recording.snapshot({ reason })
    expect(snapshot).toMatchObject({ trigger: 'call', events: 1, lost: 0, warnings: [] })
    expect(snapshot.path).toMatch(/\/snapshot-\d{8}-\d{6}-\d{3}-queue-ber-1000$/)
    const { records } = readTrace(snapshot.path)
    expect(records.map(({ event }) => event.name)).toEqual(['flight:tick', 'rchan:snapshot'])
    const { fields, threadName } = records[1]
    expect(fields).toEqual({ thread: -1, not_taken: 0, trigger: 'call', reason: snapshot.reason })
    expect(threadName).toBe('rchan consumer')
    expect(snapshot.reason).toBe('../Queue "über" 1000')
    expect(snapshot.at).toBeLessThanOrEqual(Date.now())
    if (hasReader('babeltrace2')) expect(babeltrace(snapshot.path)).toEqual({ events: 2, discarded: 0 })
  })

  test('does not end what it shows: the next one has the same events, and more', async () => {
    await using recording = await startRecording({ mode: 'flight', dir: freshFolder() })
    tick({ n: 1 })
    const [first, second] = await Promise.all([recording.snapshot(), recording.snapshot()])
    tick({ n: 2 })
    const third = (await currentRecording()?.snapshot()) as Snapshot
    expect([first.events, second.events, third.events]).toEqual([1, 1, 2])
    expect(new Set([first.path, second.path, third.path]).size).toBe(3)
    const [thread] = third.threads
    expect(thread).toMatchObject({ cpu: 0, threadId: 0, events: 2, hasLostOlder: false })
    expect(third.reachMs).toBeGreaterThanOrEqual(thread.reachMs)
  })

  test('says how far back it reaches, and what would help if that is less than was asked for', async () => {
    const dir = freshFolder()
    await using recording = await startRecording({
      mode: 'flight',
      dir,
      bufferSize: 65536,
      keepSeconds: 3600,
    })
    for (let n = 0; n < 10_000; n += 1) tick({ n })
    const snapshot = await recording.snapshot()
    const [thread] = snapshot.threads
    expect(thread.hasLostOlder).toBe(true)
    expect(snapshot.reachMs).toBe(thread.reachMs)
    expect(snapshot.warnings).toEqual([expect.stringMatching(/keepSeconds=3600: .*: give bufferSize/)])
    const { records, discarded } = readTrace(snapshot.path)
    // What was overwritten before is no loss of the snapshot.
    expect(discarded).toBe(0)
    const numbers = records.flatMap(({ fields }) => (fields.n === undefined ? [] : [fields.n]))
    expect(numbers.at(-1)).toBe(9999)
    expect(numbers.length).toBe(snapshot.events)
    expect(numbers).toEqual(numbers.map((_, i) => 10_000 - numbers.length + i))
    expect(numbers.length).toBeGreaterThan(1000)
  })
})

describe('limits', () => {
  test('the newest are kept: the oldest folders go, and nothing that is not ours', async () => {
    const dir = freshFolder()
    const options = { mode: 'flight', dir, snapshots: { max: 2 } } as const
    mkdirSync(join(dir, 'snapshot-of-somebody'))
    const recording = await startRecording(options)
    tick({ n: 1 })
    const taken: Snapshot[] = []
    for (let i = 0; i < 4; i += 1) {
      taken.push(await recording.snapshot())
      if (i === 1) writeFileSync(join(taken[i].path, 'note.txt'), 'mine')
    }
    expect(taken.map(({ path }) => existsSync(path))).toEqual([false, true, true, true])
    expect(readdirSync(taken[1].path)).toEqual(['note.txt'])
    const summary = await recording.stop()
    expect(summary.snapshots).toMatchObject({ taken: 4, removed: 1 })
    expect(summary.snapshots.last.map(({ path }) => path)).toEqual(taken.map(({ path }) => path))
    expect(readdirSync(dir).sort()).toContain('snapshot-of-somebody')
  })

  test('the oldest are kept: further ones are refused, and counted', async () => {
    const dir = freshFolder()
    const recording = await startRecording({ mode: 'flight', dir, snapshots: { max: 1, keep: 'oldest' } })
    tick({ n: 1 })
    const { path } = await recording.snapshot()
    await expect(recording.snapshot()).rejects.toThrow(/1 were taken, max=1/)
    const { snapshots } = await recording.stop()
    expect(snapshots).toMatchObject({ taken: 1, notTaken: { number: 1, rate: 0, bytes: 0, failed: 0 } })
    expect(readdirSync(dir)).toEqual([path.slice(dir.length + 1)])
  })

  test('one that may take too many bytes is refused, and the next one in the trace counts it', async () => {
    const dir = freshFolder()
    const options = { mode: 'flight', dir, bufferSize: 2 ** 22, snapshots: { maxBytes: 2 ** 20 } } as const
    await using recording = await startRecording(options)
    tick({ n: 1 })
    const { notTaken } = await recording.snapshot()
    expect(notTaken).toEqual({ number: 0, rate: 0, bytes: 0, failed: 0 })
    for (let n = 0; n < 100_000; n += 1) tick({ n })
    await expect(recording.snapshot()).rejects.toThrow(/maxBytes=1048576/)
  })
})

describe('a snapshot that fails', () => {
  test('says so, leaves nothing, is counted, and the recording goes on', async () => {
    const parent = freshFolder()
    const dir = join(parent, 'made', 'snapshots')
    const recording = await startRecording({ mode: 'flight', dir })
    tick({ n: 1 })
    // A file where the folder was.
    rmSync(dir, { recursive: true })
    writeFileSync(dir, '')
    await expect(recording.snapshot({ reason: 'a' })).rejects.toThrow(
      /could not be written .*ENOTDIR.*nothing of it/,
    )
    rmSync(dir)
    const snapshot = await recording.snapshot({ reason: 'b' })
    expect(snapshot.notTaken.failed).toBe(1)
    const event = readTrace(snapshot.path).records.at(-1)
    expect(event?.fields).toMatchObject({ not_taken: 1, reason: 'b' })
    const summary = await recording.stop()
    expect(summary.error).toMatch(/ENOTDIR/)
    expect(readdirSync(dir)).toHaveLength(1)
  })
})

describe('what is no flight recorder', () => {
  test('takes no snapshot, and says what to do', async () => {
    expect(currentRecording()).toBeUndefined()
    await using recording = await startRecording({ path: join(freshFolder(), 'trace') })
    await expect(recording.snapshot()).rejects.toThrow(/mode: 'flight'/)
    await expect(recording.snapshot({ reason: 1 as never })).rejects.toThrow(/reason=1/)
    await expect(recording.snapshot('it was slow' as never)).rejects.toThrow(
      /options=it was slow, expected \{ reason \}/,
    )
  })

  test('does not run beside one: a call writes into one recording', async () => {
    await using recording = await startRecording({ mode: 'flight', dir: freshFolder() })
    await expect(startRecording({ path: join(freshFolder(), 'trace') })).rejects.toThrow(/one recording only/)
    expect((await recording.snapshot()).events).toBe(0)
  })

  const bad: [object, RegExp][] = [
    [{ mode: 'flight', path: 'x' }, /give dir/],
    [{ mode: 'overwrite', dir: 'x', keepSeconds: 5 }, /for mode: 'flight'/],
    [{ mode: 'flight', dir: 'x', keepSeconds: 0 }, /keepSeconds=0/],
    [{ mode: 'flight', dir: 'x', keepSeconds: '5' }, /keepSeconds=5/],
    [{ mode: 'flight', dir: 'x', snapshots: { most: 1 } }, /snapshots.most/],
    [{ mode: 'flight', dir: 'x', snapshots: { max: 0 } }, /snapshots.max=0/],
    [{ mode: 'flight', dir: 'x', snapshots: { keep: 'all' } }, /snapshots.keep=all/],
    [{ mode: 'flight', dir: 'x', snapshots: null }, /snapshots=null/],
  ]
  test.each(bad)('a bad option is refused: %j', async (options, message) => {
    await expect(startRecording(options as never)).rejects.toThrow(message)
  })
})

/** Each writer's numbers follow each other in its part, and are its own. */
function checkSequences(records: ReturnType<typeof readTrace>['records'], { lost, path }: Snapshot): void {
  const last = new Map<number, number>()
  for (const { event, fields, threadId } of records) {
    if (event.name !== 'load:number') continue
    const number = fields.number as number
    if (fields.thread !== threadId)
      throw new Error(`${path}: thread ${threadId} has an event of ${String(fields.thread)}`)
    const before = last.get(threadId)
    if (before !== undefined && (number <= before || (lost === 0 && number !== before + 1)))
      throw new Error(`${path}: in thread ${threadId}, ${before} is followed by ${number}`)
    last.set(threadId, number)
  }
  expect(last.size).toBeGreaterThan(0)
}
