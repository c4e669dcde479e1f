/**
 * The summary of a recording: what `stop` returns, and how it prints. Runs on the thread that
 * records.
 */
import type {
  CpuTotals,
  FlightTotals,
  Losses,
  LossReport,
  NotTaken,
  RecordingTotals,
  Snapshot,
} from '@rchan/runtime/recorder'
import type { InspectOptionsStylized } from 'node:util'

/** The key of the method by which `console.log` prints an object. */
export const INSPECT: symbol = Symbol.for('nodejs.util.inspect.custom')

/** The result of a recording. All counts are events. */
export interface RecordingSummary<Path extends string | undefined = string> {
  /**
   * The folder of the trace; of a flight recorder, the folder of the snapshots. Undefined if the
   * recording was in memory until its end: nothing is written then.
   */
  readonly path: Path
  /** In the trace. Of a flight recorder: in its buffers, at the end. */
  readonly events: number
  /** Never written, all causes. */
  readonly discarded: number
  /**
   * … because the buffer was full, the event longer than a sub-buffer, its arguments bad, its
   * thread without a place, or without a clock that can be trusted (`error` says so then).
   */
  readonly discardedBy: Readonly<Losses>
  /**
   * Of each tracepoint that was called with bad arguments, the first one that was: `a:b: at=-1 is
   * no u32`. Of 64 tracepoints at the most.
   */
  readonly badArguments: readonly string[]
  /** Written, and overwritten before they could be delivered. */
  readonly overwritten: number
  /** Written, but not readable. */
  readonly torn: number
  /**
   * Written, but the file system did not take them, they came while `stop` wrote the end, or the
   * recording had no files.
   */
  readonly unwritten: number
  /** Number of CPUs that ever wrote. */
  readonly cpus: number
  /**
   * The CPUs that wrote or lost events. With `buffers: 'global'` each CPU has only `events`,
   * `discarded` and `threads`. The other counts are 0, because they are known only for all CPUs
   * together.
   */
  readonly perCpu: readonly CpuTotals[]
  /** What became of all events, by thread. */
  readonly losses: LossReport
  /** Bytes of all streams. */
  readonly bytes: number
  /** Events with a value that was longer than its type allows, if there are any. */
  readonly cut?: number
  /** Calls that the limits of rules kept out (`oneIn`, `minDurationNs`), if there are any. */
  readonly filtered?: number
  /** Time from start to stop, in milliseconds. */
  readonly durationMs: number
  /**
   * The first error on the way to the files; absent if there was none. The events lost by it are in
   * `unwritten` or `discarded`.
   */
  readonly error?: string
  /**
   * Sentences that say why the trace is empty or lacks events, and what to do. Empty if there is
   * nothing to say.
   */
  readonly warnings: readonly string[]
  /** The snapshots of a flight recorder; absent for any other recording. */
  readonly snapshots?: SnapshotsSummary
}

/** A flight recorder that is over. */
export interface FlightSummary extends RecordingSummary {
  readonly snapshots: SnapshotsSummary
}

/** The snapshots of a flight recorder that is over. */
export interface SnapshotsSummary {
  readonly taken: number
  /** Of these, removed again to make room for newer ones. */
  readonly removed: number
  /** Snapshots that were asked for and not taken, by cause. */
  readonly notTaken: NotTaken
  /** The last 100 that were taken, oldest first. */
  readonly last: readonly Snapshot[]
}

