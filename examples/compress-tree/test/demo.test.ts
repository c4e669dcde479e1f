import { findTraces, openTrace, type TraceItem } from 'rchan/reader'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countEvents, needReader } from '../../../test/readers.js'
import { Job } from '../dist/job.js'
import { selectFiles, type Limits } from '../dist/selection.js'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const COMMAND = fileURLToPath(new URL('../../../packages/rchan/dist/bin/rchan.cjs', import.meta.url))
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

type Recorded = Extract<TraceItem, { event: unknown }>

describe('the demo, recorded, on a small folder', () => {
  const out = join(sandbox, 'recording')
  const page = join(sandbox, 'report.html')
  let paths: string[]
  let demo: Run
  let trace: ReturnType<typeof openTrace>
  let records: Recorded[]
  const named = (name: string): Recorded[] => records.filter(({ event }) => event.name === name)

  beforeAll(async () => {
    paths = makeTree('my files')
    const record = ['record', '--dir', out, '--report', page, '--', process.execPath, MAIN]
    demo = await run(COMMAND, ...record, 'my files')
    expect(demo.stderr).toContain('report.html')
    expect(demo.status).toBe(0)
    const [folder] = findTraces(out)
    trace = openTrace(folder)
    records = [...trace.items()].filter((item): item is Recorded => 'event' in item)
  })

  test('every file is compressed, links are left out, nothing is lost', () => {
    expect(demo.stdout).toContain('1 links and the like')
    expect(demo.stdout).toContain(`${paths.length} files compressed`)
    const bytes = paths.reduce((total, path) => total + statSync(join(sandbox, path)).size, 0)
    expect(named('job:bytes').at(-1)?.fields.in).toBe(bytes)
    for (const { eventsDiscarded, packetsLost } of trace.losses()) {
      expect([eventsDiscarded, packetsLost]).toEqual([0, 0])
    }
  })

  test('the trace has the way of each task, and what it did with its time', () => {
    expect(named('task:begin')).toHaveLength(paths.length)
    expect(named('task:end')).toHaveLength(paths.length)
    expect(named('task:run')).toHaveLength(paths.length)
    for (const step of ['file:read', 'file:hash', 'file:compress']) {
      expect(new Set(named(step).map(({ fields }) => fields.path))).toEqual(new Set(paths))
    }
    const phases = named('job:phase').map(({ fields }) => fields.name)
    expect(phases).toEqual(['trickle', 'flood', 'pause', 'flood', 'trickle'])
  })

  test('the pool grew, shrank and grew again: places were taken by fresh threads', () => {
    const workers = new Map(named('task:run').map(({ thread }) => [thread.threadId, thread.cpu]))
    expect(workers.size).toBeGreaterThanOrEqual(3)
    expect(new Set(workers.values()).size).toBeLessThan(workers.size)
  })

  test('babeltrace2 prints a line for each event', (context) => {
    needReader(context, 'babeltrace2')
    expect(countEvents('babeltrace2', findTraces(out))).toBe(records.length)
  })

  test('the page has a row for each worker, and the slowest tasks', () => {
    const html = readFileSync(page, 'utf8')
    const rows = [...html.matchAll(/<a href="#thread=\d+">([^<]*)<\/a>/g)].map(([, name]) => name)
    const workers = new Set(named('task:run').map(({ thread }) => thread.threadId))
    expect(rows).toEqual(['main', ...[...workers].map(() => 'worker.js')])
    expect(html.match(/<a href="#task=\d+">/g)?.length).toBeGreaterThan(0)
  })
})

describe('folders and files that are not as hoped', () => {
  test('an empty folder is a run without tasks', async () => {
    mkdirSync(join(sandbox, 'empty'))
    const { status, stdout, stderr } = await run(MAIN, 'empty')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('0 files compressed')
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
    ['an option without its value', ['--threads']],
    ['threads that are no number', ['--threads', 'many']],
    ['a quality out of range', ['--quality', '12']],
  ])('%s: a clear message, and status 2', async (_, args) => {
    writeFileSync(join(sandbox, 'a file'), '')
    const { status, stdout, stderr } = await run(MAIN, ...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^compress-tree: .+\nTry --help\.\n$/s)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test('--help tells the usage', async () => {
    const { status, stdout } = await run(MAIN, '--help')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Usage: npm run demo/)
  })
})
