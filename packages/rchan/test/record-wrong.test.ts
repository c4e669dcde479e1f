/** `rchan record` of programs that do what makes recording hard: they do it, and it is said. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTraces, openTrace, openTraces, type TraceItem } from '@rchan/ctf/reader'
import { transformSync } from 'esbuild'
import { describe, expect, onTestFinished, test } from 'vitest'
import { missingFlags } from '../dist/command/permission-flags.js'
import { freshFolder, runCommand, type Ended } from './scenario.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))
/** Flags of the permission model. */
const ALLOWED = ['--permission', '--allow-worker', '--allow-fs-write', '/d/*']
const READ = '"--allow-fs-read=/a/b/*"'
const WORKER = '--allow-worker'
const WRITE = '"--allow-fs-write=/d/*"'
const AUTO = fileURLToPath(new URL('../dist/cjs/auto.js', import.meta.url))
/** Before Node 22.13 the model was an experiment. */
const MODEL = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

function program(name: string): string {
  return fileURLToPath(new URL(`./record/wrong/${name}`, import.meta.url))
}

async function record(
  command: readonly string[],
  options: readonly string[] = [],
): Promise<Ended & { readonly dir: string }> {
  const dir = join(freshFolder(), 'recording')
  const args = [COMMAND, 'record', '--dir', dir, ...options, '--', ...command]
  return { ...(await runCommand(process.execPath, args)), dir }
}

/** Records a program, which must end and print as it does alone. */
async function recordAsAlone(...args: string[]): Promise<Ended & { dir: string; records: Recorded[] }> {
  const alone = await runCommand(process.execPath, args)
  const recorded = await record([process.execPath, ...args])
  expect({ status: recorded.status, stdout: recorded.stdout }).toEqual({
    status: alone.status,
    stdout: alone.stdout,
  })
  expect(recorded.stderr.startsWith(alone.stderr)).toBe(true)
  return { ...recorded, records: recordsIn(recorded.dir) }
}

function recordsIn(dir: string): Recorded[] {
  const records = [...openTraces(findTraces(dir)).items()]
  return records.filter((item): item is Recorded => 'event' in item)
}

function named(records: readonly Recorded[], name: string): Recorded[] {
  return records.filter(({ event }) => event.name === name)
}

/** Starts `rchan record`, and waits until the program has said something. */
async function start(dir: string, ...args: string[]): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [COMMAND, 'record', '--dir', dir, '--', process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = await new Promise<string>((done) => child.stdout.setEncoding('utf8').once('data', done))
  return { child, said }
}

async function ended(child: ChildProcess): Promise<{ status: number | null; stderr: string }> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const status = await new Promise<number | null>((done) => child.once('close', done))
  return { status, stderr }
}

