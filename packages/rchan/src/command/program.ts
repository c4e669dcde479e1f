/** The command line of `rchan`: its commands, their options, and their help. */
import { join } from 'node:path'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { UsageError } from './fault.js'
import type { ConvertOptions } from './convert.js'
import { ReaderGone, writeOut, writeOutNow } from './output.js'
import type { RecordOptions } from './record.js'
import type { SummaryOptions } from './summary.js'
import { TARGETS } from './targets.js'

/** The exit codes. */
const EXIT = { done: 0, failed: 1, usage: 2 } as const

const TRACE = 'folder of a trace, or of recordings: then the newest'

/** Says something to the user, apart from results. */
function say(text: string): void {
  process.stderr.write(`rchan: ${text}\n`)
}

/** As the command line has them. `probe` is true if none is given. */
type GivenRecordOptions = Omit<RecordOptions, 'probe'> & { readonly probe?: boolean | string[] }

const PROBES_HELP = `
Probes: threads, tasks, messages, gc, loop, cpu, io, samples.

The exit code is that of the command.
`

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** Collects patterns of names. */
function collectPattern(value: string, before?: readonly string[]): string[] {
  if (value === '' || value === '!') {
    throw new InvalidArgumentError('Expected a name, in which * stands for any characters.')
  }
  return collect(value, before)
}

function positive(what: string, most: number, form = /^\d+(\.\d+)?$/): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!form.test(text) || !(value > 0 && value <= most)) {
      throw new InvalidArgumentError(`Expected ${what}.`)
    }
    return value
  }
}

/** Adds the options that select a part of a trace. */
function selecting(command: Command): Command {
  return command
    .option(
      '--events <pattern>',
      "only events of this name, in which * stands for any characters; '!…' leaves some out (repeatable)",
      collectPattern,
    )
    .option('--from <time>', 'from this time on: seconds from the start of the trace, or ISO 8601')
    .option('--until <time>', 'up to this time')
    .option('--thread <id|name>', 'only this thread (repeatable)', collect)
    .option('--process <pid>', 'only this process (repeatable)', collect)
    .option('--all', 'all recordings in the folder, as one trace')
}

/** Adds a trace, and the options of a file that is made of it. */
function writing(command: Command): Command {
  return command
    .argument('<trace>', TRACE)
    .option('-o, --output <file>', 'where to; - is standard output (default: beside the trace)')
    .option('-f, --force', 'replace a file that exists')
}

/**
 * Returns the command line.
 *
 * @param version of rchan.
 * @param exitWith is told the exit code of a program that was recorded.
 */
