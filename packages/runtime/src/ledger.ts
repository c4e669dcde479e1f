/**
 * The result of a recording in numbers, and the threads that wrote it. Pure bookkeeping; runs on
 * the consumer thread.
 */
import type { Discarded } from '@rchan/ring'
import { reportOf, type LossReport } from './accounts.js'
import { Arena, PLACE, tagParts, threadTag } from './arena.js'
import type { ThreadTotals } from './packet-format.js'
import type { Remark } from './remarks.js'
import type { FlightTotals } from './snapshot-totals.js'

/** The losses of one buffer. */
export interface RingLosses {
  readonly discarded: Discarded
  readonly overwritten: number
  readonly torn: number
  /**
   * Records in the buffer that are not in the file: the file took no more, or they came while the
   * end was written.
   */
  readonly unwritten: number
}

/** The totals of one CPU. */
export interface CpuTotals extends RingLosses {
  readonly cpu: number
  /** The threads that were this CPU, one after the other, if records of theirs were delivered. */
  readonly threads: readonly ThreadTotals[]
  /** Its records in the trace. */
  readonly events: number
  /**
   * Bytes of its file. For a shared buffer this is 0, as are `packets` and the losses other than
   * `discarded`.
   */
  readonly bytes: number
  readonly packets: number
}

/** The totals of all streams together. */
export interface StreamTotals extends RingLosses {
  readonly events: number
  readonly bytes: number
}

/** The totals of a recording. */
export interface Totals extends StreamTotals {
  /** The CPUs that wrote, or tried to. */
  readonly cpus: readonly CpuTotals[]
  readonly noBuffer: number
  /** The first error on the way to the files, if there was one. */
  readonly error: string | undefined
  /** Records in which a value was cut. */
  readonly cut: number
  /** Records that limits have kept out: too short, or not the one in so many. */
  readonly filtered: number
  /** The threads' remarks on tracepoints, by id. */
  readonly remarks: readonly Remark[]
  /**
   * The snapshots, of a flight recorder. Its `events` are those that its buffers held at the end.
   */
  readonly flight?: FlightTotals
  /** What became of all records, by thread. */
  readonly losses: LossReport
}

/** The totals of a recording without a consumer. */
export const NO_TOTALS: Totals = {
  ...sumOf([]),
  cpus: [],
  noBuffer: 0,
  error: undefined,
  remarks: [],
  cut: 0,
  filtered: 0,
  losses: reportOf([], undefined, 0),
}

/** Adds up the totals of streams. */
export function sumOf(streams: readonly StreamTotals[]): StreamTotals {
  const sum = (of: (stream: StreamTotals) => number): number =>
    streams.reduce((total, stream) => total + of(stream), 0)
  return {
    events: sum(({ events }) => events),
    bytes: sum(({ bytes }) => bytes),
    discarded: {
      full: sum(({ discarded }) => discarded.full),
      tooBig: sum(({ discarded }) => discarded.tooBig),
      bad: sum(({ discarded }) => discarded.bad),
    },
    overwritten: sum(({ overwritten }) => overwritten),
    torn: sum(({ torn }) => torn),
    unwritten: sum(({ unwritten }) => unwritten),
  }
}

/** A thread whose name may change. */
export type Named = { -readonly [K in keyof ThreadTotals]: ThreadTotals[K] }

/** The threads of a recording, and how many of the delivered records each of them wrote. */
export class ThreadHistory {
  readonly #arena: Arena
  readonly #byCpu = new Map<number, { readonly threads: ThreadTotals[]; events: number }>()
  /** The last thread seen at each place. */
  readonly #latest: (Named | undefined)[] = []
  readonly #all: Named[] = []
  /**
   * Threads that gave back their places, while records of theirs may still be on the way. Needed
   * only for a shared buffer.
   */
  readonly #former = new Map<number, ThreadTotals[]>()

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /**
   * All threads, in the order in which they were found. The list is always the same object, and
   * only grows.
   */
  get all(): readonly ThreadTotals[] {
    return this.#all
  }

