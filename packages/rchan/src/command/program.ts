/** The command line of `rchan`, and what becomes of an error. Each command is a file in `line`. */
import { Command, CommanderError } from 'commander'
import { UsageError } from './fault.js'
import { addConvert } from './line/convert.js'
import { addRecord } from './line/record.js'
import { addRecover } from './line/recover.js'
import { addReport } from './line/report.js'
import { addSnapshot } from './line/snapshot.js'
import { addSummary } from './line/summary.js'
import { ReaderGone, writeOutNow } from './output.js'

/** The exit codes. */
const EXIT = { done: 0, failed: 1, usage: 2 } as const

/** Says something to the user, apart from results. */
function say(text: string): void {
  process.stderr.write(`rchan: ${text}\n`)
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
  addRecord(program, say, exitWith)
  addConvert(program, say)
  addReport(program, say)
  addSummary(program, say)
  addRecover(program, say)
  addSnapshot(program)
  return program
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
