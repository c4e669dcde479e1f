/**
 * The report of a run: the summary as data, and as text.
 *
 * Pure functions. Busy time is the wall-clock time from a task's start to its end. With more
 * threads than cores it includes the time that the thread waited for a core.
 */
import type { RecordingSummary } from 'rchan'
import { hasRun, hasWaited, spreadOf, type Analysis, type Spread } from './analysis.js'
import type { Failure, JobOutcome } from './job.js'
import { bytesText, countText, numberText, shareText, timeText } from './quantities.js'

const SLOWEST_TASKS = 5
const SHOWN_FAILURES = 5
const NS_PER_MS = 1e6

/** One CPU: a place that one thread after the other took. */
export interface CpuSummary {
  readonly cpu: number
  readonly threads: readonly { readonly generation: number; readonly threadId: number }[]
  readonly tasks: number
  readonly busyMs: number
  readonly onlineMs: number
  /** Share of the time online, 0 to 1. */
  readonly busyShare: number
  readonly events: number
  readonly traceBytes: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** The content of summary.json. */
export interface Summary {
  /** In the trace. */
  readonly events: number
  readonly discarded: number
  readonly discardedBy: RecordingSummary['discardedBy']
  readonly overwritten: number
  readonly torn: number
  readonly unwritten: number
  /** Number of CPUs that ever wrote. */
  readonly cpus: number
  /** Number of threads that ever wrote. */
  readonly threads: number
  /** Tasks in the trace, including those that failed. */
  readonly tasks: number
  /** Tasks whose start or end is not in the trace. */
  readonly tasksIncomplete: number
  /** Compressed. */
  readonly files: number
  readonly failures: readonly Failure[]
  readonly bytesIn: number
  readonly bytesOut: number
  /** Over all files. */
  readonly sha256: string
  /** Of the recording. */
  readonly durationMs: number
  readonly traceBytes: number
  /** null if no task waited. */
  readonly queueWaitMs: Spread | null
  /** null if no task ran. */
  readonly runMs: Spread | null
  readonly slowest: readonly { readonly path: string; readonly runMs: number; readonly bytesIn: number }[]
  readonly perCpu: readonly CpuSummary[]
}

/** Makes the summary from the job, the recording and the trace. */
export function summarize(job: JobOutcome, recording: RecordingSummary, analysis: Analysis): Summary {
  const run = analysis.tasks.filter(hasRun)
  const runMs = (task: (typeof run)[number]): number => (task.endNs - task.startNs) / NS_PER_MS
  const waitsMs = analysis.tasks.filter(hasWaited).map((task) => (task.startNs - task.submitNs) / NS_PER_MS)
  const slowest = run.toSorted((a, b) => runMs(b) - runMs(a)).slice(0, SLOWEST_TASKS)
  return {
    events: recording.events,
    discarded: recording.discarded,
    discardedBy: recording.discardedBy,
    overwritten: recording.overwritten,
    torn: recording.torn,
    unwritten: recording.unwritten,
    cpus: recording.cpus,
    threads: analysis.threads.length,
    tasks: analysis.tasks.length,
    tasksIncomplete: analysis.tasks.length - run.length,
    files: job.files,
    failures: job.failures,
    bytesIn: job.bytesIn,
    bytesOut: job.bytesOut,
    sha256: job.sha256,
    durationMs: recording.durationMs,
    traceBytes: recording.bytes,
    queueWaitMs: spreadOf(waitsMs) ?? null,
    runMs: spreadOf(run.map(runMs)) ?? null,
    slowest: slowest.map((task) => ({ path: task.path, runMs: runMs(task), bytesIn: task.bytesIn })),
    perCpu: recording.perCpu.map(({ cpu, threads, events, bytes }) => {
      const own = run.filter((task) => task.thread.cpu === cpu)
      const busyMs = sum(own, runMs)
      const onlineMs = sum(
        analysis.threads.filter((thread) => thread.cpu === cpu),
        (thread) => (thread.offlineNs - thread.onlineNs) / NS_PER_MS,
      )
      return {
        cpu,
        threads,
        tasks: own.length,
        busyMs,
        onlineMs,
        busyShare: onlineMs === 0 ? 0 : busyMs / onlineMs,
        events,
        traceBytes: bytes,
        bytesIn: sum(own, (task) => task.bytesIn),
        bytesOut: sum(own, (task) => task.bytesOut),
      }
    }),
  }
}

/** Returns the report as text, without the paths of the files. */
export function reportText(summary: Summary): string {
  const { files, bytesIn, bytesOut, durationMs, failures } = summary
  const ratio = bytesIn === 0 ? '' : ` (${shareText(bytesOut / bytesIn)})`
  return [
    `${countText(files, 'file')}: ${bytesText(bytesIn)} → ${bytesText(bytesOut)}${ratio}, recorded for ${timeText(durationMs)}`,
    ...failures
      .slice(0, SHOWN_FAILURES)
      .map(({ path, why }) => `  not compressed: ${printable(path)}: ${printable(why)}`),
    ...(failures.length > SHOWN_FAILURES ? [`  and ${failures.length - SHOWN_FAILURES} more`] : []),
    '',
    ...cpuTable(summary),
    '',
    ...table(
      [
        ['', 'p50', 'p99', 'max'],
        ['queue wait', ...spreadText(summary.queueWaitMs)],
        ['run time', ...spreadText(summary.runMs)],
      ],
      'lrrr',
    ),
    '',
    ...slowestTable(summary),
    lossesText(summary),
  ].join('\n')
}

function cpuTable({ perCpu }: Summary): string[] {
  return table(
    [
      ['CPU', 'threads', 'tasks', 'online', 'busy of it', 'read', 'compressed', 'events', 'trace'],
      ...perCpu.map((cpu) => [
        String(cpu.cpu),
        cpu.cpu === 0 ? 'main thread' : cpu.threads.map(({ threadId }) => threadId).join(', '),
        numberText(cpu.tasks),
        timeText(cpu.onlineMs),
        cpu.tasks === 0 ? '–' : shareText(cpu.busyShare),
        bytesText(cpu.bytesIn),
        bytesText(cpu.bytesOut),
        numberText(cpu.events),
        bytesText(cpu.traceBytes),
      ]),
    ],
    'llrrrrrrr',
  )
}

function slowestTable({ slowest }: Summary): string[] {
  if (slowest.length === 0) return []
  return [
    'slowest tasks',
    ...table(
      slowest.map(({ path, runMs, bytesIn }) => [timeText(runMs), bytesText(bytesIn), printable(path)]),
      'rrl',
    ),
    '',
  ]
}

function lossesText(summary: Summary): string {
  const { discardedBy } = summary
  const causes: [string, number][] = [
    ['buffer full', discardedBy.full],
    ['longer than a sub-buffer', discardedBy.tooBig],
    ['bad arguments', discardedBy.bad],
    ['thread without a place', discardedBy.noBuffer],
    ['overwritten', summary.overwritten],
    ['torn', summary.torn],
    ['not written to the file', summary.unwritten],
  ]
  const lost = causes.reduce((total, [, count]) => total + count, 0)
  return (
    `${lost === 0 ? 'no event was lost' : `${countText(lost, 'event')} lost`} ` +
    `(${causes.map(([cause, count]) => `${cause} ${numberText(count)}`).join(', ')})`
  )
}

function spreadText(spread: Spread | null): string[] {
  return spread === null ? ['–', '–', '–'] : [spread.p50, spread.p99, spread.max].map(timeText)
}

/** Returns rows as indented columns. @param alignment one letter per column, l or r. */
function table(rows: readonly (readonly string[])[], alignment: string): string[] {
  const widths = Array.from(alignment, (_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    `  ${row
      .map((cell, column) =>
        alignment[column] === 'r' ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join('   ')}`.trimEnd(),
  )
}

/**
 * Makes a file's name printable. It may contain anything: a character that would move the cursor is
 * shown as an escape.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