describe('a program that', () => {
  test('ends at once, and one whose worker does', async () => {
    const { records } = await recordAsAlone(
      '-e',
      `new (require('node:worker_threads').Worker)('process.exit(0)', { eval: true })`,
    )
    expect(named(records, 'worker:life:begin')).toHaveLength(1)
  })

  test.each([
    ['process.reallyExit(4)', 4],
    ['process.kill(process.pid, "SIGKILL"); setTimeout(() => {}, 1000)', 137],
  ])('%s, at its first line: its trace is there, or it is said that there is none', async (code, status) => {
    const { dir, stderr, ...end } = await record([process.execPath, '-e', code])
    expect(end.status).toBe(status)
    const isThere = findTraces(dir).length === 1
    expect(stderr.includes('-node: its process ended while its recording began\n')).toBe(!isThere)
  })

  test('ends at its first line, also by an error: what it did is there', async () => {
    for (const code of ['process.exit(3)', 'throw new Error("on purpose")']) {
      const { records } = await recordAsAlone('-e', code)
      expect(named(records, 'process:started')).toHaveLength(1)
      if (process.platform !== 'linux') continue
      // At its start and its end, by itself: the sampler was not there yet.
      const cpu = named(records, 'cpu')
      expect(cpu.map(({ fields, thread }) => [fields.threadId, thread.threadId])).toEqual([
        [0, 0],
        [0, 0],
      ])
      expect(Number(cpu[1].fields.onCpu)).toBeGreaterThan(Number(cpu[0].fields.onCpu))
      expect(named(records, 'cpu:all')).toHaveLength(2)
    }
  })

  test('forks a hundred children: each has a trace, and all are one', async () => {
    // With all probes it would take twice as long.
    const options = ['--no-probe', 'all', '--probe', 'threads']
    const command = [process.execPath, program('hundred.mjs'), '100']
    const { status, stdout, stderr, dir } = await record(command, options)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '0\n' })
    const records = recordsIn(dir)
    expect(findTraces(dir)).toHaveLength(101)
    const started = named(records, 'process:started')
    expect(started).toHaveLength(101)
    const [parent] = started.filter(({ fields }) => String(fields.command).endsWith('hundred.mjs 100'))
    const children = started.filter(({ fields }) => fields.ppid === parent.thread.process.pid)
    expect(children).toHaveLength(100)
    expect(stderr).not.toMatch(/can't be|not recorded/)
    // They are not told one by one.
    expect(stderr.match(/^ {2}\S+ .*hundred\.mjs child +\d/gm)).toHaveLength(19)
    expect(stderr).toContain('\nand 81 more processes\n')
  })

  test('replaces process.env: its children are not reached, which is said; its workers are', async () => {
    const { dir, records, stderr } = await recordAsAlone(program('environment.mjs'), 'replaced')
    expect(findTraces(dir)).toHaveLength(1)
    const [child, ...others] = named(records, 'process:child')
    expect(others).toEqual([])
    expect(child.fields.file).toBe(process.execPath)
    expect(stderr).toContain(
      `rchan: not recorded: process ${String(child.fields.pid)}, which ${child.thread.process.pid} has started: `,
    )
    // Node gives a worker the variables that the process has, not those of the object.
    expect(named(records, 'worker:life:end')).toHaveLength(1)
    expect(named(records, 'worker:boot')).toHaveLength(1)
  })

  test('sets its own NODE_OPTIONS: the child has those, and no others', async () => {
    const { dir, stdout } = await recordAsAlone(program('environment.mjs'), 'options')
    expect(stdout).toContain('child --no-warnings')
    expect(findTraces(dir)).toHaveLength(1)
  })

  test('gives workers and children an execArgv: they have it, and are recorded', async () => {
    const { dir, records, stdout } = await recordAsAlone(program('environment.mjs'), 'execArgv')
    expect(stdout).toContain('child --no-warnings')
    expect(findTraces(dir)).toHaveLength(2)
    expect(named(records, 'worker:boot')).toHaveLength(2)
  })

  test('changes its folder: the recording is where it should be, and nothing is there', async () => {
    const elsewhere = freshFolder()
    const { records, dir } = await recordAsAlone(program('environment.mjs'), 'folder', elsewhere)
    expect(readdirSync(elsewhere)).toEqual([])
    // Also that of the child, which it has started there.
    expect(findTraces(dir)).toHaveLength(2)
    expect(named(records, 'process:started').map(({ fields }) => fields.folder)).toContain(elsewhere)
  })

  test('closes stdin, stdout and stderr', async () => {
    const { status, dir } = await record([process.execPath, program('closed.cjs')])
    expect(status).toBe(6)
    expect(named(recordsIn(dir), 'worker:life:end')).toHaveLength(1)
  })

  test('is started without stdin, stdout and stderr', async () => {
    const dir = join(freshFolder(), 'recording')
    const line = `exec "$0" "$1" record --dir "$2" -- "$0" -e 'process.exitCode = 6' <&- >&- 2>&-`
    const { status } = await runCommand('sh', ['-c', line, process.execPath, COMMAND, dir])
    expect(status).toBe(6)
    expect(named(recordsIn(dir), 'process:started')).toHaveLength(1)
  })

  test('removes the folder of the recording', async () => {
    const { status, stdout, stderr } = await record([process.execPath, program('removes.cjs')])
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'removed\n' })
    expect(stderr).toMatch(
      /the folder of the recording is gone|nothing was recorded|can't be read|was killed/,
    )
  })
})

