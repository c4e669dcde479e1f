/** The processes of a recording as text: which are there, and which one has started which. */
import type { ProcessUse, ThreadUse } from './model.js'
import { durationText, numberText } from './quantity.js'
import { shown, table } from './aligned-text.js'

/** How many processes the text shows. */
const MOST_SHOWN = 20
const LONGEST_COMMAND = 60
/** Options of Node behind which there is code. */
const EVALUATES = /^(-e|-p|-pe|--eval|--print)$/

/** Returns a table in which each process stands below the one that has started it, further in. */
export function processTable(processes: readonly ProcessUse[], threads: readonly ThreadUse[]): string {
  const start = processes.reduce((least, { from }) => (from < least ? from : least), processes[0].from)
  const rows = [['process', 'id', 'since', 'time', 'threads']]
  for (const { use, depth } of inOrder(processes).slice(0, MOST_SHOWN)) {
    const { process, from, to } = use
    const own = threads.filter(({ thread }) => thread.process === process)
    rows.push([
      '  '.repeat(depth) + nameOfProcess(use),
      String(process.pid),
      durationText(Number(from - start)),
      durationText(Number(to - from)),
      numberText(own.length),
    ])
  }
  const more = processes.length - MOST_SHOWN
  return table(rows, [true, false, false, false, false]) + (more > 0 ? `and ${more} more processes\n` : '')
}

interface Placed {
  readonly use: ProcessUse
  readonly depth: number
}

/** Each process, and after it those that it has started, in the order of time. */
function inOrder(processes: readonly ProcessUse[]): Placed[] {
  const sorted = [...processes].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  const byPid = new Map<number, ProcessUse>()
  const children = new Map<ProcessUse | undefined, ProcessUse[]>()
  for (const use of sorted) {
    // The system gives numbers again: only an earlier one counts.
    const parent = use.parentPid === undefined ? undefined : byPid.get(use.parentPid)
    const others = children.get(parent)
    if (others === undefined) children.set(parent, [use])
    else others.push(use)
    byPid.set(use.process.pid, use)
  }
  const placed: Placed[] = []
  const place = (parent: ProcessUse | undefined, depth: number): void => {
    for (const use of children.get(parent) ?? []) {
      placed.push({ use, depth })
      place(use, depth + 1)
    }
  }
  place(undefined, 0)
  return placed
}

function nameOfProcess({ command, process }: ProcessUse): string {
  // As the folder is called: PID-NAME.
  if (command === undefined) return shown(/[/\\]\d+-([^/\\]+)$/.exec(process.folder)?.[1] ?? '–')
  return commandText(command)
}

/**
 * Returns a command line, as far as it fits: without the path of the program, and if it is long
 * with names of files only, and without the options before the first of these.
 */
export function commandText(command: string): string {
  const [program = '', ...rest] = shown(command.replaceAll(/\s+/g, ' ')).split(' ')
  const whole = [nameOf(program), ...rest].join(' ')
  if (whole.length <= LONGEST_COMMAND) return whole
  const parts = [program, ...rest].map((part) => (/^([/\\]|[A-Za-z]:\\)/.test(part) ? nameOf(part) : part))
  const short = parts.join(' ')
  if (short.length <= LONGEST_COMMAND) return short
  // As Node's test runner starts its files.
  const file = parts.findIndex((part, at) => at > 0 && !part.startsWith('-'))
  const isCode = parts.slice(1, Math.max(1, file)).some((part) => EVALUATES.test(part))
  const told = file > 1 && !isCode ? [parts[0], '…', ...parts.slice(file)].join(' ') : short
  return told.length > LONGEST_COMMAND ? `${told.slice(0, LONGEST_COMMAND - 1)}…` : told
}

function nameOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1)
}