  /**
   * Finds the threads that have come online. A thread is found here before any of its records is
   * read: it comes online before its first record, and only this thread frees its place.
   */
  findNew(): void {
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) this.latest(cpu)
  }

  /** The thread of a place; undefined if there is none now. */
  present(cpu: number): ThreadTotals | undefined {
    const thread = this.latest(cpu)
    const { words } = this.#arena
    const generation = Atomics.load(words, this.#arena.placeWord(cpu, PLACE.generation))
    return thread?.generation === generation ? thread : undefined
  }

  /**
   * The thread of a place, or the previous one if there is none now; undefined if there never was
   * one.
   */
  latest(cpu: number): ThreadTotals | undefined {
    const arena = this.#arena
    const { words } = arena
    const known = this.#latest[cpu]
    // Pairs with: Cpu.#take, Atomics.store of `online`. The place's words about its thread are
    // stored before, and do not change until the consumer, which is this thread, frees the place.
    if (Atomics.load(words, arena.placeWord(cpu, PLACE.online)) !== 1) return known
    const generation = Atomics.load(words, arena.placeWord(cpu, PLACE.generation))
    if (known?.generation === generation) return known
    const threadId = words[arena.placeWord(cpu, PLACE.threadId)]
    const thread = { generation, threadId, threadName: arena.threadName(cpu) }
    this.#latest[cpu] = thread
    this.#all.push(thread)
    return thread
  }

  /** Reads the names of the threads again that have places now. */
  readNames(): void {
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      const thread = this.present(cpu)
      if (thread !== undefined) (thread as Named).threadName = this.#arena.threadName(cpu)
    }
  }

  /** Notes that the thread of a place is dead, and that the place is about to be freed. */
  retired(cpu: number): void {
    const thread = this.latest(cpu)
    if (thread === undefined || this.#arena.global === undefined) return
    const former = this.#former.get(cpu) ?? []
    if (former.at(-1) !== thread) former.push(thread)
    this.#former.set(cpu, former)
  }

  /** Credits a thread with delivered records of its CPU's own buffer. */
  credit(cpu: number, thread: ThreadTotals | undefined, records: number): void {
    const entry = this.#entry(cpu)
    entry.events += records
    if (thread !== undefined && entry.threads.at(-1) !== thread) entry.threads.push(thread)
  }

  /**
   * Credits a thread with delivered records of a shared buffer. The records of the threads of one
   * place come one thread after the other. A tag that belongs to no known thread comes from damaged
   * memory, and no thread gets its records.
   *
   * @returns the thread.
   */
  creditTag(tag: number, records: number): ThreadTotals | undefined {
    const { cpu, thread: number } = tagParts(tag)
    const entry = this.#entry(cpu)
    entry.events += records
    const last = entry.threads.at(-1)
    if (last !== undefined && numberOf(last) === number) return last
    const former = this.#former.get(cpu) ?? []
    const at = former.findIndex((thread) => numberOf(thread) === number)
    // The threads before it wrote nothing, or have no more records to come.
    if (at >= 0) entry.threads.push(...former.splice(0, at + 1).slice(-1))
    else {
      const latest = cpu < this.#arena.possibleCpus ? this.latest(cpu) : undefined
      if (latest !== undefined && numberOf(latest) === number) entry.threads.push(latest)
      else return undefined
    }
    return entry.threads.at(-1)
  }

  /** The CPUs that wrote, in order. */
  get cpus(): number[] {
    return [...this.#byCpu.keys()].sort((a, b) => a - b)
  }

  threads(cpu: number): readonly ThreadTotals[] {
    return this.#byCpu.get(cpu)?.threads ?? []
  }

  events(cpu: number): number {
    return this.#byCpu.get(cpu)?.events ?? 0
  }

  #entry(cpu: number): { readonly threads: ThreadTotals[]; events: number } {
    let entry = this.#byCpu.get(cpu)
    if (entry === undefined) this.#byCpu.set(cpu, (entry = { threads: [], events: 0 }))
    return entry
  }
}

/** The part of a tag that stands for a thread. */
function numberOf({ threadId }: ThreadTotals): number {
  return tagParts(threadTag(0, threadId)).thread
}

export type { Fate, Losses, LossReport, OwnCounts, ThreadLosses } from './accounts.js'
export type { ThreadTotals }
