/** The command `rchan`, as a process of its own. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { openTrace, recoverTrace } from '@rchan/ctf/reader'
import { FORMATS } from '@rchan/export'
import { PROBES } from '@rchan/probes'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { packedFolder, runNode } from '../../../test/packed.ts'
import { fixture, freshFolder, run, runCommand, type Ended } from './scenario.ts'

const COMMAND = fileURLToPath(new URL('../dist/bin/rchan.cjs', import.meta.url))
const DOCS = fileURLToPath(new URL('../../../docs/command.md', import.meta.url))

async function rchan(...args: string[]): Promise<Ended> {
  return await runCommand(process.execPath, [COMMAND, ...args])
}

let recorded: string
beforeAll(async () => {
  recorded = join(execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim(), 'trace')
  expect((await run('command-trace.mjs', [recorded])).status).toBe(0)
  return () => rmSync(join(recorded, '..'), { recursive: true, force: true })
})

/** Where a packet's header has its size. */
const PACKET_SIZE_OFFSET = 88

/** A copy of the trace in a folder of its own, which has a space in it. */
function copied(name = 'trace'): { folder: string; trace: string } {
  const folder = freshFolder()
  const trace = join(folder, name)
  cpSync(recorded, trace, { recursive: true })
  return { folder, trace }
}

/** A folder with metadata that are empty, or a link. */
function folderWith(link: string): string {
  const folder = freshFolder()
  if (link === '') writeFileSync(join(folder, 'metadata'), '')
  else symlinkSync(link, join(folder, 'metadata'))
  return folder
}

function streamOf(trace: string): string {
  return join(trace, readdirSync(trace).find((name) => name !== 'metadata') as string)
}

