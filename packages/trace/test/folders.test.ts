import fs from 'node:fs'
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startRecording, tracepoint, type RecordingOptions } from '@rchan/trace'
import { claimFolder } from '../dist/trace-folder.js'
import { freshFolder, namesIn, opened, printed, run } from './process.ts'

/** Plays another process: does something just before or after the first folder is made by us. */
function atFirstMkdir(before: (path: string) => void, after: (path: string) => void): void {
  const real = fs.mkdirSync
  const restore = (): void => {
    fs.mkdirSync = real
    syncBuiltinESMExports()
  }
  fs.mkdirSync = ((path: string, options: fs.MakeDirectoryOptions) => {
    restore()
    before(path)
    const made = real(path, options)
    after(path)
    return made
  }) as typeof fs.mkdirSync
  syncBuiltinESMExports()
  onTestFinished(restore)
}

const putTrace = (path: string): void => {
  mkdirSync(join(path, 'other'), { recursive: true })
  writeFileSync(join(path, 'other', 'metadata'), 'of another process')
}

test('a folder that another process makes at the same moment is shared with it', async () => {
  const folder = join(freshFolder(), 'new')
  atFirstMkdir(putTrace, () => undefined)
  const recording = await startRecording({ path: join(folder, 'ours') })
  opened(await recording.stop())
  expect(namesIn(folder)).toEqual(['other', 'ours'])
  expect(namesIn(folder, 'other')).toEqual(['metadata'])
})

test('a start that fails takes back the folders that it made, but none that others use by now', async () => {
  const folder = freshFolder()
  const recording = await startRecording({ path: join(folder, 'first') })
  await expect(startRecording({ path: join(folder, 'a', 'b', 'ours') })).rejects.toThrow(/runs already/)
  expect(namesIn(folder)).toEqual(['first'])
  const place = join(folder, 'a', 'b')
  for (const options of [{ path: place }, { dir: place }]) {
    atFirstMkdir(() => undefined, putTrace)
    await expect(startRecording(options)).rejects.toThrow(/runs already/)
    expect(namesIn(folder, 'a')).toEqual(['other'])
    expect(existsSync(join(folder, 'a', 'other', 'metadata'))).toBe(true)
    fs.rmSync(join(folder, 'a'), { recursive: true })
  }
  await recording.stop()
})

test('a start that ends while its metadata are written takes the draft back, too', () => {
  const folder = freshFolder()
  for (const options of [{ path: join(folder, 'path') }, { dir: join(folder, 'dir') }]) {
    const { path, undo } = claimFolder(options)
    writeFileSync(join(path, '.metadata-0123456789abcdef'), '')
    undo()
  }
  expect(namesIn(folder)).toEqual([])
})

const umaskEvent = tracepoint('folders:umask', {})

test.each([0o777, 0o177, 0o700])(
  'with a umask of 0%o what is made can be used by its owner',
  async (umask) => {
    const outer = freshFolder()
    const before = process.umask(umask)
    onTestFinished(() => void process.umask(before))
    for (const buffers of ['per-thread', 'global'] as const) {
      const folder = join(outer, buffers)
      const path = join(folder, 'trace')
      const recording = await startRecording({ path, buffers })
      umaskEvent()
      expect(await recording.stop()).toMatchObject({ events: 1, unwritten: 0 })
      for (const made of [folder, path]) expect(statSync(made).mode & 0o777, made).toBe(0o700)
      const names = namesIn(path)
      expect(names).toHaveLength(2)
      for (const name of names) expect(statSync(join(path, name)).mode & 0o777, name).toBe(0o600)
      const fresh = await startRecording({ dir: join(folder, 'fresh'), buffers })
      await fresh.stop()
      expect(statSync(fresh.path).mode & 0o777).toBe(0o700)
    }
  },
)

