/** The options that select a part of a trace: by event, time, thread and process. */
import type { ItemOptions, Trace, TraceSet } from '@rchan/ctf/reader'
import { CommandError, UsageError } from './fault.js'

/** As the command line has them. */
export interface SelectionOptions {
  readonly events?: readonly string[]
  readonly from?: string
  readonly until?: string
  readonly thread?: readonly string[]
  readonly process?: readonly string[]
}

const SECONDS = /^(\d{1,12})(?:\.(\d{1,9}))?s?$/
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.(\d{1,9}))?)?(?:Z|[+-]\d{2}:\d{2})?$/

/**
 * Returns what the reader is to be asked for.
 *
 * @throws UsageError for something unclear; CommandError if seconds are to count from the start of
 * a trace that has none yet.
 */
export function selectionOf(
  { events, from, until, thread, process: processes }: SelectionOptions,
  trace: Trace | TraceSet,
): ItemOptions {
  const wanted: { -readonly [K in keyof ItemOptions]: ItemOptions[K] } = {}
  if (events !== undefined) wanted.events = events
  if (thread !== undefined) {
    // A thread may be called `3`, too.
    wanted.threads = thread.flatMap((each) => (/^\d+$/.test(each) ? [Number(each), each] : [each]))
  }
  if (processes !== undefined) {
    wanted.processes = processes.map((each) => {
      if (!/^\d+$/.test(each)) throw new UsageError(`--process ${each}: is no number of a process`)
      return Number(each)
    })
  }
  if (from !== undefined) wanted.from = timeOf('--from', from, trace)
  if (until !== undefined) wanted.to = timeOf('--until', until, trace)
  if (wanted.from !== undefined && wanted.to !== undefined && wanted.to <= wanted.from) {
    throw new UsageError(`--until ${until} is not after --from ${from}`)
  }
  return wanted
}

/** Says that a selection has no event, if it selects. */
export function tellNothing(selection: SelectionOptions, say: (text: string) => void): void {
  const given = (['events', 'from', 'until', 'thread', 'process'] as const).flatMap((name) =>
    [selection[name] ?? []].flat().map((value) => `--${name} ${value}`),
  )
  if (given.length > 0) say(`${given.join(' ')}: the trace has no such event`)
}

/** Returns a time of the trace's clock. */
function timeOf(option: string, text: string, trace: Trace | TraceSet): bigint {
  const seconds = SECONDS.exec(text)
  if (seconds !== null) {
    const start = startOf(trace)
    if (start === undefined) {
      throw new CommandError(
        `${option} ${text}: the trace has no event yet, from which seconds would count: give a time like ${new Date().toISOString()}`,
      )
    }
    return start + BigInt(seconds[1]) * 1_000_000_000n + fraction(seconds[2])
  }
  const iso = ISO.exec(text)
  const ms = iso === null ? NaN : Date.parse(text.replace(/\.\d+/, ''))
  if (iso === null || Number.isNaN(ms)) {
    throw new UsageError(
      `${option} ${text}: is no time: give seconds from the start of the trace, like 1.5, or a time like 2026-01-31T12:00:00.5Z`,
    )
  }
  return BigInt(ms) * 1_000_000n + fraction(iso[1]) - trace.wallClock(0n)
}

/** Returns the ns of the digits after a point. */
function fraction(digits = ''): bigint {
  return BigInt(digits.padEnd(9, '0'))
}

function startOf(trace: Trace | TraceSet): bigint | undefined {
  for (const { time } of trace.items()) return time
  return undefined
}
