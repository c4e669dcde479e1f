/**
 * What came of a recording, in numbers, and who wrote it. Pure bookkeeping; runs on the consumer
 * thread.
 */
import type { Discarded } from '@rchan/ring'
import { Arena, PLACE, tagParts, threadTag } from './arena.js'
import type { ThreadTotals } from './packet-format.js'
import type { Remark } from './remarks.js'

/** The records that are lost, by cause. */
export interface Losses {
  /** All sub-buffers were unread. */
  full: number
  /** Longer than a sub-buffer. */
  tooBig: number
  /** The arguments could not be read, or did not fit their types. */
  bad: number
  /** The thread found no place, or not the arena. */
  noBuffer: number
}

/** What one buffer lost. */
export interface RingLosses {
  readonly discarded: Discarded
  readonly overwritten: number
  readonly torn: number
  /**
   * Records that are in the buffer and not in the file: it took no more, or they came while the end
   * was written.
   */
  readonly unwritten: number
}

/** What came of one CPU. */
export interface CpuTotals extends RingLosses {
  readonly cpu: number
  /** The threads that were this CPU, one after the other, and whose records were delivered. */
  readonly threads: readonly ThreadTotals[]
  /** Its records in the trace. */
  readonly events: number
  /**
   * Bytes of its file; like the following and the losses other than `discarded` 0 where all CPUs
   * share one buffer.
   */
  readonly bytes: number
  readonly packets: number
}

/** What came of all streams together. */
export interface StreamTotals extends RingLosses {
  readonly events: number
  readonly bytes: number
}

/** What came of a recording. */
export interface Totals extends StreamTotals {
  /** The CPUs that ever wrote, or tried to. */
  readonly cpus: readonly CpuTotals[]
  readonly noBuffer: number
  /** The first error on the way to the files, if there was one. */
  readonly error: string | undefined
  /** What threads had to say of tracepoints, by id. */
  readonly remarks: readonly Remark[]
}

/** Of a recording that nobody drains. */
export const NO_TOTALS: Totals = { ...sumOf([]), cpus: [], noBuffer: 0, error: undefined, remarks: [] }

/** Adds streams up. */
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

/** The threads of a recording, and how many of the delivered records each of them wrote. */
export class ThreadHistory {
  readonly #arena: Arena
  readonly #byCpu = new Map<number, { readonly threads: ThreadTotals[]; events: number }>()
  /** Of each place, the thread that was seen there last. */
  readonly #latest: (ThreadTotals | undefined)[] = []
  readonly #all: ThreadTotals[] = []
  /**
   * Threads that gave their places back, whose records may still be on the way. Only needed where
   * CPUs share a buffer.
   */
  readonly #former = new Map<number, ThreadTotals[]>()

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** All threads that were found, in that order. The same list each time; it only grows. */
  get all(): readonly ThreadTotals[] {
    return this.#all
  }

  /**
   * Looks which threads have come online. A thread is found here before any record of its own is
   * read: it comes online before its first, and only this thread frees its place.
   */
  findNew(): void {
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) this.latest(cpu)
  }

  /** The thread of a place; undefined where there is none now. */
  present(cpu: number): ThreadTotals | undefined {
    const thread = this.latest(cpu)
    const { words } = this.#arena
    const generation = Atomics.load(words, this.#arena.placeWord(cpu, PLACE.generation))
    return thread?.generation === generation ? thread : undefined
  }

  /**
   * The thread of a place; where there is none now, the one before. Undefined if there was none.
   */
  latest(cpu: number): ThreadTotals | undefined {
    const arena = this.#arena
    const { words } = arena
    const known = this.#latest[cpu]
    // Pairs with: Cpu.#take, Atomics.store of `online`. What the place says of its thread is stored
    // before, and does not change until the consumer, which is this thread, frees the place.
    if (Atomics.load(words, arena.placeWord(cpu, PLACE.online)) !== 1) return known
    const generation = Atomics.load(words, arena.placeWord(cpu, PLACE.generation))
    if (known?.generation === generation) return known
    const threadId = words[arena.placeWord(cpu, PLACE.threadId)]
    const thread = { generation, threadId, threadName: arena.threadName(cpu) }
    this.#latest[cpu] = thread
    this.#all.push(thread)
    return thread
  }

  /** The thread of a place is dead, and the place is about to be freed. */
  retired(cpu: number): void {
    const thread = this.latest(cpu)
    if (thread === undefined || this.#arena.global === undefined) return
    const former = this.#former.get(cpu) ?? []
    if (former.at(-1) !== thread) former.push(thread)
    this.#former.set(cpu, former)
  }

  /** Records of a thread were delivered, from a buffer of its CPU's own. */
  credit(cpu: number, thread: ThreadTotals | undefined, records: number): void {
    const entry = this.#entry(cpu)
    entry.events += records
    if (thread !== undefined && entry.threads.at(-1) !== thread) entry.threads.push(thread)
  }

  /**
   * The same, from a buffer that CPUs share. The records of the threads of one place come one
   * thread after the other. A tag of no thread that was there is damaged memory, and nobody's.
   */
  creditTag(tag: number, records: number): void {
    const { cpu, thread: number } = tagParts(tag)
    const entry = this.#entry(cpu)
    entry.events += records
    const last = entry.threads.at(-1)
    if (last !== undefined && numberOf(last) === number) return
    const former = this.#former.get(cpu) ?? []
    const at = former.findIndex((thread) => numberOf(thread) === number)
    // Those before it wrote nothing, or nothing that is still to come.
    if (at >= 0) entry.threads.push(...former.splice(0, at + 1).slice(-1))
    else {
      const latest = cpu < this.#arena.possibleCpus ? this.latest(cpu) : undefined
      if (latest !== undefined && numberOf(latest) === number) entry.threads.push(latest)
    }
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

/** What a tag says of a thread. */
function numberOf({ threadId }: ThreadTotals): number {
  return tagParts(threadTag(0, threadId)).thread
}

export type { ThreadTotals }