describe('the command line', () => {
  test('prints help without a command, and the version', async () => {
    const alone = await rchan()
    expect(alone).toMatchObject({ status: 0, stderr: '' })
    expect(alone.stdout).toMatch(/^Usage: rchan /)
    expect(alone.stdout).toBe((await rchan('--help')).stdout)
    expect(await rchan('--version')).toMatchObject({ status: 0, stdout: '0.1.0\n', stderr: '' })
  })

  test('names the probes and the formats that there are', async () => {
    const probes = PROBES.map(({ name }) => name).join(', ')
    expect((await rchan('record', '--help')).stdout).toContain(`\nProbes: ${probes}.\n`)
    const choices = [...Object.keys(FORMATS), 'html'].map((name) => `"${name}"`).join(', ')
    expect((await rchan('convert', '--help')).stdout.replaceAll(/\s+/g, ' ')).toContain(
      `(choices: ${choices})`,
    )
  })

  test.each([
    [['conver', 'x'], /^rchan: conver: no such command: did you mean convert\?\n$/],
    [['everything'], /^rchan: everything: no such command: rchan --help lists the commands\n$/],
    [['--colour'], /^rchan: unknown option '--colour'\n/],
    [['convert'], /^rchan: missing required argument 'trace'\n/],
    [['convert', 'x', 'y', '--to', 'csv'], /^rchan: too many arguments/],
    [['convert', 'x', '--to', 'pdf'], /^rchan: option '--to <format>' argument 'pdf' is invalid/],
    [
      ['convert', 'x'],
      /^rchan: which format\? Say --to perfetto, chrome, speedscope, jsonl, csv, svg or html\n$/,
    ],
    [['convert', 'x', '-o', 'x.pdf'], /^rchan: -o x\.pdf: its name does not tell the format/],
    [['summary', 'x', '--jsn'], /^rchan: unknown option '--jsn'\n\(Did you mean --json\?\)\n$/],
    [['summary', ''], /^rchan: the name of the folder is empty: give the folder of a trace\n$/],
    [['summary', 'x', '--events', ''], /^rchan: option '--events <pattern>' .*Expected a name/],
    [['record', '--events', '!', '--', 'x'], /^rchan: option '--events <pattern>' .*Expected a name/],
    [['record', '--', ''], /^rchan: record: no command: rchan record -- node app\.js\n$/],
    [['record', '--dir', '', '--', 'x'], /^rchan: --dir: the name of the folder is empty\n$/],
    [
      ['record', '--report', 'x.pdf', '--', 'x'],
      /^rchan: --report x\.pdf: its name does not tell the format/,
    ],
    [['convert', 'x', '-o', ''], /^rchan: -o: the name of the file is empty\n$/],
    [['convert', 'x', '--follow'], /^rchan: which format\? With --follow say --to jsonl or csv\n$/],
    [['convert', 'x', '--follow', '--to', 'perfetto'], /^rchan: --follow: perfetto needs the whole trace/],
    [['convert', 'x', '--follow', '-o', 'x.html'], /^rchan: --follow: html needs the whole trace/],
    [['help', 'summry'], /^rchan: summry: no such command: did you mean summary\?\n$/],
    [['snapshot', 'x'], /^rchan: .*Expected the number of a process/],
    [['snapshot', '1.5'], /^rchan: .*Expected the number of a process/],
    [['snapshot', '1', '--timeout', '-1'], /^rchan: .*Expected seconds, at most 3600/],
  ])('refuses %j with 2', async (args, said) => {
    const { status, stdout, stderr } = await rchan(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(said)
  })

  test('its help stands in docs/command.md, as printed', async () => {
    const docs = readFileSync(DOCS, 'utf8')
    for (const args of [[], ['convert'], ['summary'], ['recover'], ['snapshot']]) {
      const { stdout } = await rchan(...args, '--help')
      expect(docs).toContain(`\`\`\`text\n$ npx rchan ${[...args, '--help'].join(' ')}\n${stdout}\`\`\``)
    }
  })
})

test('record says why its folder can not be made', async () => {
  const file = join(recorded, 'metadata')
  for (const [dir, said] of [
    [file, 'there is a file with this name'],
    [join(file, 'x'), 'a part of the path is no folder'],
    // Where Node's own way to make folders does not end.
    ...(process.platform === 'linux' ? ([['/proc/x/y', 'no such file or folder']] as const) : []),
  ] as const) {
    const ended = await rchan('record', '--dir', dir, '--', process.execPath, '-e', '0')
    expect(ended).toMatchObject({ status: 1, stderr: `rchan: --dir ${dir}: can't be made: ${said}\n` })
  }
})

describe('which trace', () => {
  test.each([
    ['nowhere', () => '/nowhere', /no such file or folder: give the folder of a trace\n$/],
    ['a file', () => join(recorded, 'metadata'), /is no folder: give the folder of a trace, not a file/],
    ['an empty folder', () => freshFolder(), /no trace here: a trace is a folder with a file metadata/],
    ['one whose metadata is a link to nothing', () => folderWith('/nowhere'), /no trace here/],
    ['one whose metadata is empty', () => folderWith(''), /is empty: its recording begins just now, or/],
  ])('%s is an error', async (_, path, said) => {
    const { status, stderr } = await rchan('summary', path())
    expect(status).toBe(1)
    expect(stderr).toMatch(said)
  })

  test('of a folder of recordings it is the newest, and that is said; or all', async () => {
    const { folder, trace } = copied('old')
    const newer = join(folder, 'new')
    expect((await run('command-trace.mjs', [newer])).status).toBe(0)
    utimesSync(join(trace, 'metadata'), 1, 1)
    const one = await rchan('summary', folder, '--json')
    expect(one.stderr).toBe(`rchan: taking ${newer}, the newest of 2 recordings in ${folder}\n`)
    expect(JSON.parse(one.stdout)).toMatchObject({ events: 300 })
    const both = await rchan('summary', folder, '--json', '--all')
    expect(both.stderr).toBe('')
    expect(JSON.parse(both.stdout)).toMatchObject({ events: 600 })
  })

  test('one that is still recorded: what it has so far, and that is said', async () => {
    const trace = join(freshFolder(), 'trace')
    const child = spawn(process.execPath, [fixture('command-trace.mjs'), trace, 'wait'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    const { status, stdout, stderr } = await rchan('summary', trace, '--json')
    child.stdin.end()
    await new Promise((resolve) => child.once('close', resolve))
    expect(status).toBe(0)
    expect(stderr).toMatch(/may still be recorded \(process \d+ runs\): this is what it has so far\n$/)
    expect(JSON.parse(stdout)).toMatchObject({ events: 300 })
  })
})

test.skipIf(process.getuid?.() === 0)(
  'a trace that may not be read is an error that says what to do',
  async () => {
    const { trace } = copied()
    for (const path of [streamOf(trace), join(trace, 'metadata'), trace]) {
      chmodSync(path, 0)
      const { status, stderr } = await rchan('summary', trace)
      chmodSync(path, 0o700)
      expect(status).toBe(1)
      expect(stderr).toMatch(
        /permission denied.*: run rchan as that user, or change the rights of the folder\n$/,
      )
    }
  },
)

test('more traces than files may be open is an error that says what to do', async () => {
  const folder = freshFolder()
  for (let index = 0; index < 100; index += 1) cpSync(recorded, join(folder, `${index}`), { recursive: true })
  const script = 'ulimit -n 100 && exec "$0" "$@"'
  const args = [process.execPath, COMMAND, 'summary', folder, '--all']
  const { status, stderr } = await runCommand('sh', ['-c', script, ...args])
  expect(status).toBe(1)
  expect(stderr).toMatch(/too many open files.*: raise the limit of open files \(ulimit -n\), or give fewer/)
})

describe('convert', () => {
  test.each([
    ['perfetto', '.pftrace'],
    ['chrome', '.json'],
    ['jsonl', '.jsonl'],
    ['csv', '.csv'],
  ])('to %s writes a file beside the trace, and leaves nothing else', async (format, extension) => {
    const { folder, trace } = copied()
    const { status, stdout, stderr } = await rchan('convert', trace, '--to', format)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain(`${trace}${extension}: `)
    expect(readdirSync(folder).sort()).toEqual(['trace', `trace${extension}`])
    expect(statSync(`${trace}${extension}`).size).toBeGreaterThan(1000)
    if (format === 'chrome') {
      const { traceEvents } = JSON.parse(readFileSync(`${trace}.json`, 'utf8')) as {
        traceEvents: { name: string }[]
      }
      expect(traceEvents.filter(({ name }) => name === 'test:tick').length).toBe(100)
    }
  })

  test('guesses the format, and writes the same to standard output', async () => {
    const { folder, trace } = copied()
    const file = join(folder, 'out.csv')
    expect((await rchan('convert', trace, '-o', file)).status).toBe(0)
    const { status, stdout } = await rchan('convert', trace, '-o', '-', '--to', 'csv')
    expect(status).toBe(0)
    expect(stdout).toBe(readFileSync(file, 'utf8'))
  })

  test('replaces a file only with --force, and never a folder', async () => {
    const { folder, trace } = copied()
    const file = join(folder, 'out.csv')
    writeFileSync(file, 'mine')
    const refused = await rchan('convert', trace, '-o', file)
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(
      /exists already: choose another name with -o, or replace it with --force\n$/,
    )
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect((await rchan('convert', trace, '-o', file, '--force')).status).toBe(0)
    expect(readFileSync(file, 'utf8')).not.toBe('mine')
    mkdirSync(join(folder, 'a.csv'))
    for (const name of ['a.csv', 'new/']) {
      const { status, stderr } = await rchan('convert', trace, '-f', '--to', 'csv', '-o', join(folder, name))
      expect(status).toBe(1)
      expect(stderr).toMatch(/is a folder: give the name of a file/)
    }
  })

  test('does not mind what a killed process of the same id has left', async () => {
    const { folder, trace } = copied()
    const file = join(folder, 'out.csv')
    // The shell's process becomes the command's.
    const script = ': > "$1/.out.csv.$$.tmp"; shift; exec "$@"'
    const given = [folder, process.execPath, COMMAND, 'convert', trace, '-o', file]
    expect(await runCommand('sh', ['-c', script, 'sh', ...given])).toMatchObject({ status: 0 })
    expect(readFileSync(file, 'utf8')).toMatch(/^time,/)
  })

  test('writes no file into the trace, and over none of it', async () => {
    const { folder, trace } = copied()
    const whole = readFileSync(streamOf(trace))
    const [link, other] = ['link.csv', 'other.csv'].map((name) => join(folder, name))
    symlinkSync(streamOf(trace), link)
    linkSync(streamOf(trace), other)
    for (const out of [join(trace, 'out.csv'), link, other]) {
      for (const follow of [[], ['--follow']]) {
        const { status, stderr } = await rchan('convert', trace, '-f', '-o', out, ...follow)
        expect(status).toBe(1)
        expect(stderr).toMatch(/is in the folder of the trace/)
      }
    }
    expect(readFileSync(streamOf(trace)).equals(whole)).toBe(true)
    expect(openTrace(trace).streams.length).toBe(1)
  })

  test('selects by event, time and thread', async () => {
    const lines = async (...args: string[]): Promise<number> =>
      (await rchan('convert', recorded, '--to', 'csv', '-o', '-', ...args)).stdout
        .split('\n')
        .filter((line) => /,test:/.test(line)).length
    expect(await lines()).toBe(300)
    expect(await lines('--events', 'test:t*')).toBe(100)
    expect(await lines('--events', 'test:*', '--events', '!test:work')).toBe(200)
    expect(await lines('--thread', '0')).toBe(300)
    expect(await lines('--thread', '7')).toBe(0)
    expect(await lines('--from', '3600')).toBe(0)
    expect(await lines('--until', '3600')).toBe(300)
    expect(await lines('--from', '2000-01-01T00:00:00Z', '--until', '2001-01-01T00:00:00.5+01:00')).toBe(0)
    for (const to of [['--to', 'csv', '-o', '-'], []]) {
      const args = [to.length === 0 ? 'summary' : 'convert', recorded, ...to, '--thread', '7', '--from', '1']
      const { status, stderr } = await rchan(...args)
      expect(status).toBe(0)
      expect(stderr).toMatch(/^rchan: --from 1 --thread 7: the trace has no such event\n/)
    }
    expect((await rchan('summary', recorded, '--from', 'noon')).stderr).toMatch(/--from noon: is no time/)
    expect((await rchan('summary', recorded, '--from', '2', '--until', '1')).status).toBe(2)
  })

  test('of a damaged trace leaves no file, and names the file and the byte', async () => {
    const { folder, trace } = copied()
    appendFileSync(streamOf(trace), Buffer.alloc(20))
    const { status, stderr } = await rchan('convert', trace, '--to', 'jsonl')
    expect(status).toBe(1)
    expect(stderr).toMatch(/^rchan: .*at byte \d+: ends in the middle of a packet.*rchan recover/)
    expect(readdirSync(folder)).toEqual(['trace'])
  })

  test('writes into a FIFO as it is', async () => {
    const { folder, trace } = copied()
    const fifo = join(folder, 'fifo.csv')
    execFileSync('mkfifo', [fifo])
    const [{ status }, { stdout }] = await Promise.all([
      rchan('convert', trace, '-o', fifo),
      runCommand('cat', [fifo]),
    ])
    expect(status).toBe(0)
    expect(stdout.split('\n').filter((line) => /,test:/.test(line)).length).toBe(300)
    expect(statSync(fifo).isFIFO()).toBe(true)
  })

  test.skipIf(spawnSync('python3', ['--version']).status !== 0)(
    'says on a terminal how far it is, and removes that at its end',
    async () => {
      const folder = freshFolder()
      const [trace, fifo] = [join(folder, 'trace'), join(folder, 'fifo.csv')]
      expect((await run('command-trace.mjs', [trace, 'stop', '10000'])).status).toBe(0)
      execFileSync('mkfifo', [fifo])
      const args = [fixture('terminal.py'), fifo, process.execPath, COMMAND, 'convert', trace, '-o', fifo]
      const { status, stdout } = await runCommand('python3', args)
      expect(status).toBe(0)
      expect(stdout).toMatch(/^\r\d+ %, [\d,]+ items\r/)
      expect(stdout).toMatch(/ items *\r +\rrchan: [^\r]*fifo\.csv: 30001 items, [^\r]*\r\n$/)
    },
  )

  test('is quiet when the reader of standard output goes away', async () => {
    const { stdout, stderr } = await runCommand('bash', [
      '-c',
      '"$0" "$1" convert "$2" --to jsonl -o - | true; echo "ended with ${PIPESTATUS[0]}"',
      process.execPath,
      COMMAND,
      recorded,
    ])
    expect({ stdout, stderr }).toEqual({ stdout: 'ended with 0\n', stderr: '' })
  })

  test('says that a disk is full', async () => {
    const { status, stderr } = await rchan('convert', recorded, '--to', 'csv', '-o', '/dev/full')
    expect(status).toBe(1)
    expect(stderr).toBe(
      "rchan: /dev/full: can't be written: no space left on the disk: what is there is not whole\n",
    )
    for (const args of [['summary', recorded], ['--help'], ['convert', recorded, '--to', 'csv', '-o', '-']]) {
      const to = await runCommand('sh', [
        '-c',
        'exec "$0" "$@" > /dev/full',
        process.execPath,
        COMMAND,
        ...args,
      ])
      expect(to).toMatchObject({
        status: 1,
        stderr: "rchan: standard output: can't be written: no space left on the disk\n",
      })
    }
  })

  test.each(['-', 'out.csv'])('says that a file, %s, took a part only', async (output) => {
    const { folder, trace } = copied()
    const script = `cd "$0" && ulimit -f 8 && exec "$@" > standard-output`
    const args = ['convert', trace, '--to', 'csv', '-o', output]
    const { status, stderr } = await runCommand('sh', [
      '-c',
      script,
      folder,
      process.execPath,
      COMMAND,
      ...args,
    ])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^rchan: .*can't be written: a file may not be as large as that here/)
    expect(readdirSync(folder).sort()).toEqual(['standard-output', 'trace'])
  })

  test.skipIf(process.getuid?.() === 0)('says that a folder can not be written', async () => {
    const { folder, trace } = copied()
    chmodSync(folder, 0o500)
    const { status, stderr } = await rchan('convert', trace, '--to', 'csv')
    chmodSync(folder, 0o700)
    expect(status).toBe(1)
    expect(stderr).toMatch(/can't be written: permission denied: choose another place with -o/)
  })

  test('removes what it began when a signal ends it', async () => {
    const { folder, trace } = copied()
    const fifo = join(folder, 'fifo.csv')
    execFileSync('mkfifo', [fifo])
    const waiting = spawn(process.execPath, [COMMAND, 'convert', trace, '-o', fifo], { stdio: 'ignore' })
    const ended = new Promise((resolve) => waiting.once('close', (_, signal) => resolve(signal)))
    waiting.kill('SIGINT')
    expect(await ended).toBe('SIGINT')
    expect(readdirSync(folder).sort()).toEqual(['fifo.csv', 'trace'])
  })

  describe.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    '%s in the middle of a file',
    (signal) => {
      /** Begins a conversion, and ends it when half of the file is written. */
      async function interrupt(folder: string, ...args: string[]): Promise<string[]> {
        const hold = `--import=${pathToFileURL(fixture('half-write.mjs')).href}`
        const child = spawn(process.execPath, [hold, COMMAND, 'convert', ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        onTestFinished(() => void child.kill('SIGKILL'))
        const ended = once(child, 'close')
        expect(String((await once(child.stdout, 'data'))[0])).toBe('half is written\n')
        const [temporary, ...others] = readdirSync(folder).filter((name) => name.endsWith('.tmp'))
        expect(others).toEqual([])
        expect(statSync(join(folder, temporary)).size).toBeGreaterThan(0)
        child.kill(signal)
        expect(await ended).toEqual([null, signal])
        // Nobody can remove anything at a SIGKILL. What is left does not have the name of the file.
        const left = signal === 'SIGKILL' ? [temporary] : []
        expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual(left)
        for (const name of left) expect(name).toMatch(/^\.out\.csv\.[\da-f]+\.tmp$/)
        return readdirSync(folder)
          .filter((name) => !name.endsWith('.tmp'))
          .sort()
      }

      test('leaves no file', async () => {
        const { folder, trace } = copied()
        const out = join(folder, 'out.csv')
        expect(await interrupt(folder, trace, '-o', out)).toEqual(['trace'])
        // And the next conversion is not kept from it.
        expect((await rchan('convert', trace, '-o', out)).status).toBe(0)
      })

      test('leaves the file that was to be replaced', async () => {
        const { folder, trace } = copied()
        const out = join(folder, 'out.csv')
        writeFileSync(out, 'the old one')
        expect(await interrupt(folder, trace, '-o', out, '--force')).toEqual(['out.csv', 'trace'])
        expect(readFileSync(out, 'utf8')).toBe('the old one')
      })
    },
  )
})

describe('convert --follow', () => {
  /** A process that has recorded 300 events, and records until its standard input ends. */
  async function recording(): Promise<{ trace: string; end: () => Promise<unknown> }> {
    const trace = join(freshFolder(), 'trace')
    const child = spawn(process.execPath, [fixture('command-trace.mjs'), trace, 'wait'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const ended = once(child, 'close')
    await once(child.stdout, 'data')
    return {
      trace,
      end: async () => {
        child.stdin.end()
        return await ended
      },
    }
  }

  test('writes items as they come, and ends with the recording', async () => {
    const { trace, end } = await recording()
    const args = [COMMAND, 'convert', trace, '--follow', '--to', 'jsonl']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const closed = once(child, 'close')
    let text = ''
    let said = ''
    child.stdout.on('data', (data: Buffer) => (text += String(data)))
    child.stderr.on('data', (data: Buffer) => (said += String(data)))
    const linesOf = (type: string): string[] =>
      text.split('\n').filter((line) => line.startsWith(`{"type":"${type}"`))
    const events = (): number => ['span', 'event', 'counter'].flatMap(linesOf).length
    await expect.poll(events, { timeout: 60_000 }).toBe(300)
    // What is known when the recording has ended.
    expect(linesOf('thread')).toEqual([])
    expect(text.endsWith('}\n')).toBe(true)
    await end()
    expect(await closed).toEqual([0, null])
    expect(linesOf('thread').length).toBe(1)
    expect(said).toMatch(/^rchan: standard output: 301 items, .*; one item a line\n$/)
    const whole = (await rchan('convert', trace, '--to', 'jsonl', '-o', '-')).stdout
    expect(text.split('\n').sort()).toEqual(whole.split('\n').sort())
  })

  test('writes into a file that others read meanwhile; a signal ends it, and the file stays', async () => {
    const { trace } = await recording()
    const out = join(freshFolder(), 'out.csv')
    const child = spawn(process.execPath, [COMMAND, 'convert', trace, '--follow', '-o', out])
    onTestFinished(() => void child.kill('SIGKILL'))
    const closed = once(child, 'close')
    const rows = (): number => (existsSync(out) ? readFileSync(out, 'utf8').split('\r\n').length - 1 : 0)
    await expect.poll(rows, { timeout: 60_000 }).toBe(301)
    child.kill('SIGINT')
    expect(await closed).toEqual([null, 'SIGINT'])
    expect(rows()).toBe(301)
    const again = await rchan('convert', trace, '--follow', '-o', out)
    expect(again).toMatchObject({ status: 1, stdout: '' })
    expect(again.stderr).toMatch(/exists already/)
  })

  test('of a recording that has ended is what there is; --until ends it', async () => {
    const whole = (await rchan('convert', recorded, '--to', 'csv', '-o', '-')).stdout.split('\r\n')
    const followed = (await rchan('convert', recorded, '--to', 'csv', '--follow')).stdout.split('\r\n')
    expect(followed.sort()).toEqual(whole.sort())
    const { trace } = await recording()
    const { status, stdout } = await rchan('convert', trace, '--to', 'csv', '--follow', '--until', '0.000001')
    expect(status).toBe(0)
    expect(stdout.split('\r\n').length).toBeLessThan(300)
  })
})

describe('recover', () => {
  test('cuts half a packet off, says so, and the rest can be read', async () => {
    const { trace } = copied()
    const stream = streamOf(trace)
    const whole = readFileSync(stream)
    appendFileSync(stream, whole.subarray(0, 50))
    expect(() => openTrace(trace).losses()).toThrow(/ends in the middle of a packet/)
    const { status, stdout } = await rchan('recover', trace)
    expect(status).toBe(0)
    expect(stdout).toContain(`${stream}: cut off 50 bytes after the last whole packet; `)
    expect(readFileSync(stream).equals(whole)).toBe(true)
    expect((await rchan('recover', trace)).stdout).toContain('all packets are whole, nothing was cut off')
  })

  test('repairs every trace of a recording, also behind one that it refuses', async () => {
    const folder = freshFolder()
    const [refused, broken] = ['1-main', '2-main'].map((name) => join(folder, name))
    for (const trace of [refused, broken]) cpSync(recorded, trace, { recursive: true })
    writeFileSync(join(folder, 'recording.json'), JSON.stringify({ command: ['node', 'main.mjs'] }))
    appendFileSync(streamOf(broken), readFileSync(streamOf(broken)).subarray(0, 50))
    appendFileSync(streamOf(refused), 'no packet')
    const { status, stdout, stderr } = await rchan('recover', folder)
    expect(status).toBe(1)
    expect(stdout).toContain(`${streamOf(broken)}: cut off 50 bytes`)
    expect(stderr).toContain(`rchan: ${streamOf(refused)}`)
  })

  test('at every length, what is left is whole packets', () => {
    const { trace } = copied()
    const stream = streamOf(trace)
    const whole = readFileSync(stream)
    for (let bytes = whole.length - 1; bytes > 0; bytes -= 97) {
      writeFileSync(stream, whole.subarray(0, bytes))
      recoverTrace(trace)
      expect(statSync(stream).size).toBeLessThanOrEqual(bytes)
      expect(() => [...openTrace(trace).records()]).not.toThrow()
    }
  })

  test('cuts nothing off where a packet has a wrong size, and others follow', async () => {
    const { trace } = copied()
    const stream = streamOf(trace)
    const whole = readFileSync(stream)
    const damaged = Buffer.concat([whole, whole])
    // packet_size of the first packet, in bits: more than the file has.
    damaged.writeBigUInt64LE(2n ** 31n, PACKET_SIZE_OFFSET)
    writeFileSync(stream, damaged)
    const { status, stderr } = await rchan('recover', trace)
    expect(status).toBe(1)
    expect(stderr).toMatch(/another one begins at byte \d+/)
    expect(readFileSync(stream).equals(damaged)).toBe(true)
  })
})

test('snapshot prints the folder of the snapshot of a process that hangs, with the reason in it', async () => {
  const child = spawn(
    process.execPath,
    [fixture('flight.mjs'), join(freshFolder(), 'snapshots'), 'hangs', '{}'],
    { stdio: 'pipe' },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const { status, stdout, stderr } = await rchan('snapshot', `${child.pid}`, '--reason', 'it hangs')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const taken = [...openTrace(stdout.trimEnd()).records()].find(
    ({ event }) => event.name === 'rchan:snapshot',
  )
  expect(taken?.fields.reason).toBe('it hangs')
})

test('snapshot of a process without a flight recording is an error', async () => {
  const { status, stdout, stderr } = await rchan('snapshot', `${process.pid}`, '--timeout', '1')
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^rchan: process pid=\d+ has no flight recording that takes requests/)
})

test('packed, the command works without other packages, and the licences of its libraries go along', async () => {
  const folder = packedFolder()
  try {
    const bin = 'node_modules/rchan/dist/bin/rchan.cjs'
    expect((await runNode(folder, [bin, '--version'])).stdout).toBe('0.1.0\n')
    const converted = await runNode(folder, [bin, 'convert', recorded, '-o', 'out.pftrace'])
    expect(converted.status).toBe(0)
    expect(existsSync(join(folder, 'out.pftrace'))).toBe(true)
    const licences = readFileSync(join(folder, 'node_modules/rchan/dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
    expect(licences).toMatch(/^commander \d.* \(MIT\)$/m)
    expect(licences).toMatch(/^pbf \d.* \(BSD-3-Clause\)$/m)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
