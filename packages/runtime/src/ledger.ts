/**
 * What came of a recording, in numbers, and who wrote it. Pure bookkeeping; runs on the consumer
 * thread.
 */
import type { Discarded } from '@rchan/ring'
import { Arena, PLACE } from './arena.js'

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

/** A thread that was a CPU. */
export interface ThreadTotals {
  readonly generation: number
  /** Node's number of the thread; 0 is the main thread. */
  readonly threadId: number
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
}

/** Of a recording that nobody drains. */
export const NO_TOTALS: Totals = { ...sumOf([]), cpus: [], noBuffer: 0, error: undefined }

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

/** Which threads wrote what was delivered. */
export class ThreadHistory {
  readonly #arena: Arena
  readonly #byCpu = new Map<number, { readonly threads: ThreadTotals[]; events: number }>()
  /**
   * Threads that gave their places back, whose records may still be on the way. Only needed where
   * CPUs share a buffer.
   */
  readonly #former = new Map<number, ThreadTotals[]>()

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** The thread of a place is dead, and the place is about to be freed. */
  retired(cpu: number): void {
    if (this.#arena.global === undefined) return
    const former = this.#former.get(cpu) ?? []
    former.push(this.#present(cpu))
    this.#former.set(cpu, former)
  }

  /**
   * Records of a thread were delivered. The records of the threads of one place come one thread
   * after the other.
   *
   * @param generation of its place; the low 16 bits of it will do where CPUs share a buffer.
   */
  credit(cpu: number, generation: number, records: number): void {
    let entry = this.#byCpu.get(cpu)
    if (entry === undefined) this.#byCpu.set(cpu, (entry = { threads: [], events: 0 }))
    entry.events += records
    const last = entry.threads.at(-1)
    if (last !== undefined && same(last.generation, generation)) return
    const former = this.#former.get(cpu) ?? []
    const at = former.findIndex((thread) => same(thread.generation, generation))
    // Those before it wrote nothing, or nothing that is still to come.
    entry.threads.push(at < 0 ? this.#present(cpu) : former.splice(0, at + 1)[at])
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

  #present(cpu: number): ThreadTotals {
    const word = (of: number): number => this.#arena.words[this.#arena.placeWord(cpu, of)]
    return { generation: word(PLACE.generation), threadId: word(PLACE.threadId) }
  }
}

const LOW_BITS = 0xffff

function same(generation: number, lowBits: number): boolean {
  return (generation & LOW_BITS) === (lowBits & LOW_BITS)
}