test('a file: URL names a folder, also one of another realm', async () => {
  const folder = freshFolder()
  const path = join(folder, 'a b#c?d')
  const url = pathToFileURL(path)
  const foreign = { href: url.href, protocol: url.protocol, host: '', hostname: '', pathname: url.pathname }
  for (const options of [{ path: url }, { dir: pathToFileURL(join(folder, 'dir')) }, { path: foreign }]) {
    const recording = await startRecording(options as RecordingOptions)
    const { path: made } = await recording.stop()
    expect(made).toBe(recording.path)
    expect(namesIn(made)).toContain('metadata')
    if (!('dir' in options)) expect(made).toBe(path)
    rmSync(made, { recursive: true })
  }
})

test('what names no folder is refused with what was given, and nothing is made', async () => {
  const folder = freshFolder()
  const url = pathToFileURL(join(folder, 'x')).href
  const bad: [unknown, RegExp][] = [
    [url, /path="file:.*give new URL\(…\), or a path/],
    ['FILE:x', /give new URL\(…\), or a path/],
    [new URL('https://example.org/x'), /path=https:\/\/example\.org\/x is not the file: URL of a folder/],
    ['', /path="" is not the path/],
    [5, /path=5 is not the path/],
    [10n, /path=10 is not the path/],
    [{}, /is not the path/],
    ['a\0b', /is not the path/],
  ]
  for (const [path, message] of bad) {
    await expect(startRecording({ path } as RecordingOptions)).rejects.toThrow(message)
    await expect(startRecording({ path } as RecordingOptions)).rejects.toThrow(TypeError)
  }
  expect(existsSync('file:')).toBe(false)
  expect(namesIn(folder)).toEqual([])
})

test('a folder whose name begins with file: is named by its path', async () => {
  const path = join(freshFolder(), 'file:', 'x')
  const recording = await startRecording({ path: relative(process.cwd(), path) })
  expect((await recording.stop()).path).toBe(path)
})

// In a separate process, because the whole process lacks it.
const LACKING = process.platform === 'linux' ? test : test.skip

LACKING.each([0, 1, 2, 4, 8, 12, 16, 20])(
  'with %i descriptors left a start says so, leaves nothing, and can be done again',
  async (left) => {
    const folder = freshFolder()
    const seen = printed(await run('lacking.mjs', [folder, 'descriptors', String(left)])) as Record<
      string,
      unknown
    >
    expect(seen).toEqual({
      error: expect.stringMatching(/file descriptors are left, .*ulimit -n/),
      left: [],
      again: 1,
    })
  },
)

LACKING('where the working directory is gone, a start says so and leaves nothing', async () => {
  const folder = freshFolder()
  const seen = printed(await run('lacking.mjs', [folder, 'directory'])) as Record<string, unknown>
  expect(seen).toEqual({
    error: expect.stringMatching(/working directory .* is gone, .*chdir/),
    left: [],
    again: 1,
  })
})

LACKING(
  'where the address space is limited, a start says so or succeeds, and the process goes on',
  async () => {
    const seen = printed(await run('lacking.mjs', [freshFolder(), 'space'])) as [number, string][]
    expect(seen.length).toBeGreaterThan(2)
    expect(seen.some(([, outcome]) => outcome === '1 event')).toBe(true)
    for (const [, outcome] of seen)
      expect(outcome).toMatch(/^1 event$|address space.*ulimit -v.*; nothing left$/)
  },
)

test.each(['before', 'after'])('a globalThis that was frozen %s the import', async (when) => {
  const seen = printed(await run('lacking.mjs', [freshFolder(), 'frozen', when]))
  expect(seen).toEqual({ left: ['again'], again: 1 })
})

const descriptorEvent = tracepoint('folders:descriptor', {})

test.skipIf(process.platform !== 'linux')('a recording that is over has nothing open', async () => {
  const folder = freshFolder()
  const open = (): string[] =>
    readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${fd}`)
        return path.startsWith(folder) ? [path] : []
      } catch {
        return []
      }
    })
  for (const buffers of ['per-thread', 'global'] as const) {
    const recording = await startRecording({ path: join(folder, buffers), buffers })
    descriptorEvent()
    expect(open()).not.toEqual([])
    await recording.stop()
    expect(open()).toEqual([])
  }
})