describe('a program does what it does alone, that', () => {
  test('starts workers of all kinds', async () => {
    const { records } = await recordAsAlone(program('kinds.mjs'))
    const lives = named(records, 'worker:life:end')
    expect(lives).toHaveLength(14)
    // Also of those that have no variables, and can't be reached.
    expect(new Set(lives.map(({ fields }) => fields.exitCode))).toEqual(new Set([0, 1, 5]))
    const started = named(records, 'worker:life:begin').map(({ fields }) => fields.threadId)
    const probed = new Set<unknown>(named(records, 'worker:boot').map(({ thread }) => thread.threadId))
    const withOwnVariables = [4, 6]
    const indices = [0, 1, 2, 3, 4, 5, 6, 11]
    expect(indices.filter((index) => !probed.has(started[index]))).toEqual(withOwnVariables)
  })

  test('uses message ports in all ways', async () => {
    const { records } = await recordAsAlone(program('ports.cjs'))
    expect(named(records, 'probe:off')).toEqual([])
  })

  test('can’t load a module: the errors have no frame of ours', async () => {
    await recordAsAlone('/no/such/program.js')
    const { stderr } = await recordAsAlone('-e', `require('./no-such-module')`)
    expect(stderr).toContain('MODULE_NOT_FOUND')
  })

  test.each([
    ['comes by stdin', `echo 'console.log(6 * 7)' | "$NODE" -`],
    ['is typed into the prompt', String.raw`printf '6 * 7\n.exit\n' | "$NODE" -i`],
    [
      'has a loader',
      `"$NODE" --import "data:text/javascript,import{register}from'node:module';$LOADER" -p 42`,
    ],
    ['is checked by node --test', `"$NODE" --test --test-reporter=dot /no/such/file.js`],
    ['has very many arguments', `"$NODE" -p 'process.argv.length' $(seq 1 20000)`],
    [
      'is killed by a signal in a shell',
      `"$NODE" -e 'setTimeout(() => process.kill(process.pid, "SIGKILL"), 500)'; echo $?`,
    ],
    ['never settles', `"$NODE" --input-type=module -e 'await new Promise(() => {})'; echo $?`],
  ])('%s', async (_, line) => {
    const loader = `export const load = (url, context, next) => next(url, context)`
    const env = {
      NODE: process.execPath,
      LOADER: `register('data:text/javascript,${encodeURIComponent(loader)}')`,
    }
    const alone = await runCommand('sh', ['-c', line], env)
    const dir = join(freshFolder(), 'recording')
    const args = [COMMAND, 'record', '--no-report', '--dir', dir, '--', 'sh', '-c', line]
    const { status, stdout } = await runCommand(process.execPath, args, env)
    expect({ status, stdout }).toEqual({ status: alone.status, stdout: alone.stdout })
    expect(findTraces(dir).length).toBeGreaterThan(0)
  })

  test('has filled the table of tracepoints: probes for which there is no room are off, and say so', async () => {
    const { records } = await recordAsAlone(program('full-table.mjs'))
    const off = named(records, 'probe:off')
    expect(off.map(({ fields }) => fields.probe)).toContain('messages')
    for (const { fields } of off) expect(fields.why).toMatch(/^the tracepoint table is full/)
  })

  test('is a script of npm, with another before and after it', async () => {
    const folder = freshFolder()
    const print = (text: string, more = ''): string => `node -e "console.log('${text}')${more}"`
    const scripts = {
      pretest: print('pre'),
      test: print('main', ';process.exitCode=3'),
      posttest: print('post'),
    }
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'scripts', version: '1.0.0', scripts }),
    )
    const { status, stdout, dir } = await record(['npm', 'test', '--silent', '--prefix', folder])
    expect({ status, stdout }).toEqual({ status: 3, stdout: 'pre\nmain\n' })
    const started = named(recordsIn(dir), 'process:started')
    expect(started).toHaveLength(3)
    // Shells are in between.
    const [npm, ...scriptsOf] = started
    expect(npm.fields.parent).toBe(0)
    expect(scriptsOf.map(({ fields }) => fields.parent)).toEqual([1, 1].map(() => npm.thread.process.pid))
    expect(scriptsOf.map(({ thread }) => basename(thread.process.folder))).toEqual(
      scriptsOf.map(({ thread }) => `${thread.process.pid}-node`),
    )
  })
})

