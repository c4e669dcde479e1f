/**
 * The probe `gc`: each garbage collection of each thread, with kind, start and duration, as Node's
 * observer tells them. It tells them late, from the event loop, so the spans have times of their
 * own. Analysis finds the task that a collection interrupted by its time and thread.
 *
 * A worker that parks in `Atomics.wait` between its tasks never gets back to its event loop, and
 * its observer hears nothing. So the tasks probe calls `tellSums` at the end of tasks: then V8's
 * own sums of the collections since the last call are an event, without the time of each.
 */
import { PerformanceObserver, constants, performance, type PerformanceEntry } from 'node:perf_hooks'
import * as v8 from 'node:v8'
import { now, span, t, tracepoint, whileRecording } from '@rchan/trace'
import { timesOf } from './observed.js'
import { guarded, type Probe, type ProbeContext } from './probe.js'
import { late } from './late.js'

const NS_PER_US = 1e3
/**
 * How often sums are asked for, in ms: making them takes V8 some 30 µs. A thread that has not
 * collected is asked half as often each time, down to the longest pause.
 */
const SUMS_MS = 50
const LONGEST_SUMS_MS = 200

/** Steps of a collection, and what comes after one. They take time, and are no collections. */
const PARTS: readonly string[] = ['IncrementalMarking', 'ProcessWeakCallbacks']

const KINDS = ['minor', 'major', 'incremental', 'weak-callbacks', 'other'] as const
const gcSpan = late(() => span('gc', { kind: t.enum(...KINDS) }))
const sums = late(() => tracepoint('gc:sums', { since: 'u64', collections: 'u32', duration: 'u64' }))

const KIND_OF = new Map<unknown, (typeof KINDS)[number]>([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak-callbacks'],
])

export const gc: Probe = {
  name: 'gc',
  description: 'garbage collections of each thread',
  byDefault: true,
  install: (context) =>
    whileRecording(() => {
      const observer = new PerformanceObserver(
        guarded(context, (list) => list.getEntries().forEach(tellCollection)),
      )
      observer.observe({ entryTypes: ['gc'] })
      if (!context.isMainThread) startSums()
      return () => {
        observer.disconnect()
        endSums()
      }
    }),
}

function tellCollection(entry: PerformanceEntry): void {
  const { start, end } = timesOf(entry)
  const { kind } = ((entry as { detail?: unknown }).detail ?? {}) as { kind?: unknown }
  gcSpan().between(start, end, { kind: KIND_OF.get(kind) ?? 'other' })
}

let profiler: v8.GCProfiler | undefined
let since = 0n
let sinceMs = 0
let pauseMs = SUMS_MS

function startSums(): void {
  since = now()
  sinceMs = performance.now()
  profiler = new v8.GCProfiler()
  profiler.start()
}

function endSums(): void {
  profiler?.stop()
  profiler = undefined
}

/**
 * Tells the sums of the collections since the last call, if that was some time ago. For the end of
 * a task, on a thread that may never return to its event loop.
 *
 * @param timeMs now, by `performance.now`.
 */
export function tellSums(context: ProbeContext, timeMs: number): void {
  if (profiler === undefined || timeMs - sinceMs < pauseMs) return
  try {
    const { statistics } = profiler.stop()
    const hasCollected = statistics.length > 0
    pauseMs = hasCollected ? SUMS_MS : Math.min(2 * pauseMs, LONGEST_SUMS_MS)
    if (hasCollected) {
      const duration = statistics.reduce((total, { cost }) => total + cost, 0)
      const collections = statistics.filter(({ gcType }) => !PARTS.includes(gcType)).length
      sums()({ since, collections, duration: Math.round(duration * NS_PER_US) })
    }
    startSums()
  } catch (error) {
    profiler = undefined
    context.fail(error)
  }
}
