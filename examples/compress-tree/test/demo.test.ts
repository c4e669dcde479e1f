import { openTrace } from 'rchan/reader'
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needReader, runReader } from '../../../test/readers.js'
import { analyse } from '../dist/analysis.js'
import { Job } from '../dist/job.js'
import type { Summary } from '../dist/report.js'
import { selectFiles, type Limits } from '../dist/selection.js'
import { expectWellFormed, sliceCount, textsOf } from './svg.js'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const PLAIN_FILES = 150
const UNUSUAL_NAMES = [
  'ünï cödé.txt',
  'with space.txt',
  "quote's.txt",
  'line\nfeed.txt',
  'empty.txt',
  '日本.txt',
]

const sandbox = mkdtempSync(join(tmpdir(), 'compress tree-'))
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))

interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function run(script: string, ...args: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: sandbox })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject).on('close', (status) => resolve({ status, stdout, stderr }))
  })
}

/** A folder of files that are worth compressing. @returns their paths, from the sandbox. */
function makeTree(folder: string): string[] {
  const inner = join(folder, 'ein Ordner', 'ü')
  mkdirSync(join(sandbox, inner), { recursive: true })
  const paths = [
    ...UNUSUAL_NAMES.map((name) => join(inner, name)),
    ...Array.from({ length: PLAIN_FILES }, (_, index) => join(folder, `${index}.txt`)),
  ]
  for (const [index, path] of paths.entries()) {
    const text = path.endsWith('empty.txt') ? '' : `line ${index} of ${path}\n`.repeat(10 + (index % 50) * 40)
    writeFileSync(join(sandbox, path), text)
  }
  symlinkSync('0.txt', join(sandbox, folder, 'link.txt'))
  return paths
}

function readSummary(out: string): Summary {
  return JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary
}

