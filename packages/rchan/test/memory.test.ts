import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startRecording, tracepoint } from 'rchan'
import { expectClosed, expectCounted, FEW, ran, SEED } from './ledger-scenario.ts'
import { babeltrace, fixture, freshFolder, readTrace, runCommand } from './scenario.ts'
import { fillingDisk } from './ways/disks.mjs'

const hit = tracepoint('memory:hit', { step: 'u32' })

type Ran = Awaited<ReturnType<typeof ran>>

/** Each thread's events are in the order of its calls, each once. */
function expectOrdered({ folder, events, discarded, overwritten, torn, unwritten }: Ran): void {
  const last = new Map<number, number>()
  for (const { threadId, fields } of readTrace(folder).records) {
    const step = Number(fields.step)
    expect(step, `a step of thread ${threadId}, seed=${SEED}`).toBeGreaterThan(last.get(threadId) ?? -1)
    last.set(threadId, step)
  }
  expect(babeltrace(folder) ?? { events }).toMatchObject({ events })
  expect(readTrace(folder).discarded).toBe(discarded + overwritten + torn + unwritten)
}

describe('a recording in memory that gets files later', () => {
  test.each(['discard', 'overwrite'] as const)(
    'has all events of before and after, each once and with its thread: %s',
    async (mode) => {
      const result = await ran(['returns', 'exits', 'returns'], { ...FEW, mode }, 4, { memory: 2 })
      expectClosed(result)
      expectOrdered(result)
      const { events, losses } = result
      expect(events).toBe(losses.attempted)
      expect(losses.threads.length).toBeGreaterThanOrEqual(12)
      expect(losses.threads.some(({ generation }) => generation >= 2)).toBe(true)
    },
  )

  test.each(['discard', 'overwrite'] as const)(
    'with full buffers, many generations, and threads that are terminated: %s',
    async (mode) => {
      const options = { possibleCpus: 3, bufferSize: 64 * 1024, mode }
      const result = await ran(['terminated', 'returns'], options, 8, { memory: 5 })
      expectClosed(result)
      expectOrdered(result)
      const lost = mode === 'discard' ? result.losses.discarded.full : result.losses.overwritten
      expect(lost).toBeGreaterThan(0)
    },
  )

  test.each(['discard', 'overwrite'] as const)('with one buffer of all threads: %s', async (mode) => {
    const options = { ...FEW, mode, buffers: 'global', bufferSize: 256 * 1024 }
    const result = await ran(['returns', 'terminated', 'bad'], options, 4, { memory: 2 })
    expectClosed(result)
    expectOrdered(result)
  })

  test('with bad arguments, and events that are too big', async () => {
    const result = await ran(['bad', 'tooBig', 'throws'], FEW, 3, { memory: 1 })
    expectClosed(result)
    expectOrdered(result)
  })
})

