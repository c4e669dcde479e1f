/** `rchan record`, and `rchan/auto`: programs that know nothing of rchan. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { spawn, spawnSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { findTraces, openTrace, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { Analysis } from 'rchan/analysis'
import { PROBES } from 'rchan/probes'
import { describe, expect, test } from 'vitest'
import { statusText } from '../dist/command/live-line.js'
import { withPreload } from '../dist/command/record.js'
import { freshFolder, runCommand, type Ended } from './scenario.ts'
import { countEvents, needReader } from '../../../test/readers.ts'

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))
const AUTO = fileURLToPath(new URL('../dist/cjs/auto.js', import.meta.url))

function program(name: string): string {
  return fileURLToPath(new URL(`./record/${name}`, import.meta.url))
}

/** Records a command into a fresh folder. */
async function record(
  command: readonly string[],
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended & { readonly dir: string }> {
  const dir = join(freshFolder(), 'recording')
  const ended = await runCommand(
    process.execPath,
    [COMMAND, 'record', '--dir', dir, ...options, '--', ...command],
    env,
  )
  return { ...ended, dir }
}

async function recordNode(...args: string[]): Promise<Ended & { readonly dir: string; items: TraceItem[] }> {
  const recorded = await record([process.execPath, ...args])
  return { ...recorded, items: itemsIn(recorded.dir) }
}

function itemsIn(dir: string): TraceItem[] {
  const folders = findTraces(dir)
  expect(folders.length).toBeGreaterThan(0)
  return [...openTraces(folders).items()]
}

function named(items: readonly TraceItem[], name: string): Extract<TraceItem, { event: unknown }>[] {
  return items.filter(
    (item): item is Extract<TraceItem, { event: unknown }> => 'event' in item && item.event.name === name,
  )
}

describe('a program with workers', () => {
  test('ends as it would without, and its trace tells of its threads', async () => {
    const alone = await runCommand(process.execPath, [program('workers.mjs')])
    const { status, stdout, stderr, items, dir } = await recordNode(program('workers.mjs'))
    expect({ status, stdout }).toEqual({ status: alone.status, stdout: alone.stdout })
    expect(stderr.startsWith(alone.stderr)).toBe(true)
    expect(stderr).toContain('rchan summary')

    const lives = named(items, 'worker:life:end')
    expect(new Set(lives.map(({ fields }) => fields.exitCode))).toEqual(new Set([0, 7]))
    expect(named(items, 'worker:life:begin').map(({ thread }) => thread.threadId)).toEqual([0, 0])
    expect(named(items, 'worker:online')).toHaveLength(2)
    // Also the worker that was started from a text.
    expect(new Set(named(items, 'worker:boot').map(({ thread }) => thread.threadId)).size).toBe(2)
    const [started] = named(items, 'process:started')
    expect(started.fields).toMatchObject({ command: expect.stringContaining('workers.mjs') as string })
    expect(Number(started.fields.cpus)).toBeGreaterThan(0)
    expect(named(items, 'memory').length).toBeGreaterThanOrEqual(3)
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
    expect(JSON.parse(readFileSync(join(dir, 'recording.json'), 'utf8'))).toMatchObject({
      code: 5,
      signal: null,
    })
  })

  test('has a page at the end, where it is wanted', async () => {
    const { dir, stderr } = await record([process.execPath, program('workers.mjs')])
    expect(stderr).toMatch(/report\.html: \d+ items, .* open it in a browser/)
    const page = readFileSync(join(dir, 'report.html'), 'utf8')
    expect(page).toMatch(/<h1>[^<]*workers\.mjs<\/h1>/)
    expect(page.includes('id="threads"')).toBe(true)
    expect(readdirSync(dir).length).toBe(3)

    const without = await record([process.execPath, '-e', '1'], ['--no-report'])
    expect(readdirSync(without.dir)).not.toContain('report.html')
    expect(without.stderr).not.toContain('.html')

    const elsewhere = [join(freshFolder(), 'a.html'), join(freshFolder(), 'b.svg')]
    const other = await record(
      [process.execPath, '-e', '1'],
      elsewhere.flatMap((file) => ['--report', file]),
    )
    expect(elsewhere.map((file) => existsSync(file))).toEqual([true, true])
    expect(readdirSync(other.dir)).not.toContain('report.html')

    // The page changes nothing of the program's end.
    const failed = await record([process.execPath, '-e', 'process.exit(3)'], ['--report', '/no/such/a.html'])
    expect(failed.status).toBe(3)
    expect(failed.stderr).toContain('--report: /no/such/a.html')
    const unknown = await record([process.execPath, '-e', 'process.exit(3)'], ['--report', 'a.xyz'])
    expect(unknown.status).toBe(2)
    expect(existsSync(unknown.dir)).toBe(false)
  })

  test('a worker is called after its file, though the probes are loaded before it', async () => {
    const rchan = fileURLToPath(new URL('../dist/cjs/index.js', import.meta.url))
    const { items } = await recordNode(program('names.cjs'), rchan)
    const threads = named(items, 'worker:boot').map(({ thread }) => thread.name)
    expect(threads.sort()).toEqual(['decoder', 'names.cjs', 'worker'])
    const runs = items.flatMap((item) =>
      item.type === 'thread' && item.phase === 'came' && threads.includes(item.thread.name)
        ? [item.runs]
        : [],
    )
    expect(runs).toHaveLength(3)
    expect(new Set(runs)).toEqual(new Set([program('names.cjs'), '[worker eval]']))
  })

  test('that starts a recording of its own hears that it is recorded already, with its own events', async () => {
    const rchan = JSON.stringify(fileURLToPath(new URL('../dist/cjs/index.js', import.meta.url)))
    const { stdout, items } = await recordNode(
      '-e',
      `const { startRecording, tracepoint } = require(${rchan})
      tracepoint('mine:called', {})({})
      startRecording().catch(({ message }) => console.log(message))`,
    )
    expect(stdout).toMatch(/a recording runs already .*: rchan record, or rchan\/auto, started it/)
    expect(named(items, 'mine:called')).toHaveLength(1)
  })

  test('babeltrace2 reads the trace', async (context) => {
    needReader(context, 'babeltrace2')
    const { dir, items } = await recordNode(program('workers.mjs'))
    // A span that was cut, here by `process.exit` in a listener, has no record.
    const written = items.filter(
      (item) => 'event' in item && !(item.type === 'span' && item.outcome === 'cut'),
    )
    expect(countEvents('babeltrace2', findTraces(dir))).toBe(written.length)
  })

  test('collections of garbage and time on CPUs stand beside their threads', async () => {
    const { items } = await recordNode(program('workers.mjs'), 'hang')
    const collections = named(items, 'gc')
    for (const item of collections) {
      expect(item.type === 'span' && item.end >= item.start && item.start > 0n).toBe(true)
    }
    if (process.platform !== 'linux') return
    const cpu = named(items, 'cpu')
    // Each thread that ends by itself tells of itself, however short it lived.
    const ofThemselves = cpu.filter(({ fields, thread }) => fields.threadId === thread.threadId)
    const lived = new Set(named(items, 'worker:boot').map(({ thread }) => thread.threadId))
    expect(lived.size).toBe(2)
    expect(new Set(ofThemselves.map(({ fields }) => fields.threadId))).toEqual(new Set([0, ...lived]))
    for (const { fields } of ofThemselves) expect(Number(fields.onCpu)).toBeGreaterThan(0)
    // Of others only the sampler tells.
    const bySampler = cpu.filter(({ fields, thread }) => fields.threadId !== thread.threadId)
    expect(new Set(bySampler.map(({ thread }) => thread.name))).toEqual(new Set(['rchan sampler']))
  })

  test('an event loop that stands still is told of, while it does', async () => {
    const { items } = await recordNode(program('workers.mjs'), 'hang')
    const stalled = named(items, 'loop:stalled').filter(({ fields }) => fields.threadId === 0)
    const spans = named(items, 'loop:stall').filter(({ thread }) => thread.threadId === 0)
    expect(stalled.length).toBeGreaterThan(0)
    const longest = Math.max(
      ...spans.map((item) => (item.type === 'span' ? Number(item.end - item.start) : 0)),
    )
    expect(longest).toBeGreaterThan(200e6)
  })

  test('a program that starts is no event loop that stands still; one with a worker that waits is', async () => {
    const stand = 'const end = Date.now() + 300; while (Date.now() < end);'
    const worker =
      'new (require("worker_threads").Worker)("require(`worker_threads`).parentPort.postMessage(1)", { eval: true })'
    const stallsOf = async (code: string): Promise<number[]> => {
      const { items } = await recordNode('-e', code)
      const stalls = named(items, 'loop:stall')
      // The sampler, which tells of them, comes some time after the start.
      if (stalls.length === 0) expect(named(items, 'loop:stalled')).toEqual([])
      return stalls.map((item) => (item.type === 'span' ? Number(item.end - item.start) : 0))
    }
    expect(await stallsOf('0')).toEqual([])
    expect(await stallsOf(stand)).toEqual([])
    expect(await stallsOf(`import('node:fs/promises').then(() => { ${stand} })`)).toEqual([])
    const [stall] = await stallsOf(`${worker}; ${stand}`)
    expect(stall).toBeGreaterThan(299e6)
    const [ofServer] = await stallsOf(
      `const server = require('net').createServer().listen(0, () => setTimeout(() => { ${stand}; server.close() }, 50))`,
    )
    expect(ofServer).toBeGreaterThan(299e6)
  })
})

test('workers with an environment of their own are called after their file, and are one crew', async () => {
  const { items, stderr } = await recordNode(program('own-env.mjs'))
  const lives = named(items, 'worker:life:begin').map(({ fields }) => String(fields.file))
  expect(lives.map((file) => basename(file))).toEqual([...Array(3).fill('own-env.mjs'), '[worker eval]'])
  const analysis = new Analysis()
  for (const item of items) analysis.push(item)
  const { threads, crews } = analysis.result()
  expect(threads.map(({ thread }) => thread.name)).toEqual([
    'main',
    ...Array(3).fill('own-env.mjs'),
    'worker',
  ])
  expect(crews.map(({ name, workers }) => [name, workers.length])).toEqual([['own-env.mjs', 3]])
  expect(stderr).toMatch(/^own-env\.mjs: 3 workers of the main thread, 3 messages there/m)
  // One has told of its message itself.
  expect(stderr.match(/ not known$/gm)).toHaveLength(2)
})

test('workers that die of different things have a finding each; one that is terminated has none', async () => {
  const { status, items } = await recordNode(
    fileURLToPath(new URL('./findings/many-deaths.mjs', import.meta.url)),
    'strong',
  )
  expect(status).toBe(0)
  // Node may have set a code for those that threw, too.
  const codes = named(items, 'worker:exits').map(({ fields }) => fields.code)
  expect(codes.slice(-2)).toEqual([7, 1])
  const analysis = new Analysis()
  for (const item of items) analysis.push(item)
  const died = analysis.result().findings.filter(({ id }) => id === 'worker-died')
  expect(died.map(({ title }) => title.replace(/^Worker \d+/, '1 worker'))).toEqual([
    '2 workers died of an error that it did not catch: no such thing.',
    '1 worker died: the heap reached its limit.',
    '1 worker ended with exit code 7.',
    '1 worker ended with exit code 1.',
  ])
})

test('on a terminal its last line says how the program is doing', async (context) => {
  const hasTool = spawnSync('script', ['--version']).error === undefined
  if (process.platform !== 'linux' || !hasTool) context.skip('there is no tool that makes a terminal')
  const dir = join(freshFolder(), 'recording')
  const [node, rchan, idle] = [process.execPath, COMMAND, program('idle.mjs')].map((file) => `"${file}"`)
  const line = `exec ${node} ${rchan} record --no-report --dir "${dir}" -- ${node} ${idle} 2500`
  const { status, stdout } = await runCommand('script', ['-qec', line, '/dev/null'])
  expect(status).toBe(0)
  expect(stdout).toMatch(/rchan: \d+ s, 1 process, \d threads?, [\d,]+ events/)
  // What it was told by is gone.
  expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([])
})

test('what it says of a program that runs', () => {
  const status = { threads: 3, tasks: 0, failedTasks: 0, events: 1, lost: 0 }
  expect(statusText(0, [])).toBe('rchan: 0 s, 0 processes, 0 threads, 0 events')
  expect(statusText(5, [status])).toBe('rchan: 5 s, 1 process, 3 threads, 1 event')
  expect(statusText(65, [status, { threads: 1, tasks: 1234, failedTasks: 2, events: 5000, lost: 7 }])).toBe(
    'rchan: 65 s, 2 processes, 4 threads, 1,234 tasks, 2 failed, 5,001 events, 7 lost',
  )
})

describe('the exit code is that of the command', () => {
  test.each([
    [['-e', 'process.exit(3)'], 3],
    [['-e', 'throw new Error("on purpose")'], 1],
    [['-e', 'setTimeout(() => process.kill(process.pid, "SIGKILL"), 500)'], 137],
    [['-e', ''], 0],
  ])('%j', async (args, status) => {
    const { dir, ...ended } = await record([process.execPath, ...args])
    expect(ended.status).toBe(status)
    const [folder] = findTraces(dir)
    expect([...openTrace(folder).items()]).toBeInstanceOf(Array)
  })

  test('a command that does not exist: 127, and no folder is left', async () => {
    const { dir, status, stderr } = await record(['no-such-command-here'])
    expect(status).toBe(127)
    expect(stderr).toContain("no-such-command-here: can't be started: no such file or folder")
    expect(existsSync(dir)).toBe(false)
  })

  test('a command without a Node process says so', async () => {
    const { status, stderr } = await record(['sh', '-c', 'exit 4'])
    expect(status).toBe(4)
    expect(stderr).toContain('nothing was recorded: the command started no Node process')
  })
})

test('without --dir the folder is rchan-TIME, beside the program', async () => {
  const folder = freshFolder()
  const line = `cd "$2" && for n in 1 2; do "$0" "$1" record -q --no-report -- "$0" -p 1; done`
  const { stderr } = await runCommand('sh', ['-c', line, process.execPath, COMMAND, folder])
  const found = readdirSync(folder)
  expect(found).toHaveLength(2)
  for (const name of found) {
    expect(name).toMatch(/^rchan-\d{8}-\d{6}(-2)?$/)
    expect(stderr).toContain(`rchan: recorded into ${name}:\n`)
  }
})

describe('processes', () => {
  test('each has a trace, and all are read as one', async () => {
    const { dir, status, stdout, stderr } = await record([process.execPath, program('processes.mjs')])
    expect(status).toBe(0)
    // The child that has an environment of its own is not reached, which is said.
    expect(
      stderr.match(/^rchan: not recorded: process \d+, which \d+ has started: .*idle\.mjs b$/gm),
    ).toHaveLength(1)
    expect(stdout.trim().split('\n').sort()).toEqual(['false', 'true'])
    const folders = findTraces(dir)
    expect(folders.map((folder) => basename(folder).replace(/^\d+-/, '')).sort()).toEqual([
      'idle',
      'processes',
    ])
    const started = named(itemsIn(dir), 'process:started')
    const parent = started.find(({ fields }) => String(fields.command).includes('processes.mjs'))
    const child = started.find(({ fields }) => String(fields.command).includes('idle.mjs'))
    expect(child?.fields.ppid).toBe(parent?.thread.process.pid)
    expect(child?.fields.parent).toBe(parent?.thread.process.pid)
    expect(parent?.fields.parent).toBe(0)
    const text = await runCommand(process.execPath, [COMMAND, 'summary', dir])
    // In a folder with a long name the commands are cut off before their ends.
    const table = /^process +id +since +time +threads\n\S.*\n {2}\S+ .*\n\n/m
    expect(text.stdout).toMatch(table)
    const summary = await runCommand(process.execPath, [COMMAND, 'summary', dir, '--json'])
    expect(summary.status).toBe(0)
    expect(
      (JSON.parse(summary.stdout) as { tracepoints: { name: string; count: number }[] }).tracepoints.find(
        ({ name }) => name === 'process:started',
      )?.count,
    ).toBe(2)
  })

  test('NODE_OPTIONS of the user are kept', async () => {
    const own = '--max-old-space-size=200'
    const { stdout } = await record(
      [process.execPath, '-p', 'process.execArgv.length, process.env.NODE_OPTIONS'],
      [],
      {
        NODE_OPTIONS: own,
      },
    )
    expect(stdout.trim().endsWith(own)).toBe(true)
  })

  test('a path with spaces, quotes and backslashes reaches Node whole', async () => {
    const folder = freshFolder()
    const file = join(folder, String.raw`pre "load" \1.cjs`)
    writeFileSync(file, 'console.log("preloaded")')
    const { stdout } = await runCommand(process.execPath, ['-e', ''], {
      NODE_OPTIONS: withPreload('--no-warnings', file),
    })
    expect(stdout).toBe('preloaded\n')
  })

  test('a recording in a recording is the inner one', async () => {
    const inner = join(freshFolder(), 'inner')
    const { dir, status } = await record([
      process.execPath,
      COMMAND,
      'record',
      '--dir',
      inner,
      '--',
      process.execPath,
      program('idle.mjs'),
    ])
    expect(status).toBe(0)
    expect(findTraces(inner)).toHaveLength(1)
    expect(findTraces(dir)).toHaveLength(1)
  })
})

describe('what programs do', () => {
  test('another folder, environment, arguments, timers, clocks; a worker that throws', async () => {
    const alone = await runCommand(process.execPath, [program('hostile.cjs')])
    expect(alone.status).toBe(9)
    const { status, stdout, items } = await recordNode(program('hostile.cjs'))
    expect({ status, stdout }).toEqual({ status: 9, stdout: alone.stdout })
    expect(named(items, 'worker:error').map(({ fields }) => fields.message)).toEqual(['on purpose'])
    expect(named(items, 'probe:off')).toEqual([])
  })

  test('a signal ends the program, and its trace is whole', async () => {
    const dir = join(freshFolder(), 'recording')
    const child = spawn(
      process.execPath,
      [COMMAND, 'record', '--dir', dir, '--', process.execPath, program('idle.mjs'), '60000'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    await new Promise((said) => child.stdout.once('data', said))
    // What is flushed is in the files: everything up to 100 ms before.
    await expect.poll(() => named(itemsIn(dir), 'process:started').length, { timeout: 60_000 }).toBe(1)
    child.kill('SIGTERM')
    const status = await new Promise((done) => child.once('close', done))
    expect(status).toBe(128 + 15)
    expect(named(itemsIn(dir), 'process:started')).toHaveLength(1)
  })

  test.skipIf(process.platform === 'win32')('a signal before anything is recorded is told', async () => {
    const dir = join(freshFolder(), 'recording')
    // As if Node had not begun yet.
    const command = ['sh', '-c', 'echo up; exec sleep 60']
    const child = spawn(process.execPath, [COMMAND, 'record', '--dir', dir, '--', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const stderr = textOf(child.stderr)
    await new Promise((said) => child.stdout.once('data', said))
    child.kill('SIGINT')
    expect(await new Promise((done) => child.once('close', done))).toBe(128 + 2)
    expect(await stderr).toBe(
      'rchan: nothing was recorded: SIGINT ended the command before a recording had begun\n',
    )
  })
})

describe('errors', () => {
  test.each([
    [
      ['--probe', 'no-such'],
      /^rchan: --probe no-such: there is no such probe; there are threads, .*, and all\n$/,
    ],
    [['--no-probe', 'no-such'], /^rchan: --no-probe no-such: there is no such probe/],
    [['--buffer-size', 'much'], /Expected MiB, at most 256/],
  ])('%j', async (options, message) => {
    const { status, stderr, dir } = await record([process.execPath, '-e', ''], options)
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
    expect(existsSync(dir)).toBe(false)
  })

  test('no command', async () => {
    const { status } = await runCommand(process.execPath, [COMMAND, 'record'])
    expect(status).toBe(2)
  })

  test('a folder that has something in it', async () => {
    const dir = freshFolder()
    writeFileSync(join(dir, 'precious'), '')
    const { status, stderr } = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      dir,
      '--',
      process.execPath,
      '-e',
      '',
    ])
    expect(status).toBe(1)
    expect(stderr).toContain('is not empty')
  })

  test.skipIf(process.getuid?.() === 0)('a folder that can’t be written', async () => {
    const folder = freshFolder()
    chmodSync(folder, 0o500)
    const { status, stderr } = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      join(folder, 'in'),
      '--',
      process.execPath,
      '-e',
      '',
    ])
    expect(status).toBe(1)
    expect(stderr).toContain('permission denied')
  })

  test('a process that can’t be recorded runs, and it is said why', async () => {
    const dir = freshFolder()
    mkdirSync(join(dir, 'file'))
    const { status, stdout, stderr } = await runCommand(process.execPath, ['-p', '1 + 1'], {
      NODE_OPTIONS: withPreload(undefined, AUTO),
      RCHAN_DIR: join(dir, 'file'),
      RCHAN_PROBES: 'no-such',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '2\n', stderr: '' })
    const [note] = readdirSync(join(dir, 'file'))
    expect(readFileSync(join(dir, 'file', note), 'utf8')).toContain('no probe is called no-such')
  })
})

describe('the choice of probes', () => {
  test('some are left out', async () => {
    const { dir } = await record(
      [process.execPath, program('workers.mjs')],
      ['--no-probe', 'all', '--probe', 'threads'],
    )
    const names = new Set(itemsIn(dir).flatMap((item) => ('event' in item ? [item.event.name] : [])))
    expect(names.has('worker:life:begin')).toBe(true)
    expect([...names].filter((name) => /^(gc|cpu|loop)/.test(name))).toEqual([])
  })

  test('its help names them all', async () => {
    const { stdout } = await runCommand(process.execPath, [COMMAND, 'record', '--help'])
    expect(stdout).toContain(`Probes: ${PROBES.map(({ name }) => name).join(', ')}.`)
  })

  test('rchan/auto alone records into a folder beside the program', async () => {
    const folder = freshFolder()
    const ended = await runCommand('sh', [
      '-c',
      `cd "${folder}" && "${process.execPath}" --require "${AUTO}" "${program('idle.mjs')}"`,
    ])
    expect(ended).toMatchObject({ status: 0, stderr: '' })
    expect(named(itemsIn(folder), 'process:started')).toHaveLength(1)
  })

  test('rchan/auto alone: a process and its child record into one folder, wherever they go', async () => {
    const folder = freshFolder()
    const code = `process.chdir('/')
      require('node:child_process').spawnSync(process.execPath, ['-e', ''])`
    const line = `cd "$2" && RCHAN_DIR=here NODE_OPTIONS="--require $1" "$0" -e "$3"`
    const ended = await runCommand('sh', ['-c', line, process.execPath, AUTO, folder, code])
    expect(ended).toMatchObject({ status: 0, stderr: '' })
    const started = named(itemsIn(join(folder, 'here')), 'process:started')
    expect(started.map(({ fields }) => fields.parent)).toEqual([0, started[0].thread.process.pid])
  })

  test('variables of another recording are none of the command’s', async () => {
    const { items, dir } = await recordNode('-e', '')
    const again = await record([process.execPath, '-e', ''], [], { RCHAN_PROBES: '-all', RCHAN_DIR: dir })
    const names = (found: readonly TraceItem[]): string[] =>
      found.flatMap((item) => ('event' in item && item.event.name === 'process:started' ? ['started'] : []))
    expect(names(itemsIn(again.dir))).toEqual(names(items))
    expect(names(items)).toEqual(['started'])
  })
})

test('a process that died while its recording began is told, and the others are read', async () => {
  const code = `
    const { mkdirSync, writeFileSync } = require('node:fs')
    const folder = process.env.RCHAN_DIR + '/1-early'
    mkdirSync(folder)
    writeFileSync(folder + '/metadata', '')`
  const { status, stderr, dir } = await record([process.execPath, '-e', code])
  expect(status).toBe(0)
  expect(stderr).toContain('rchan: not recorded: 1-early: its process ended while its recording began\n')
  expect(stderr).not.toContain("can't be")
  expect(named(itemsIn(dir), 'process:started')).toHaveLength(1)
  // Asked for itself, it is no trace.
  expect(findTraces(join(dir, '1-early'))).toEqual([join(dir, '1-early')])
  expect(() => openTrace(join(dir, '1-early'))).toThrow('is empty')
})
