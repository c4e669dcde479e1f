/**
 * What the consumer drains: the buffer of one CPU, or the one that all CPUs write. Runs on the
 * consumer thread; each of the two is one face of a reader of relay's, so that the consumer needn't
 * know which it is.
 */
import { GLOBAL_SLOT, GlobalReader, Reader } from '@rchan/ring'
import type { BufferMemory, Discarded, Extent, GlobalBuffer, GlobalSpan, Span } from '@rchan/ring'
import { slotIdentity } from './arena.js'
import type { PacketSpan } from './packet-format.js'

/** A ring that is drained. Counts are records. */
export interface Ring {
  /** Overwritten before they were delivered, as far as is known. */
  readonly overwritten: number
  /** Left half written by dead threads. */
  readonly torn: number
  /** The next complete sub-buffer, or what is left of it. */
  next(): PacketSpan | undefined
  /**
   * Remembers how far the open sub-buffer is written. @returns whether something in it is not
   * delivered.
   */
  sample(): boolean
  /** The part that was sampled at least a grace period ago, once {@link next} has nothing. */
  aged(): PacketSpan | undefined
  /** Marks a span as delivered. See relay's `Reader`. */
  delivered(span: PacketSpan, records: number, end: number): void
  /** Refused so far. */
  discarded(): Discarded
  /** Written, and neither delivered nor counted as lost. Once nothing is written any more. */
  remaining(): number
}

/** The buffer of one CPU. */
export class CpuRing implements Ring {
  torn = 0
  readonly #reader: Reader

  constructor(reader: Reader) {
    this.#reader = reader
  }

  get buffer(): BufferMemory {
    return this.#reader.buffer
  }

  get overwritten(): number {
    return this.#reader.overwritten
  }

  next(): Span | undefined {
    return this.#reader.next()
  }

  sample(): boolean {
    return this.#reader.sample()
  }

  aged(): Span | undefined {
    return this.#reader.aged()
  }

  /** Of a dead thread: the part of the open sub-buffer up to its end. */
  newest(): Span | undefined {
    return this.#reader.newest()
  }

  /** Closes the sub-buffer that a dead thread left open, once all of it is delivered. */
  retire(): void {
    this.torn += this.#reader.retire()
  }

  delivered(span: Span, records: number, end: number): void {
    this.#reader.delivered(span, records, end)
  }

  discarded(): Discarded {
    return this.#reader.buffer.discarded()
  }

  remaining(): number {
    this.#reader.settle()
    return this.#reader.remaining()
  }
}

const NONE: Discarded = { full: 0, tooBig: 0, bad: 0 }

/** The one buffer of all CPUs. */
export class GlobalRing implements Ring {
  readonly #reader: GlobalReader
  /** The open sub-buffer was closed to get at what is in it, and it was not delivered yet. */
  #flushed = false
  /** What the threads that had a slot before its present one were refused, by slot. */
  readonly #booked: Discarded[] = []
  /** How far it was written when that was asked last. */
  #mark: Extent = { sequence: -1, bytes: 0 }
  /** Records that were refused, by CPU. */
  readonly #refused = new Map<number, Discarded>()

  constructor(buffer: GlobalBuffer) {
    this.#reader = new GlobalReader(buffer)
  }

  get overwritten(): number {
    return this.#reader.overwritten
  }

  get torn(): number {
    return this.#reader.torn
  }

  next(): GlobalSpan | undefined {
    return this.#reader.next()
  }

  sample(): boolean {
    return this.#reader.remaining() > 0
  }

  /**
   * Nothing has to age here: commits are Atomics operations. But while some thread is always just
   * writing, there is no moment at which the open sub-buffer is whole; then it is closed, once, and
   * {@link next} has it.
   */
  aged(): GlobalSpan | undefined {
    const span = this.#reader.newest()
    if (span === undefined && !this.#flushed && this.sample()) {
      this.#reader.flush()
      this.#flushed = true
    }
    return span ?? this.#reader.next()
  }

  delivered(span: PacketSpan, records: number, end: number): void {
    this.#reader.delivered(span as GlobalSpan, records, end)
    if (span.complete) this.#flushed = false
  }

  discarded(): Discarded {
    return this.#reader.buffer.discarded()
  }

  remaining(): number {
    return this.#reader.remaining()
  }

  /** Remembers how far the buffer is written. */
  mark(): void {
    this.#mark = this.#reader.written()
  }

  /** Whether all that was written at the last {@link mark} is delivered, or lost. */
  hasDeliveredMark(): boolean {
    return this.#reader.hasDelivered(this.#mark)
  }

  /** No record is written any more. */
  finalize(): void {
    this.#reader.finalize()
  }

  /** Closes the open sub-buffer, so that {@link next} has it when all in it is committed. */
  flush(): void {
    this.#reader.flush()
  }

  /** Cleans up after dead threads. @returns whether there is more to do in a later call. */
  recover(dead: ReadonlySet<number>): boolean {
    // First: a slot that is freed here has another owner the next moment.
    this.#book((cpu) => dead.has(cpu))
    return this.#reader.recover((identity) => dead.has(identity - slotIdentity(0)))
  }

  /** Whether a thread of this CPU still has a slot. */
  holds(cpu: number): boolean {
    return this.#slots().some((slot) => this.#identity(slot) === slotIdentity(cpu))
  }

  /** Records that were refused, by CPU. To be called once nothing is written any more. */
  refusedByCpu(): ReadonlyMap<number, Discarded> {
    this.#book(() => true)
    return this.#refused
  }

  /** Counts the records that slots of these CPUs refused since they were booked last. */
  #book(isMeant: (cpu: number) => boolean): void {
    const { doubles } = this.#reader.buffer
    for (const slot of this.#slots()) {
      const cpu = this.#identity(slot) - slotIdentity(0)
      if (cpu < 0 || !isMeant(cpu)) continue
      const count = (at: number): number => doubles[this.#reader.buffer.slotDouble(slot, at)]
      const now: Discarded = {
        full: count(GLOBAL_SLOT.discardedFull),
        tooBig: count(GLOBAL_SLOT.discardedTooBig),
        bad: count(GLOBAL_SLOT.discardedBad),
      }
      const before = this.#booked[slot] ?? NONE
      const sum = this.#refused.get(cpu) ?? NONE
      this.#booked[slot] = now
      this.#refused.set(cpu, {
        full: sum.full + now.full - before.full,
        tooBig: sum.tooBig + now.tooBig - before.tooBig,
        bad: sum.bad + now.bad - before.bad,
      })
    }
  }

  #slots(): number[] {
    return Array.from({ length: this.#reader.buffer.slotsUsed() }, (_, slot) => slot)
  }

  #identity(slot: number): number {
    const { buffer } = this.#reader
    return Atomics.load(buffer.words, buffer.slotWord(slot, GLOBAL_SLOT.identity))
  }
}
