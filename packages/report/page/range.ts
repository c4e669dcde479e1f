/** What threads did in a part of the time: by thread, and by the name of the span. */
import { bisectRight } from 'd3-array'
import type { CpuBand } from '../src/page-data.js'
import { GC, type Timeline } from './timeline.js'

/** A part of the time that is marked, in ns. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What a thread did in a range. Times are ns. */
export interface ThreadSum {
  readonly thread: number
  /** Of so much of the range the kernel's account is known. */
  readonly known: number
  readonly onCpu: number
  readonly waiting: number
  readonly gc: number
  /** In spans of its own, but not in asynchronous ones. */
  readonly spans: number
}

/** The spans of a name. */
export interface NameSum {
  readonly name: number
  readonly count: number
  /** What lies in the range. */
  readonly ns: number
  /** The longest of them, of which a part may lie outside. */
  readonly longest: number
}

/** Sums up each thread that did something in a range, the one that did most first. */
export function threadSums(timeline: Timeline, range: Range): ThreadSum[] {
  const { threads } = timeline.data
  const sums = threads.map(({ cpu }, thread): ThreadSum => {
    const [first] = timeline.parts[thread].lanes
    const isOwn = first !== undefined && !first.isAsync
    return {
      thread,
      ...cpuIn(cpu, range),
      gc: gcIn(timeline, thread, range),
      spans: isOwn ? timeline.covered(first, range.from, range.to) : 0,
    }
  })
  const work = ({ onCpu, waiting, spans }: ThreadSum): number => Math.max(onCpu + waiting, spans)
  return sums.filter((sum) => work(sum) > 0).sort((a, b) => work(b) - work(a))
}

/**
 * Sums up the spans that lie in a range or reach into it, by name, the one with most time first.
 *
 * @param thread only those of this one.
 */
export function nameSums(timeline: Timeline, { from, to }: Range, thread?: number): NameSum[] {
  const { data, ends } = timeline
  const { start, duration, name } = data.slices
  const counts = new Uint32Array(data.names.length)
  const times = new Float64Array(data.names.length)
  const longest = new Int32Array(data.names.length).fill(-1)
  for (const lane of data.lanes) {
    if (thread !== undefined && lane.thread !== thread) continue
    const after = lane.first + lane.count
    for (let slice = timeline.firstAfter(lane, from); slice < after && start[slice] < to; slice += 1) {
      const each = name[slice]
      counts[each] += 1
      times[each] += Math.min(ends[slice], to) - Math.max(start[slice], from)
      if (longest[each] < 0 || duration[slice] > duration[longest[each]]) longest[each] = slice
    }
  }
  const seen = [...counts.keys()].filter((each) => counts[each] > 0)
  return seen
    .map((each) => ({ name: each, count: counts[each], ns: times[each], longest: longest[each] }))
    .sort((a, b) => b.ns - a.ns)
}

function cpuIn(
  { times, onCpu, waiting }: CpuBand,
  { from, to }: Range,
): Pick<ThreadSum, 'known' | 'onCpu' | 'waiting'> {
  const sum = { known: 0, onCpu: 0, waiting: 0 }
  const last = times.length - 1
  for (let index = Math.max(0, bisectRight(times, from) - 1); index < last && times[index] < to; index += 1) {
    const ns = Math.min(times[index + 1], to) - Math.max(times[index], from)
    sum.known += ns
    sum.onCpu += (onCpu[index] / 1000) * ns
    sum.waiting += (waiting[index] / 1000) * ns
  }
  return sum
}

function gcIn(timeline: Timeline, thread: number, { from, to }: Range): number {
  const { data, ends } = timeline
  const gc = data.names.indexOf(GC)
  if (gc < 0) return 0
  const { start, name } = data.slices
  let sum = 0
  for (const lane of timeline.parts[thread].lanes) {
    const after = lane.first + lane.count
    for (let slice = timeline.firstAfter(lane, from); slice < after && start[slice] < to; slice += 1) {
      if (name[slice] === gc) sum += Math.min(ends[slice], to) - Math.max(start[slice], from)
    }
  }
  return sum
}
