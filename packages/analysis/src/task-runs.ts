/**
 * The runs of tasks on one thread, the garbage collections that interrupted them, the samples of
 * stacks in them, and what they had of the thread's time on CPUs.
 *
 * A collection comes late, with its own time, or not at all but in a sum; so it may come before or
 * after the run that it interrupted. So does a sample. Both are kept for a while, and whichever
 * comes later finds the other.
 */
import { Coverage } from './coverage.js'
import type { Stack } from './stacks.js'
import { TaskWindows, type Accounted } from './task-windows.js'

const MOST = 1024
/** A task may have run for long before its end is told. */
const MOST_SAMPLES = 32_768

/** What a run is charged with. */
export interface Interrupted extends Accounted {
  /** Charges it with time of a collection that is known by itself, or of a sum. */
  chargeGc(ns: number, isSum: boolean): void
  /** Charges it with time in which it had this stack. */
  chargeSample(stack: Stack, ns: number, count: number): void
}

const NOBODY: Interrupted = {
  chargeGc: () => undefined,
  chargeSample: () => undefined,
  account: () => undefined,
}

interface Interval {
  readonly start: number
  readonly end: number
}

interface SampledInterval extends Interval {
  readonly stack: Stack
  readonly count: number
}

/** Follows one thread. Times are ns, counted from wherever the caller likes. */
export class TaskRuns {
  /** Time in tasks; tasks at the same time count once. */
  readonly coverage = new Coverage()
  /** What the kernel tells of the thread, shared out among its tasks. */
  readonly #windows = new TaskWindows()
  count = 0
  #lastEnd = -Infinity
  #gcOfSpans = 0
  #gcOfSums = 0
  readonly #runs: (Interval & { readonly run: Interrupted })[] = []
  readonly #collections: Interval[] = []
  readonly #samples: SampledInterval[] = []

  /** Time of garbage collections. */
  get gc(): number {
    // Sums and spans tell of the same collections; each may miss some.
    return Math.max(this.#gcOfSpans, this.#gcOfSums)
  }

  /** Notes a run that has ended. */
  ran(start: number, end: number, run: Interrupted): void {
    this.count += 1
    this.#lastEnd = Math.max(this.#lastEnd, end)
    this.coverage.add(start, end)
    this.#windows.ran(start, end, run)
    push(this.#runs, { start, end, run })
    for (let index = this.#collections.length - 1; index >= 0; index -= 1) {
      const collection = this.#collections[index]
      if (collection.end <= start) break
      run.chargeGc(overlap(collection, start, end), false)
    }
    for (let index = this.#samples.length - 1; index >= 0; index -= 1) {
      const sample = this.#samples[index]
      if (sample.end <= start) break
      chargeSample(run, sample, start, end)
    }
  }

  /** Notes a sample, or several of the same stack. */
  sampled(start: number, end: number, stack: Stack, count: number): void {
    const sample = { start, end, stack, count }
    push(this.#samples, sample, MOST_SAMPLES)
    for (let index = this.#runs.length - 1; index >= 0; index -= 1) {
      const interval = this.#runs[index]
      if (interval.end <= start) break
      chargeSample(interval.run, sample, interval.start, interval.end)
    }
  }

  /** Notes a run of a task that isn't known, or has no end. */
  ranUnknown(start: number, end: number): void {
    this.coverage.add(start, end)
    this.#windows.ran(start, end, NOBODY)
  }

  /** Notes the kernel's account of the thread at a time: sums since its start. */
  account(time: number, onCpu: number, waitingForCpu: number): void {
    this.#windows.account(time, onCpu, waitingForCpu)
  }

  /** Nothing more comes. */
  finish(): void {
    this.#windows.finish()
  }

  /**
   * Notes that the thread was given a task that it began to run later. Meanwhile, if it had nothing
   * else to do, it read the task's message.
   *
   * @param read for how long, if that is known.
   */
  gotTask(given: number, start: number, read: number): void {
    const from = Math.max(given, this.#lastEnd)
    this.worked(from, start)
    const woken = Math.max(from, start - read)
    this.#windows.around(from, woken)
    this.#windows.worked(woken, start)
  }

  /** Notes that the thread posted the result of its last task. */
  replied(start: number, end: number): void {
    this.worked(start, end)
    this.#windows.around(this.#lastEnd, start)
    this.#windows.worked(start, end)
  }

  /** Notes other work: it shares sums of collections, and nobody is charged with its part. */
  worked(start: number, end: number): void {
    if (end > start) push(this.#runs, { start, end, run: NOBODY })
  }

  /** Notes a collection. */
  collected(start: number, end: number): void {
    this.#gcOfSpans += Math.max(0, end - start)
    push(this.#collections, { start, end })
    for (let index = this.#runs.length - 1; index >= 0; index -= 1) {
      const interval = this.#runs[index]
      if (interval.end <= start) break
      interval.run.chargeGc(overlap(interval, start, end), false)
    }
  }

  /** Notes the sum of collections between two times. The runs in between share it. */
  collectedSum(start: number, end: number, duration: number): void {
    this.#gcOfSums += duration
    let time = 0
    let index = this.#runs.length - 1
    for (; index >= 0 && this.#runs[index].end > start; index -= 1) {
      time += overlap(this.#runs[index], start, end)
    }
    if (time === 0) return
    for (index += 1; index < this.#runs.length; index += 1) {
      const interval = this.#runs[index]
      interval.run.chargeGc((duration * overlap(interval, start, end)) / time, true)
    }
  }
}

function overlap({ start, end }: Interval, from: number, to: number): number {
  return Math.max(0, Math.min(end, to) - Math.max(start, from))
}

/** Charges a run with its part of a sample. */
function chargeSample(run: Interrupted, sample: SampledInterval, start: number, end: number): void {
  const part = overlap(sample, start, end)
  if (part === 0) return
  run.chargeSample(sample.stack, part, (sample.count * part) / (sample.end - sample.start))
}

function push<T>(list: T[], value: T, most = MOST): void {
  list.push(value)
  if (list.length > 2 * most) list.splice(0, most)
}