describe('a Node that can’t be recorded', () => {
  test('because it is too old: it runs, and that is said', async () => {
    const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '12.22.12' } })`
    const folder = freshFolder()
    writeFileSync(join(folder, 'old.cjs'), old)
    const line = `NODE_OPTIONS="--require \\"$1/old.cjs\\" $NODE_OPTIONS" exec "$0" -p 1`
    const { status, stdout, stderr } = await record(['sh', '-c', line, process.execPath, folder])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '1\n' })
    expect(stderr).toMatch(
      /^rchan: not recorded: \d+-node: Node 12\.22\.12 is too old: rchan needs 20\.19 or later$/m,
    )
  })

  test('can read the file that it is told to load', () => {
    const text = readFileSync(AUTO, 'utf8')
    const [old, current] = ['node8', 'esnext'].map((target) => transformSync(text, { target }).code)
    expect(old).toBe(current)
    expect(text).not.toContain('require("node:')
  })
})

describe('few file descriptors are left:', () => {
  test.each([15, 18, 20, 22, 24, 26, 28, 30, 40, 64])(
    'with %i a program does what it does alone',
    async (limit) => {
      const line = `ulimit -n ${limit} && exec "$0" "$@"`
      const args = ['-c', line, process.execPath]
      const alone = await runCommand('sh', [...args, program('starts-worker.cjs')])
      const variables = { RCHAN_DIR: join(freshFolder(), 'recording') }
      const { status, stdout, stderr } = await runCommand(
        'sh',
        [...args, '--require', AUTO, program('starts-worker.cjs')],
        variables,
      )
      expect({ status, stdout }).toEqual({ status: alone.status, stdout: alone.stdout })
      if (alone.status !== 0) return
      expect(stderr).toBe(alone.stderr)
      const [text, ...others] = readdirSync(variables.RCHAN_DIR)
      expect(others).toEqual([])
      expect(readFileSync(join(variables.RCHAN_DIR, text), 'utf8')).toMatch(
        /^can't record: \d+ file descriptors are left, and a start needs 64 /,
      )
    },
  )

  test('with 200 it is recorded', async () => {
    const dir = join(freshFolder(), 'recording')
    const line = `ulimit -n 200 && exec "$0" --require "$1" "$2"`
    const { status } = await runCommand(
      'sh',
      ['-c', line, process.execPath, AUTO, program('starts-worker.cjs')],
      { RCHAN_DIR: dir },
    )
    expect(status).toBe(0)
    expect(named(recordsIn(dir), 'worker:life:end')).toHaveLength(1)
  })
})

describe('under Node’s permission model', () => {
  const command = [process.execPath, MODEL, '--allow-fs-read=*', '-p', '1 + 1']

  test('a program runs, and the flags that recording needs are told', async () => {
    const { status, stdout, stderr } = await record(command)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '2\n' })
    expect(stderr).toMatch(/rchan: not recorded: .*permission model/)
    expect(stderr).toContain('--allow-worker')
    expect(stderr).toContain('nothing was recorded')
  })

  test('a program that may not read rchan runs without it, and that is said', async () => {
    const own = [process.execPath, MODEL, `--allow-fs-read=${freshFolder()}`, '-p', '1 + 1']
    const { status, stdout, stderr } = await record(own)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '2\n' })
    expect(stderr).toMatch(/^rchan: not recorded: Node's permission model .*"--allow-fs-read=.*\/cjs\/\*"/m)
    expect(stderr).toContain('rchan: nothing was recorded\n')
  })

  test.each([
    [['node', 'app.js'], []],
    [
      ['node', '--permission', 'app.js'],
      [READ, WORKER, WRITE],
    ],
    [
      ['/usr/bin/node', '--experimental-permission', '--allow-worker', 'app.js'],
      [READ, WRITE],
    ],
    [
      ['node', '--permission', '--allow-fs-read=*', 'app.js'],
      [WORKER, WRITE],
    ],
    [['node', ...ALLOWED, '--allow-fs-read', '/a/', 'app.js'], []],
    [['node', ...ALLOWED, '--allow-fs-read=/a/b', 'app.js'], []],
    [['node', ...ALLOWED, '--allow-fs-read=/a/b*', 'app.js'], []],
    [['node', ...ALLOWED, '--allow-fs-read=/a/b.js', 'app.js'], [READ]],
    [['node', ...ALLOWED, '--allow-fs-read=/x,/a/b/c.js', 'app.js'], []],
    [['node', '--require', 'x', ...ALLOWED, 'app.js'], [READ]],
    [['node', 'app.js', '--permission'], []],
    [['node', '-e', '1', '--', '--permission'], []],
    [['other', '--permission'], []],
  ])('%j', (args, flags) => {
    expect(missingFlags(args, { preload: '/a/b/c.js', dir: '/d' })).toEqual(flags)
  })

  test('it is recorded with these flags', async () => {
    const dir = join(freshFolder(), 'recording')
    const flags = ['--allow-worker', `--allow-fs-write=${dir}/*`]
    const { status } = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      dir,
      '--',
      ...command.toSpliced(2, 0, ...flags),
    ])
    expect(status).toBe(0)
    expect(named(recordsIn(dir), 'process:started')).toHaveLength(1)
  })
})

describe('a folder in which nothing can be written', () => {
  test('below /proc, where Node’s own way to make folders never ends: it is said, and the program runs', async (context) => {
    if (process.platform !== 'linux') context.skip('needs /proc')
    const { status, stdout, stderr } = await runCommand(
      process.execPath,
      ['--require', AUTO, '-p', '6 * 7'],
      { RCHAN_DIR: '/proc/x/y' },
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '42\n' })
    expect(stderr).toMatch(/^rchan: process \d+ is not recorded: ENOENT.*\n$/)
  })

  test('by --dir: it is said, and the program is not started', async () => {
    const folder = freshFolder()
    writeFileSync(join(folder, 'file'), '')
    const { status, stdout, stderr } = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      join(folder, 'file', 'recording'),
      '--',
      process.execPath,
      '-p',
      '1',
    ])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^rchan: --dir .*can't be made: /)
  })

  test.skipIf(process.platform !== 'linux')('the folder that one is in: --dir is advised', async () => {
    const line = `cd /proc && exec "$0" "$1" record -- "$0" -p 1`
    const { status, stdout, stderr } = await runCommand('sh', ['-c', line, process.execPath, COMMAND])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^rchan: \/proc\/rchan-.*can't be made: .*: choose another place with --dir, /)
  })

  test('while the program runs: nothing is said to it, and it is said at the end', async () => {
    const { stderr } = await recordAsAlone(program('blocks.mjs'))
    expect(stderr).toMatch(/^rchan: not recorded in full: \d+-blocks: can't write to .*\n/)
  })

  test('once the program runs: it goes on, and it is said', async () => {
    const dir = join(freshFolder(), 'recording')
    // A file stands where the folder of the process should be.
    const line = `mkdir -p "$2/$$-node" && touch "$2/$$-node/metadata" && exec "$0" -p 1`
    const { status, stdout, stderr } = await runCommand(process.execPath, [
      COMMAND,
      'record',
      '--dir',
      dir,
      '--',
      'sh',
      '-c',
      line,
      process.execPath,
      '',
      dir,
    ])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '1\n' })
    expect(stderr).toMatch(/rchan: not recorded: \d+-node: .*(not empty|exists)/)
  })
})

describe('a program that', () => {
  test('is killed: what it has traced is there, and that it was killed is said', async () => {
    const { status, stderr, dir } = await record([process.execPath, program('killed.mjs')])
    expect(status).toBe(128 + 9)
    expect(stderr).toMatch(/process \d+-killed, broke off when SIGKILL ended the command, /)
    expect(named(recordsIn(dir), 'user:mark').map(({ fields }) => fields.name)).toContain('before')
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('hangs: %s ends it, and the trace is there', async (signal) => {
    const dir = join(freshFolder(), 'recording')
    const { child } = await start(dir, program('hangs.mjs'))
    const end = ended(child)
    await expect.poll(() => stalledIn(dir), { timeout: 60_000 }).toBe(true)
    child.kill(signal)
    const { status, stderr } = await end
    expect(status).toBe(128 + (signal === 'SIGINT' ? 2 : 15))
    expect(stderr).toContain('rchan summary')
    const [stalled] = named(recordsIn(dir), 'loop:stalled')
    expect(stalled.fields).toMatchObject({ threadId: 0 })
    expect(JSON.parse(readFileSync(join(dir, 'recording.json'), 'utf8'))).toMatchObject({ signal })
  })

  test('ignores SIGINT: it goes on, and is recorded to its end', async () => {
    const dir = join(freshFolder(), 'recording')
    const { child } = await start(dir, program('ignores.mjs'))
    const end = ended(child)
    child.kill('SIGINT')
    expect((await end).status).toBe(8)
    expect(named(recordsIn(dir), 'user:mark').map(({ fields }) => fields.name)).toEqual(['interrupted'])
  })

  test('leaves a child behind, which goes on: its trace is whole, too', async () => {
    const code = `setTimeout(() => performance.mark('late'), 500)`
    const spawned = `spawn(process.execPath, ['-e', ${JSON.stringify(code)}], { detached: true, stdio: 'ignore' })`
    const child = `const { spawn } = require('node:child_process'); ${spawned}.unref()`
    const { status, dir } = await record([process.execPath, '-e', child])
    expect(status).toBe(0)
    const isWhole = (): boolean => {
      const traces = findTraces(dir).map((folder) => openTrace(folder))
      return traces.length === 2 && traces.every(({ facts }) => facts !== undefined)
    }
    await expect.poll(isWhole, { timeout: 60_000 }).toBe(true)
    expect(named(recordsIn(dir), 'user:mark').map(({ fields }) => fields.name)).toEqual(['late'])
  })

  test('goes on when rchan record is killed: its trace is whole', async () => {
    const dir = join(freshFolder(), 'recording')
    const { child, said } = await start(dir, program('ignores.mjs'))
    const pid = Number(said)
    child.kill('SIGKILL')
    await new Promise((done) => child.once('exit', done))
    process.kill(pid, 'SIGINT')
    await expect.poll(() => isAlive(pid), { timeout: 60_000 }).toBe(false)
    const [folder] = findTraces(dir)
    expect(basename(folder)).toBe(`${pid}-ignores`)
    expect(openTrace(folder).facts).toBeDefined()
    expect(named(recordsIn(dir), 'user:mark')).toHaveLength(1)
  })
})

/** Whether it is in the files already that an event loop stands still. */
function stalledIn(dir: string): boolean {
  if (!existsSync(dir)) return false
  try {
    return named(recordsIn(dir), 'loop:stalled').length > 0
  } catch {
    // There is none yet.
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