function makeProgram(version: string, exitWith: (code: number) => void = () => undefined): Command {
  const program = new Command('rchan')
    .description('Records programs with worker threads, and reads and converts recordings.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ helpWidth: 90 })
    .configureOutput({
      writeOut: writeOutNow,
      outputError: (text, write) => write(text.replace(/^error: /, 'rchan: ')),
    })
    .exitOverride()
    // Options behind a command to record are its own.
    .enablePositionalOptions()
    .action(() => program.outputHelp())
  addCommands(program, exitWith)
  return program
}

function addCommands(program: Command, exitWith: (code: number) => void): void {
  program
    .command('record')
    .description('Runs a command, and records each Node process of it, as it is.')
    .argument('<command...>', 'the program and its arguments: node app.js')
    .passThroughOptions()
    .option('--dir <folder>', 'folder of the recording (default: rchan-TIME)')
    .option('--probe <name>', 'record this, too; `all` for all (repeatable)', collect)
    .option('--no-probe <name>', 'leave this out (repeatable)', (name: string, before: unknown) =>
      collect(`-${name}`, Array.isArray(before) ? (before as string[]) : []),
    )
    .option('--events <pattern>', 'only events of this name; see rchan convert (repeatable)', collectPattern)
    .option('--buffer-size <MiB>', 'buffer of each thread (default: 4)', positive('MiB, at most 256', 256))
    .option('--flight', 'keep only the last moments, and write them when rchan snapshot asks')
    .option(
      '--report <file>',
      'at the end, write a page (.html), a picture (.svg), or what else the extension says (repeatable; default: report.html in the folder)',
      (name: string, before: unknown) => collect(name, Array.isArray(before) ? (before as string[]) : []),
    )
    .option('--no-report', 'write no page')
    .option('-f, --force', 'replace a recording that is in the folder')
    .option('-q, --quiet', 'no line of progress')
    .addHelpText('after', PROBES_HELP)
    .action(async (command: string[], { bufferSize, probe, ...options }: GivenRecordOptions) => {
      const { record } = await import('./record.js')
      const given: RecordOptions = {
        ...options,
        probe: Array.isArray(probe) ? probe : [],
        ...(bufferSize === undefined ? {} : { bufferSize: Math.round(bufferSize * 2 ** 20) }),
      }
      exitWith(await record(command, given, join(__dirname, '../cjs/auto.js'), say))
    })

  selecting(
    writing(
      program
        .command('convert')
        .description('Converts a trace to the format of another program.')
        .addOption(
          new Option('--to <format>', 'format; without it, the extension of -o decides').choices(TARGETS),
        ),
    ).option(
      '--follow',
      'go on while it is recorded: each item as it comes; only jsonl and csv (default output: -)',
    ),
  ).action(async (trace: string, options: ConvertOptions) => {
    const { convert } = await import('./convert.js')
    await convert(trace, options, say)
  })

  selecting(
    writing(
      program
        .command('report')
        .description('Writes a page: what is wrong, what every thread did, the slowest tasks.'),
    ),
  ).action(async (trace: string, options: Omit<ConvertOptions, 'to'>) => {
    const { convert } = await import('./convert.js')
    await convert(trace, { ...options, to: 'html' }, say)
  })

  selecting(
    program
      .command('summary')
      .description('Prints what a trace says in numbers: each tracepoint, each thread, losses.')
      .argument('<trace>', TRACE)
      .option('--json', 'as JSON'),
  ).action(async (trace: string, options: SummaryOptions) => {
    const { printSummary } = await import('./summary.js')
    await printSummary(trace, options, say)
  })

  program
    .command('recover')
    .description('Cuts the streams of a trace whose writing broke off back to whole packets.')
    .argument('<trace>', TRACE)
    .option('-f, --force', 'also if a process with the number of the recording one runs')
    .action(async (trace: string, { force = false }: { force?: boolean }) => {
      const { recover } = await import('./recover.js')
      await recover(trace, force, say)
    })

  program
    .command('snapshot')
    .description('Asks a process with a flight recording for a snapshot, and prints its folder.')
    .argument('<pid>', 'number of the process', positive('the number of a process', 2 ** 31, /^\d+$/))
    .option('--reason <text>', 'why; it stands in the trace')
    .option(
      '--timeout <seconds>',
      'how long to wait for it (default: 10)',
      positive('seconds, at most 3600', 3600),
    )
    .action(async (pid: number, { reason, timeout }: { reason?: string; timeout?: number }) => {
      const { requestSnapshot } = await import('@rchan/trace/recording')
      const { path } = await requestSnapshot(pid, {
        ...(reason === undefined ? {} : { reason }),
        ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
      })
      await writeOut(`${path}\n`)
    })
}

/** Runs a command line. @returns the exit code. */
export async function runProgram(args: readonly string[], version: string): Promise<number> {
  let code: number = EXIT.done
  const program = makeProgram(version, (of) => {
    code = of
  })
  try {
    const unknown = unknownCommand(program, args)
    if (unknown !== undefined) throw new UsageError(unknown)
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.done
    // Commander has said it already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    say(error instanceof Error ? `${error.message}${hintOf(error)}` : String(error))
    if (error instanceof UsageError) return EXIT.usage
    // Only what nobody foresaw needs a stack.
    if (error instanceof TypeError) say(error.stack ?? '')
    return EXIT.failed
  }
}

/** Returns what to do about an error of the system at a part of a trace; `''` for other errors. */
function hintOf({ cause }: Error): string {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  if (code === 'EMFILE') return ': raise the limit of open files (ulimit -n), or give fewer traces'
  if (code === 'EROFS') return ': copy the trace to a disk that can be written'
  if (code !== 'EACCES' && code !== 'EPERM') return ''
  return ': a trace is for the user who recorded it: run rchan as that user, or change the rights of the folder'
}

/** Returns what to say of a command that does not exist. */
function unknownCommand(program: Command, args: readonly string[]): string | undefined {
  const name = args[0] === 'help' ? args[1] : args[0]
  if (name === undefined || name.startsWith('-')) return undefined
  const names = ['help', ...program.commands.map((command) => command.name())]
  if (names.includes(name)) return undefined
  const near = names
    .map((each) => ({ each, distance: distanceOf(name, each) }))
    .sort((a, b) => a.distance - b.distance)
    .find(({ each, distance }) => distance <= Math.max(1, Math.floor(each.length / 3)))
  const hint = near === undefined ? `rchan --help lists the commands` : `did you mean ${near.each}?`
  return `${name}: no such command: ${hint}`
}

/** How many characters have to be added, removed or changed to make one text of another. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]
}