describe('the demo on a small folder', () => {
  const out = join(sandbox, 'made', 'out')
  let paths: string[]
  let demo: Run
  let summary: Summary

  beforeAll(async () => {
    paths = makeTree('my files')
    demo = await run(MAIN, 'my files', '--out', out)
    expect(demo.stderr).toBe('')
    expect(demo.status).toBe(0)
    summary = readSummary(out)
  })

  test('every file is compressed, links are left out, nothing is lost', () => {
    expect(summary).toMatchObject({
      files: paths.length,
      tasks: paths.length,
      tasksIncomplete: 0,
      failures: [],
      discarded: 0,
      overwritten: 0,
      torn: 0,
      unwritten: 0,
    })
    const bytes = paths.reduce((total, path) => total + statSync(join(sandbox, path)).size, 0)
    expect(summary.bytesIn).toBe(bytes)
    expect(summary.bytesOut).toBeGreaterThan(0)
    expect(summary.bytesOut).toBeLessThan(bytes)
    expect(demo.stdout).toContain('1 links and the like')
    expect(demo.stdout).toContain('no event was lost')
  })

  test('the pool grew, shrank and grew again: places were taken by fresh threads', () => {
    expect(summary.cpus).toBeGreaterThanOrEqual(3)
    expect(summary.perCpu).toHaveLength(summary.cpus)
    expect(summary.threads).toBeGreaterThan(summary.cpus)
    expect(Math.max(...summary.perCpu.map(({ threads }) => threads.length))).toBeGreaterThanOrEqual(2)
    expect(summary.perCpu.reduce((total, { tasks }) => total + tasks, 0)).toBe(paths.length)
  })

  test('our reader finds what the summary says', () => {
    const trace = openTrace(join(out, 'trace'))
    const analysis = analyse(trace.records())
    expect(analysis.events).toBe(summary.events)
    expect(new Set(analysis.tasks.map(({ path }) => path))).toEqual(new Set(paths))
    expect(analysis.tasks.every(({ ok, submitNs }) => ok && submitNs !== undefined)).toBe(true)
    for (const { eventsDiscarded, packetsLost } of trace.losses()) {
      expect([eventsDiscarded, packetsLost]).toEqual([0, 0])
    }
    // A thread's own number is the one that the recording knows.
    const told = analysis.threads
      .filter(({ cpu }) => cpu !== 0)
      .map(({ cpu, generation, threadId }) => ({ cpu, generation, threadId }))
    const known = summary.perCpu.flatMap(({ cpu, threads }) =>
      threads.map(({ generation, threadId }) => ({ cpu, generation, threadId })),
    )
    expect(told).toEqual(known.filter(({ cpu }) => cpu !== 0))
  })

  test('babeltrace2 prints a line for each event, with the paths', (context) => {
    needReader(context, 'babeltrace2')
    const { status, stdout, stderr } = runReader('babeltrace2', [join(out, 'trace')])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.match(/\n/g)).toHaveLength(summary.events)
    // It prints quotes and line feeds as C would.
    const printed = paths.map(
      (path) => `"${path.replaceAll("'", String.raw`\'`).replaceAll('\n', String.raw`\n`)}"`,
    )
    expect(printed.filter((path) => !stdout.includes(path))).toEqual([])
  })

  test('trace.json has a slice and a wait for each task, and no two slices of a track overlap', () => {
    const traceEvents = readChromeTrace(out)
    const slices = traceEvents.filter(({ ph, cat }) => ph === 'X' && cat === 'task')
    expect(slices.map(({ args }) => args.path).sort()).toEqual([...paths].sort())
    expect(new Set(slices.map(({ name }) => name))).toEqual(new Set(['compress .txt']))
    for (const edge of ['b', 'e']) {
      expect(traceEvents.filter(({ ph, cat }) => ph === edge && cat === 'queue')).toHaveLength(paths.length)
    }
    const tracks = groupByTrack(traceEvents.filter(({ ph }) => ph === 'X'))
    expect(tracks.size).toBeGreaterThanOrEqual(3)
    for (const track of tracks.values()) {
      track.sort((a, b) => a.ts - b.ts)
      for (const [index, { ts }] of track.entries()) {
        // Times are in microseconds, so half of a nanosecond is more than they are wrong by.
        if (index > 0) expect(track[index - 1].ts + track[index - 1].dur).toBeLessThan(ts + 0.0005)
      }
    }
  })

  test('trace.json has an arrow for each task, from the slice of its submit to that of its run', () => {
    const traceEvents = readChromeTrace(out)
    const tracks = groupByTrack(traceEvents.filter(({ ph }) => ph === 'X'))
    const joined = (edge: string): [number, string, number][] =>
      traceEvents
        .filter(({ ph }) => ph === edge)
        .map(({ id, tid, ts }) => {
          const under = (tracks.get(tid) ?? []).filter((slice) => slice.ts <= ts && ts < slice.ts + slice.dur)
          expect(under).toHaveLength(1)
          return [id, under[0].name, under[0].args.task] as [number, string, number]
        })
        .sort(([a], [b]) => a - b)
    const tasks = [...paths.keys()]
    expect(joined('s')).toEqual(tasks.map((task) => [task, 'submit', task]))
    expect(joined('f')).toEqual(tasks.map((task) => [task, 'compress .txt', task]))
    // Perfetto drops an end that is bound to the next slice, and one without a start.
    expect(traceEvents.filter(({ ph }) => ph === 'f').every(({ bp }) => bp === 'e')).toBe(true)
  })

  test('timeline.svg is a picture of it: a slice for each task, a lane for each thread, arrows', () => {
    const svg = readFileSync(join(out, 'timeline.svg'), 'utf8')
    expectWellFormed(svg)
    expect(svg).toContain(`${paths.length} tasks on ${summary.threads - 1} worker threads`)
    expect(sliceCount(svg)).toBe(paths.length)
    const lanes = textsOf(svg).filter(({ content }) => /^(main thread|thread \d+)$/.test(content))
    expect(lanes).toHaveLength(summary.threads)
    expect(svg.match(/class="halo"/g)?.length).toBeGreaterThan(0)
    expect(demo.stdout).toContain('timeline.svg')
  })

  test('the next run replaces what the demo made, and leaves other files alone', async () => {
    const kept = join(out, 'notes.txt')
    writeFileSync(kept, 'mine')
    mkdirSync(join(sandbox, 'two'), { recursive: true })
    writeFileSync(join(sandbox, 'two', 'a'), 'a'.repeat(1000))
    writeFileSync(join(sandbox, 'two', 'b'), 'b'.repeat(1000))
    expect(await run(MAIN, 'two', '--out', out, '--threads', '2')).toMatchObject({ status: 0, stderr: '' })
    expect(readSummary(out)).toMatchObject({ files: 2, bytesIn: 2000 })
    expect(readFileSync(kept, 'utf8')).toBe('mine')
  })
})

interface ChromeEvent {
  readonly ph: string
  readonly name: string
  readonly cat?: string
  readonly id: number
  readonly bp?: string
  readonly tid: number
  readonly ts: number
  readonly dur: number
  readonly args: { readonly task: number; readonly path: string }
}

