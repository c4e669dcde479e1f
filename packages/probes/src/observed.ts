/** When what Node's observer tells of happened, on the trace's clock. */
import { performance, type PerformanceEntry } from 'node:perf_hooks'
import { now } from '@rchan/trace'

const NS_PER_MS = 1e6
const performanceNow = performance.now.bind(performance)

/** Returns start and end of an entry in ns. The observer has another clock, so its age counts. */
export function timesOf({ startTime, duration }: PerformanceEntry): { start: bigint; end: bigint } {
  const start = now() - BigInt(Math.round((performanceNow() - startTime) * NS_PER_MS))
  return { start, end: start + BigInt(Math.round(duration * NS_PER_MS)) }
}