describe('a recording in memory that never gets files', () => {
  test.each(['per-thread', 'global'])('its ledger closes: %s', async (buffers) => {
    for (const mode of ['discard', 'overwrite']) {
      const options = { ...FEW, mode, buffers, bufferSize: 64 * 1024 }
      const result = await ran(['returns', 'terminated', 'bad'], options, 3, { memory: 99 })
      expectCounted(result)
      expect(result.losses).toMatchObject({ delivered: 0, pending: 0 })
      expect(result.losses.unwritten).toBeGreaterThan(0)
      expect(existsSync(result.folder)).toBe(false)
    }
  })

  test('its summary says that nothing was written, and what to do', async () => {
    const recording = await startRecording()
    expect(inspect(recording)).toBe('Recording { running → memory }')
    for (let step = 0; step < 10; step += 1) hit({ step })
    const summary = await recording.stop()
    expect(summary).toMatchObject({ path: undefined, events: 0, unwritten: 10, bytes: 0 })
    expect(summary.warnings).toEqual([
      expect.stringMatching(
        /^nothing was written.*\(10 unwritten\): call recording\.setUpFiles\(\{ path \}\)/,
      ),
    ])
    expect(inspect(summary)).toContain('→ nowhere')
  })

  test('a process that ends without stop writes nothing, and ends', async () => {
    const folder = freshFolder()
    const program = [
      '-c',
      'cd "$1" && exec "$2" "$3"',
      'sh',
      folder,
      process.execPath,
      fixture('in-memory.mjs'),
    ]
    const ended = await runCommand('sh', program)
    expect(ended).toEqual({ status: 0, signal: null, stdout: 'traced\n', stderr: '' })
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('setUpFiles', () => {
  test('returns the folder, which the recording has from then on', async () => {
    const dir = freshFolder()
    const recording = await startRecording({ mode: 'overwrite', bufferSize: 32 * 1024 })
    expect(recording.path).toBeUndefined()
    hit({ step: 0 })
    const path = await recording.setUpFiles({ dir })
    expect(path.startsWith(join(dir, 'trace-'))).toBe(true)
    expect(recording.path).toBe(path)
    hit({ step: 1 })
    await expect(recording.setUpFiles({ dir })).rejects.toThrow(
      `setUpFiles: the recording has its files already, in ${path}`,
    )
    expect(await recording.stop()).toMatchObject({ path, events: 2, warnings: [] })
    expect(readdirSync(dir).length).toBe(1)
    expect(readTrace(path).records.map(({ fields }) => fields.step)).toEqual([0, 1])
  })

  test('what was kept is in the files when it returns', async () => {
    const path = join(freshFolder(), 'trace')
    const recording = await startRecording({ bufferSize: 32 * 1024 })
    // More than the buffer holds.
    for (let step = 0; step < 10_000; step += 1) hit({ step })
    await recording.setUpFiles({ path })
    const kept = readTrace(path).records.length
    expect(kept).toBeGreaterThan(1000)
    // There is room again.
    hit({ step: 10_000 })
    const { events, discarded } = await recording.stop()
    expect({ events, discarded }).toEqual({ events: kept + 1, discarded: 10_000 - kept })
  })

  test('errors leave nothing behind, and the recording as it was', async () => {
    const folder = freshFolder()
    const full = join(folder, 'full')
    mkdirSync(full)
    writeFileSync(join(full, 'mine'), '')
    const recording = await startRecording()
    hit({ step: 0 })
    const locked = process.platform === 'linux' ? '/proc/self/a' : join(full, 'mine', 'a')
    const tries: [unknown, RegExp][] = [
      [{ path: full }, /can't record into .*full: it is not empty \(it holds mine\)/],
      [{ path: locked }, /can't record into .*a: E\w+.*name a folder that this user can write/],
      [{ path: join(full, 'mine') }, /can't record into .*mine: ENOTDIR/],
      [{}, /^setUpFiles: path=undefined, dir=undefined: give either path/],
      [undefined, /^setUpFiles: options=undefined, expected \{ path \} or \{ dir \}/],
      [{ path: 7 }, /^setUpFiles: path=7 is not the path of a folder/],
    ]
    for (const [options, message] of tries) {
      await expect(recording.setUpFiles(options as never)).rejects.toThrow(message)
    }
    expect(readdirSync(folder)).toEqual(['full'])
    expect(readdirSync(full)).toEqual(['mine'])
    expect(recording.path).toBeUndefined()
    expect(await recording.losses()).toMatchObject({ attempted: 1, pending: 1 })
    const path = join(folder, 'trace')
    await recording.setUpFiles({ path })
    expect(await recording.stop()).toMatchObject({ path, events: 1 })
  })

  test('on a disk that takes nothing leaves nothing behind, and can be tried elsewhere', async (context) => {
    const lacks = fillingDisk.lacks()
    context.skip(lacks !== undefined, lacks)
    const folder = freshFolder()
    const disk = fillingDisk.make(folder, { whole: (least) => least })
    // Before the folder is removed.
    using _disk = { [Symbol.dispose]: () => disk.unmount() }
    const warnings: string[] = []
    const hear = ({ message }: Error): number => warnings.push(message)
    process.on('warning', hear)
    onTestFinished(() => void process.off('warning', hear))
    const recording = await startRecording()
    for (let step = 0; step < 20_000; step += 1) hit({ step })
    for (let time = 0; time < 2; time += 1)
      await expect(recording.setUpFiles({ path: join(disk.folder, 'trace') })).rejects.toThrow(
        /can't record into .*trace: ENOSPC.*nothing of it is left, and the recording stays in memory/,
      )
    expect(readdirSync(disk.folder)).toEqual([])
    expect(recording.path).toBeUndefined()
    expect(await recording.losses()).toMatchObject({ attempted: 20_000, pending: 20_000 })
    const path = join(folder, 'trace')
    await recording.setUpFiles({ path })
    hit({ step: 20_000 })
    expect(await recording.stop()).toMatchObject({ path, events: 20_001, unwritten: 0 })
    expect(readTrace(path).records.map(({ fields }) => fields.step)).toEqual(
      Array.from({ length: 20_001 }, (_, step) => step),
    )
    expect(warnings).toEqual([])
  })

  test('of two calls at once the second is refused', async () => {
    const folder = freshFolder()
    const recording = await startRecording()
    hit({ step: 0 })
    const first = recording.setUpFiles({ path: join(folder, 'a') })
    await expect(recording.setUpFiles({ path: join(folder, 'b') })).rejects.toThrow(
      /another call sets up the files of this recording already/,
    )
    expect(await first).toBe(join(folder, 'a'))
    expect(await recording.stop()).toMatchObject({ path: join(folder, 'a'), events: 1 })
    expect(readdirSync(folder)).toEqual(['a'])
  })

  test('together with stop it is done, or leaves nothing', async () => {
    const folder = freshFolder()
    for (let time = 0; time < 10; time += 1) {
      const path = join(folder, String(time))
      const recording = await startRecording()
      hit({ step: 0 })
      const settingUp = recording.setUpFiles({ path }).catch(() => undefined)
      const summary = await recording.stop()
      expect(await settingUp).toBe(summary.path)
      expect(summary.events).toBe(summary.path === undefined ? 0 : 1)
      expect(existsSync(path)).toBe(summary.path !== undefined)
    }
  })

  test('is refused after stop, by a recording with files, and by a flight recorder', async () => {
    const folder = freshFolder()
    const late = { path: join(folder, 'late') }
    const inMemory = await startRecording()
    const stopping = inMemory.stop()
    await expect(inMemory.setUpFiles(late)).rejects.toThrow(/^setUpFiles: the recording was stopped/)
    await stopping
    await expect(inMemory.setUpFiles(late)).rejects.toThrow(/^setUpFiles: the recording was stopped/)
    const withFiles = await startRecording({ path: join(folder, 'early') })
    await expect(withFiles.setUpFiles(late)).rejects.toThrow(/has its files already, in .*early/)
    await withFiles.stop()
    const flight = await startRecording({ dir: join(folder, 'flight'), mode: 'flight' })
    await expect(flight.setUpFiles(late)).rejects.toThrow(
      /this is a flight recorder.*call recording\.snapshot/,
    )
    await flight.stop()
    expect(existsSync(late.path)).toBe(false)
  })
})