/** Makes the summary, which prints in a few lines. */
export function summarize(
  path: string | undefined,
  totals: RecordingTotals,
  badArguments: readonly string[],
  warnings: readonly string[],
): RecordingSummary<string | undefined> {
  const discardedBy: Losses = { ...totals.discarded, noBuffer: totals.noBuffer }
  const summary: RecordingSummary<string | undefined> = {
    path,
    events: totals.events,
    discarded: discardedBy.full + discardedBy.tooBig + discardedBy.bad + discardedBy.noBuffer,
    discardedBy,
    badArguments,
    overwritten: totals.overwritten,
    torn: totals.torn,
    unwritten: totals.unwritten,
    cpus: totals.cpus.filter(({ events }) => events > 0).length,
    perCpu: totals.cpus,
    losses: totals.losses,
    bytes: totals.bytes,
    durationMs: totals.durationMs,
    ...(totals.cut === 0 ? {} : { cut: totals.cut }),
    ...(totals.filtered === 0 ? {} : { filtered: totals.filtered }),
    ...(totals.error === undefined ? {} : { error: totals.error }),
    warnings,
    ...(totals.flight === undefined ? {} : { snapshots: withoutError(totals.flight) }),
  }
  // Not enumerable, so a summary compares and serializes as plain data.
  return Object.defineProperty(summary, INSPECT, {
    value: (depth: number, options: InspectOptionsStylized) =>
      depth < 0 ? options.stylize('[Recording]', 'special') : `Recording ${shown(summary, options)}`,
  })
}

/** What a summary says to a person: one line, and one for each kind of loss and each warning. */
function shown(summary: RecordingSummary<string | undefined>, options: InspectOptionsStylized): string {
  const { path, events, cpus, durationMs, discarded, discardedBy, badArguments, error, warnings } = summary
  const stylize: typeof options.stylize = (text, style) => options.stylize(text, style)
  const number = (value: number): string => stylize(grouped(value), 'number')
  const unit = (count: number, one: string): string => `${number(count)} ${one}${count === 1 ? '' : 's'}`
  const lines = [
    `${snapshotsShown(summary, unit)}${unit(events, 'event')} of ${unit(cpus, 'CPU')} in ${stylize(duration(durationMs), 'number')} → ${stylize(path ?? 'nowhere', 'string')}`,
  ]
  if (discarded > 0) {
    const causes = Object.entries(discardedBy).filter(([, count]) => count > 0)
    lines.push(
      `${number(discarded)} discarded: ${causes.map(([cause, count]) => `${number(count)} ${cause}`).join(', ')}`,
    )
  }
  for (const sentence of badArguments) lines.push(`${stylize('bad', 'regexp')}: ${sentence}`)
  for (const cause of ['overwritten', 'torn', 'unwritten'] as const) {
    if (summary[cause] > 0) lines.push(`${number(summary[cause])} ${cause}`)
  }
  if (summary.cut !== undefined) lines.push(`${unit(summary.cut, 'event')} with a value that was cut`)
  if (summary.filtered !== undefined) lines.push(`${number(summary.filtered)} kept out by limits`)
  if (error !== undefined) lines.push(`${stylize('error', 'regexp')}: ${error}`)
  for (const warning of warnings) lines.push(`${stylize('warning', 'regexp')}: ${warning}`)
  return lines.length === 1 ? `{ ${lines[0]} }` : `{\n  ${lines.join(',\n  ')}\n}`
}

/** What a summary says of a flight recorder's snapshots. */
function snapshotsShown(
  { snapshots }: Pick<RecordingSummary, 'snapshots'>,
  unit: (count: number, one: string) => string,
): string {
  if (snapshots === undefined) return ''
  const { taken, removed, notTaken } = snapshots
  const causes = Object.entries(notTaken).filter(([, count]) => count > 0)
  const more = [
    ...(removed > 0 ? [`${removed} removed`] : []),
    ...(causes.length > 0
      ? [`not taken: ${causes.map(([cause, count]) => `${count} ${cause}`).join(', ')}`]
      : []),
  ]
  return `${unit(taken, 'snapshot')}${more.length > 0 ? ` (${more.join('; ')})` : ''}; at the end `
}

function withoutError({ taken, removed, notTaken, last }: FlightTotals): SnapshotsSummary {
  return { taken, removed, notTaken, last }
}

/** Formats a count with commas between groups of three digits, whatever the locale. */
function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
