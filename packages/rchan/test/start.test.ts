import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startRecording, tracepoint } from 'rchan'
import { afterEach, describe, expect, test } from 'vitest'
import { freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const point = tracepoint('start:point', { n: 'u32' })
const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

async function record(options: Parameters<typeof startRecording>[0]): ReturnType<typeof startRecording> {
  const recording = await startRecording(options)
  stops.push(() => recording.stop())
  return recording
}

describe('a recording that can not start says what, where and what to do, and leaves nothing behind', () => {
  test('for a folder that is not empty', async () => {
    const folder = freshFolder()
    writeFileSync(join(folder, 'mine.txt'), '')
    await expect(record({ path: folder })).rejects.toThrow(
      `can't record into ${folder}: it is not empty (it holds mine.txt); empty it, name another folder, or give { dir: … }`,
    )
    expect(readdirSync(folder)).toEqual(['mine.txt'])
  })

  test('for a path that is a file, or leads through one', async () => {
    const folder = freshFolder()
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (const options of [{ path: file }, { path: join(file, 'trace') }, { dir: file }]) {
      await expect(record(options)).rejects.toThrow(
        /^can't record into .*file.*: E(NOTDIR|EXIST).*name a folder that this user can write/,
      )
    }
    expect(readdirSync(folder)).toEqual(['file'])
  })

  test('for a folder that can not be written', async () => {
    const folder = freshFolder()
    // Root may write anywhere but into the kernel's own file systems.
    const locked = process.getuid?.() === 0 ? '/proc/self' : join(folder, 'locked')
    if (locked.startsWith(folder)) mkdirSync(locked, { mode: 0o500 })
    for (const options of [{ path: join(locked, 'a', 'b') }, { dir: locked }]) {
      await expect(record(options)).rejects.toThrow(
        /^can't record into .*: E\w+.*name a folder that this user can write/,
      )
    }
    expect(readdirSync(folder).filter((name) => name !== 'locked')).toEqual([])
  })

  test('for options that do not fit', async () => {
    const folder = join(freshFolder(), 'a')
    const tries: [unknown, RegExp][] = [
      [null, /options=null, expected \{ path \} or \{ dir \}, or neither to record in memory/],
      [{ mode: 'flight' }, /mode='flight' with path=undefined: give dir/],
      [{ path: folder, dir: folder }, /give either path/],
      [{ path: '' }, /path="" is not the path of a folder/],
      [{ path: 7 }, /path=7 is not the path of a folder/],
      [{ path: folder, mode: 'block' }, /mode=block is none of 'discard', 'overwrite', 'flight'/],
      [{ path: folder, buffers: 'one' }, /buffers=one is neither 'per-thread' nor 'global'/],
      [{ path: folder, bufferSize: 1000 }, /bufferSize=1000 is not a whole number from 32768 to/],
      [{ path: folder, bufferSize: Number.NaN }, /bufferSize=NaN/],
      [{ path: folder, bufferSize: '4M' }, /bufferSize=4M/],
      [{ path: folder, bufferSize: 2 ** 40 }, /bufferSize=1099511627776/],
      [{ path: folder, flushIntervalMs: 0 }, /flushIntervalMs=0 is not a whole number from 10 to 60000/],
      [{ path: folder, bufersize: 2 ** 20 }, /unknown option bufersize; there are path, dir, mode/],
      [{ path: folder, possibleCpus: 1.5 }, /possibleCpus=1.5 is not a whole number from 1 to 1024/],
    ]
    for (const [options, message] of tries) await expect(record(options as never)).rejects.toThrow(message)
    expect(existsSync(folder)).toBe(false)
  })

  test('while another one runs', async () => {
    const folder = freshFolder()
    const first = await record({ path: join(folder, 'first') })
    await expect(record({ path: join(folder, 'second', 'deep') })).rejects.toThrow(
      /can't record into .*deep: a recording runs already in this process .*stop it before you start the next/,
    )
    expect(readdirSync(folder)).toEqual(['first'])
    point({ n: 1 })
    expect(await first.stop()).toMatchObject({ events: 1, cpus: 1 })
  })
})

test('a tracepoint with a bad name or field type says which, and what is possible', () => {
  const declare = tracepoint as unknown as (name: unknown, fields: unknown) => void
  for (const name of ['', 'a b', '1st', 'a:', ':a', 'ä', 7, undefined, null, 'x'.repeat(300), 'a\n', 'a*/']) {
    expect(() => declare(name, {}), String(name)).toThrow(/^tracepoint name=.*a name is letters, digits/)
  }
  expect(() => declare('bad:field', { 'a b': 'u8' })).toThrow(/tracepoint bad:field: field name="a b"/)
  expect(() => declare('bad:type', { a: 'u128' })).toThrow(
    /tracepoint bad:type: field a has type="u128"; the types are u8, u16, .*string/,
  )
  expect(() => declare('bad:type', { a: undefined })).toThrow(/type=undefined/)
  for (const fields of [null, 'u8', ['u8']]) {
    expect(() => declare('bad:fields', fields)).toThrow(
      /tracepoint bad:fields: fields=.* is not an object like/,
    )
  }
})

test('a recording that fails to start leaves the files of others alone', async () => {
  const folder = freshFolder()
  const path = join(folder, 'trace')
  mkdirSync(path)
  const starting = startRecording({ path })
  // The folder is claimed by now; the consumer thread is not there yet.
  await new Promise((resolve) => setImmediate(resolve))
  while (!existsSync(join(path, 'metadata'))) await new Promise((resolve) => setImmediate(resolve))
  writeFileSync(join(path, 'mine.txt'), '')
  mkdirSync(join(path, '.metadata'))
  const failed = await starting.then(
    async (recording) => void (await recording.stop()),
    (error: unknown) => error,
  )
  expect(readdirSync(path)).toContain('mine.txt')
  if (failed !== undefined) expect(readdirSync(path).sort()).toEqual(['.metadata', 'mine.txt'])
})

describe('a recording', () => {
  test('makes the folders above its own, and a fresh folder in dir each time', async () => {
    const folder = freshFolder()
    const paths: string[] = []
    for (let i = 0; i < 3; i += 1) {
      const recording = await record({ dir: join(folder, 'a', 'b') })
      point({ n: i })
      const summary = await recording.stop()
      expect(summary).toMatchObject({ path: recording.path, events: 1, discarded: 0 })
      paths.push(summary.path)
      expect(readTrace(summary.path).records.map(({ fields }) => fields.n)).toEqual([i])
    }
    expect(new Set(paths).size).toBe(3)
  })

  test('writes files for their owner alone', async () => {
    const recording = await record({ path: join(freshFolder(), 'trace') })
    point({ n: 1 })
    await recording.stop()
    expect(readdirSync(recording.path).sort()).toEqual(['cpu_0', 'metadata'])
    for (const name of readdirSync(recording.path)) {
      expect(statSync(join(recording.path, name)).mode & 0o777, name).toBe(0o600)
    }
  })

  test('that saw no event leaves a trace that readers open', async () => {
    const recording = await record({ path: freshFolder() })
    expect(await recording.stop()).toMatchObject({ events: 0, cpus: 0, discarded: 0 })
    expect(readTrace(recording.path)).toEqual({ records: [], discarded: 0 })
  })

  test('whose folder is removed says that its events are gone', async () => {
    const recording = await record({ path: join(freshFolder(), 'trace'), flushIntervalMs: 10 })
    point({ n: 1 })
    while (!existsSync(join(recording.path, 'cpu_0'))) await new Promise((resolve) => setTimeout(resolve, 5))
    rmSync(recording.path, { recursive: true })
    const summary = await recording.stop()
    expect(summary).toMatchObject({ events: 0, unwritten: 1, cpus: 0 })
    expect(summary.error).toMatch(/the folder .*trace was removed or moved while it was recorded into/)
  })

  test('can be stopped twice, and by await using', async () => {
    const recording = await record({ path: freshFolder() })
    point({ n: 1 })
    const [first, second] = await Promise.all([recording.stop(), recording.stop()])
    await recording[Symbol.asyncDispose]()
    expect(second).toEqual(first)
    expect(point.enabled).toBe(false)
  })

  test('delivers what parked and busy threads wrote on an interval, with the main thread blocked', async () => {
    const ended = await run('parked-and-busy.mjs', [join(freshFolder(), 'trace')])
    expect(ended.status, ended.stderr).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ seen: 22 })
  })

  test('ends with the thread that started it, also when that was terminated', async () => {
    const summary = summaryOf(await run('recorder-dies.mjs', [join(freshFolder(), 'trace')]))
    expect(summary).toMatchObject({ before: true, after: false, events: 1, discarded: 0 })
  })

  test('is not disturbed by what the program preloads into its threads', async () => {
    const folder = freshFolder()
    const preload = join(folder, 'preload.mjs')
    // Would end the consumer thread, and every other worker.
    writeFileSync(
      preload,
      `import { isMainThread } from 'node:worker_threads'\nif (!isMainThread && process.env.RCHAN_FIXTURE !== 'on') process.exit(9)\n`,
    )
    const { NODE_OPTIONS } = process.env
    process.env.NODE_OPTIONS = `--import "${preload}"`
    try {
      const summary = summaryOf(await run('required.cjs', [join(folder, 'trace')]))
      expect(summary.events).toBe(1)
    } finally {
      if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = NODE_OPTIONS
    }
  })
})

test('CommonJS can require every package', async () => {
  const folder = join(freshFolder(), 'trace')
  const ended = await run('required.cjs', [folder])
  expect(summaryOf(ended).events).toBe(1)
  expect(ended.stderr).not.toMatch(/Error/)
})

test('a program that imports rchan and never records ends as it would without', async () => {
  const ended = await run('idle.mjs')
  expect(ended.status, ended.stderr).toBe(0)
  const { enabled, before, after, arrayBuffers } = JSON.parse(ended.stdout) as Record<string, unknown>
  expect(enabled).toBe(false)
  expect(after).toEqual(before)
  expect(arrayBuffers).toBeLessThan(2 ** 20)
})
