/** Probes that are taken off, and probes that fail. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROBES } from 'rchan/probes'
import { describe, expect, test } from 'vitest'
import { freshFolder, readTrace, runCommand } from './scenario.ts'

/** What a program of this test found of one probe. */
interface Found {
  /** What was another one while the probe was on, and what still was after it. */
  readonly changed: readonly string[]
  readonly left: readonly string[]
  /** Listeners on objects of the program, more than without the probe. */
  readonly listenersWith: number
  readonly listenersLeft: number
}

async function output(file: string, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL(`./record/${file}`, import.meta.url))
  const { status, stdout, stderr } = await runCommand(process.execPath, [program, ...args])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

test('each probe takes back everything that it has changed', async () => {
  const found = JSON.parse(await output('takes-back.mjs')) as Record<string, Found>
  expect(Object.keys(found)).toEqual(PROBES.map(({ name }) => name))
  for (const [name, { left, listenersLeft }] of Object.entries(found)) {
    expect({ name, left }).toEqual({ name, left: [] })
    // Fewer, where a task has ended meanwhile whose pool had one.
    expect(listenersLeft).toBeLessThanOrEqual(0)
  }
  // The program has seen what they change.
  const { threads, tasks, messages, io, samples } = found
  expect(threads).toMatchObject({
    changed: [
      // By which it sees the files of workers.
      'MessagePort.prototype.postMessage',
      'worker_threads.receiveMessageOnPort',
      'import worker_threads.receiveMessageOnPort',
      'process on exit',
      'channel worker_threads',
      'MessagePort.prototype.Symbol(nodejs.internal.kHybridDispatch)',
    ],
    listenersWith: 2,
  })
  expect(tasks.listenersWith).toBe(1)
  for (const change of [
    'Piscina.run',
    'workerpool.pool',
    'jestWorker.call',
    'Module.prototype.loaded',
    'async_hooks.AsyncResource',
  ]) {
    expect(tasks.changed).toContain(change)
  }
  for (const { changed } of [tasks, messages]) expect(changed).toContain('globalThis.MessageChannel')
  for (const { changed } of [tasks, messages, samples]) {
    expect(changed).toContain('MessagePort.prototype.postMessage')
    expect(changed).toContain('import worker_threads.receiveMessageOnPort')
  }
  expect(io.changed).toEqual(['console.time', 'console.timeEnd', 'process on exit'])
})

test('a thread that has probes keeps them: each message is recorded once', async () => {
  expect(await output('probes-twice.mjs', join(freshFolder(), 'trace'))).toBe('3 3\n')
})

describe('a probe that fails switches itself off, says so once, and the program goes on', () => {
  test.each([
    ['at once', ['messages', 'tasks'], /unknown way/],
    ['later', ['messages', 'tasks', 'threads'], /undefined/],
  ])('%s', async (when, probes, why) => {
    const folder = join(freshFolder(), 'trace')
    expect(await output('probe-fails.mjs', folder, when)).toBe('still here true\n')
    const { records } = readTrace(folder)
    const off = records.filter(({ event }) => event.name === 'probe:off')
    expect(off.map(({ fields }) => String(fields.probe)).sort()).toEqual(probes)
    for (const { fields } of off) expect(fields.why).toMatch(why)
    expect(records.filter(({ event }) => event.name === 'still:here')).toHaveLength(1)
  })
})
