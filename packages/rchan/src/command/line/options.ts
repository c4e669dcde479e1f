/** What several commands have on their command lines. */
import { InvalidArgumentError, type Command } from 'commander'

/** Says something to the user, apart from results. */
export type Say = (text: string) => void

export const TRACE = 'folder of a trace, or of recordings: then the newest'

/** Collects the values of an option that can be given several times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** The same for an option that can be `true` or `false`, too, because it has a `--no-…`. */
export function collectOver(value: string, before: unknown): string[] {
  return collect(value, Array.isArray(before) ? (before as string[]) : [])
}

/** Collects patterns of names. */
export function collectPattern(value: string, before?: readonly string[]): string[] {
  if (value === '' || value === '!') {
    throw new InvalidArgumentError('Expected a name, in which * stands for any characters.')
  }
  return collect(value, before)
}

/** Reads a number above 0. */
export function positive(what: string, most: number, form = /^\d+(\.\d+)?$/): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!form.test(text) || !(value > 0 && value <= most)) {
      throw new InvalidArgumentError(`Expected ${what}.`)
    }
    return value
  }
}

/** Adds the options that select a part of a trace. */
export function selecting(command: Command): Command {
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
export function writing(command: Command): Command {
  return command
    .argument('<trace>', TRACE)
    .option('-o, --output <file>', 'where to; - is standard output (default: beside the trace)')
    .option('-f, --force', 'replace a file that exists')
}