function readChromeTrace(folder: string): ChromeEvent[] {
  const text = readFileSync(join(folder, 'trace.json'), 'utf8')
  return (JSON.parse(text) as { traceEvents: ChromeEvent[] }).traceEvents
}

function groupByTrack<T extends { tid: number }>(slices: readonly T[]): Map<number, T[]> {
  const tracks = new Map<number, T[]>()
  for (const slice of slices) {
    const track = tracks.get(slice.tid)
    if (track === undefined) tracks.set(slice.tid, [slice])
    else track.push(slice)
  }
  return tracks
}

describe('folders and files that are not as hoped', () => {
  test('an empty folder is a run without tasks', async () => {
    mkdirSync(join(sandbox, 'empty'))
    const out = join(sandbox, 'empty out')
    expect(await run(MAIN, 'empty', '--out', out)).toMatchObject({ status: 0, stderr: '' })
    expect(readSummary(out)).toMatchObject({ files: 0, tasks: 0, bytesIn: 0, queueWaitMs: null, runMs: null })
    expect(analyse(openTrace(join(out, 'trace')).records()).events).toBe(readSummary(out).events)
    expect(JSON.parse(readFileSync(join(out, 'trace.json'), 'utf8'))).toHaveProperty('traceEvents')
  })

  test('a file that vanishes after it was selected is reported, and the others are compressed', async () => {
    const file = join(sandbox, 'here.txt')
    writeFileSync(file, 'here')
    const outcome = await new Job(
      [
        { path: 'gone.txt', file: join(sandbox, 'gone.txt'), bytes: 5 },
        { path: 'here.txt', file, bytes: 4 },
      ],
      { quality: 1, maxThreads: 2 },
    ).run()
    expect(outcome).toMatchObject({ files: 1, bytesIn: 4 })
    expect(outcome.failures).toEqual([{ path: 'gone.txt', why: expect.stringContaining('ENOENT') as string }])
  })

  test.skipIf(process.platform !== 'linux')('a name that is no text is counted as unreadable', () => {
    const folder = join(sandbox, 'odd')
    mkdirSync(folder)
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe])]), 'x')
    writeFileSync(join(folder, 'even'), 'x')
    const limits: Limits = { maxFiles: 10, maxBytes: 10, maxFileBytes: 10 }
    const { files, unreadableCount } = selectFiles(folder, 'odd', limits, '')
    expect([files.map(({ path }) => path), unreadableCount]).toEqual([['odd/even'], 1])
  })

  test('the limits end a selection, and a file that is too big is left out', () => {
    const folder = join(sandbox, 'limits')
    mkdirSync(join(folder, 'out'), { recursive: true })
    for (const [name, bytes] of Object.entries({ a: 4, b: 50, c: 4, d: 4, 'out/x': 1 })) {
      writeFileSync(join(folder, name), 'x'.repeat(bytes))
    }
    const select = (limits: Partial<Limits>): [string[], number, boolean] => {
      const all: Limits = { maxFiles: 10, maxBytes: 100, maxFileBytes: 10, ...limits }
      const { files, tooBigCount, cut } = selectFiles(folder, '.', all, join(folder, 'out'))
      return [files.map(({ path }) => path), tooBigCount, cut]
    }
    expect(select({})).toEqual([['a', 'c', 'd'], 1, false])
    expect(select({ maxFiles: 2 })).toEqual([['a', 'c'], 1, true])
    expect(select({ maxBytes: 7 })).toEqual([['a'], 1, true])
  })
})

describe('arguments', () => {
  test.each([
    ['a folder that is not there', ['nowhere']],
    ['a file instead of a folder', ['a file']],
    ['two folders', ['.', '.']],
    ['an unknown option', ['--fast']],
    ['an option without its value', ['--out']],
    ['threads that are no number', ['--threads', 'many']],
    ['a quality out of range', ['--quality', '12']],
    ['an output with the files of somebody else', ['--out', 'theirs']],
    ['an output that is a file', ['--out', 'a file']],
  ])('%s: a clear message, status 2, and nothing is touched', async (_, args) => {
    const theirs = join(sandbox, 'theirs', 'trace')
    mkdirSync(theirs, { recursive: true })
    writeFileSync(join(sandbox, 'a file'), '')
    const { status, stdout, stderr } = await run(MAIN, ...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^compress-tree: .+\nTry --help\.\n$/s)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(existsSync(theirs)).toBe(true)
  })

  test('--help tells the usage', async () => {
    const { status, stdout } = await run(MAIN, '--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Usage: npm run demo/)
  })
})
