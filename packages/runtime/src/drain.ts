/**
 * The rings that the consumer drains: the buffer of one CPU, or the shared buffer of all CPUs. Runs
 * on the consumer thread. Each wraps one of ring's readers in the same interface, so that the
 * consumer needn't know which one it drains.
 */
import { FirstLap, firstLapBytes, GLOBAL_SLOT, GlobalReader, Reader } from '@rchan/ring'
import type { Discarded, Extent, GlobalBuffer, GlobalSpan, ReaderOptions } from '@rchan/ring'
import { slotIdentity } from './arena.js'
import type { PacketFormat, PacketSpan } from './packet-format.js'

/** A ring to drain. Counts are records. */
export interface Ring {
  /** Records overwritten before delivery, as far as is known. */
  readonly overwritten: number
  /** Records that dead threads left half written. */
  readonly torn: number
  /** Records that were delivered, or counted as overwritten; 0 for a shared ring. */
  readonly accounted: number
  /**
   * The next complete sub-buffer, or the rest of it; undefined when there is none. Each call first
   * touches memory ahead of the writers, while they go through it for the first time.
   *
   * @param before the sub-buffers from this sequence on are left alone.
   */
  next(before?: number): PacketSpan | undefined
  /** See `FirstLap`. */
  stayAhead(): void
  /** The sub-buffers with a lower sequence are complete now, or as soon as nobody writes them. */
  completed(): number
  /**
   * Remembers how far the open sub-buffer is written. @returns whether it holds undelivered bytes.
   */
  sample(): boolean
  /**
   * The part that was sampled at least a grace period ago. Call it once {@link next} returns
   * undefined.
   */
  aged(): PacketSpan | undefined
  /** Marks a span as delivered. See ring's `Reader`. */
  delivered(span: PacketSpan, records: number, end: number): void
  /** Records refused so far. */
  discarded(): Discarded
  /**
   * Written records that are neither delivered nor counted as lost. Call it after the last write.
   */
  remaining(): number
}

/** The buffer of one CPU. */
export class CpuRing extends Reader implements Ring {
  torn = 0
  readonly #firstLap = new FirstLap(this.buffer.data, () => firstLapBytes(this.buffer))

  override next(before?: number): PacketSpan | undefined {
    this.stayAhead()
    return super.next(before)
  }

  /** See `FirstLap`. */
  stayAhead(): void {
    this.#firstLap.stayAhead()
  }

  override retire(): number {
    const torn = super.retire()
    this.torn += torn
    return torn
  }

  /**
   * Reader that keeps: closes what a dead owner left open. All that it wrote stays.
   *
   * @param format finds the records; what it makes of them is not used.
   * @returns torn records.
   */
  retireKept(format: PacketFormat): number {
    this.skipCompleted()
    const span = this.newest()
    if (span !== undefined) {
      format.prepare([])
      const { records, end } = format.stream(this.buffer.cpu).seal(span, undefined, 0, 0)
      this.delivered(span, records, end)
    }
    return this.retire()
  }

  override remaining(): number {
    this.settle()
    return super.remaining()
  }

  discarded(): Discarded {
    return this.buffer.discarded()
  }
}

const NONE: Discarded = { full: 0, tooBig: 0, bad: 0 }

/** The one buffer of all CPUs. */
export class GlobalRing implements Ring {
  readonly accounted = 0
  readonly #reader: GlobalReader
  /**
   * Whether the open sub-buffer was closed for the sake of its records, and is not delivered yet.
   */
  #flushed = false
  /** The refused records that are counted in `#refused` already, by slot. */
  readonly #booked: Discarded[] = []
  /** How far the buffer was written at the last {@link mark}. */
  #mark: Extent = { sequence: -1, bytes: 0 }
  /** Refused records, by CPU. */
  readonly #refused = new Map<number, Discarded>()

  readonly #firstLap: FirstLap

  constructor(buffer: GlobalBuffer, options?: ReaderOptions) {
    const reader = new GlobalReader(buffer, options)
    const { subbufSize } = buffer.geometry
    this.#reader = reader
    this.#firstLap = new FirstLap(buffer.data, () => {
      const { sequence, bytes } = reader.written()
      return sequence * subbufSize + bytes
    })
  }

  get buffer(): GlobalBuffer {
    return this.#reader.buffer
  }

  get overwritten(): number {
    return this.#reader.overwritten
  }

  get torn(): number {
    return this.#reader.torn
  }

  next(before?: number): GlobalSpan | undefined {
    this.stayAhead()
    return this.#reader.next(before)
  }

  /** See `FirstLap`. */
  stayAhead(): void {
    this.#firstLap.stayAhead()
  }

  completed(): number {
    return this.#reader.completed()
  }

  sample(): boolean {
    return this.#reader.remaining() > 0
  }

  /**
   * Nothing has to age here, because commits are Atomics operations. But while some thread is
   * always writing, the open sub-buffer is never whole. Then it is closed, once, and {@link next}
   * returns it.
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

  /** Whether all records up to the last {@link mark} are delivered, or lost. */
  hasDeliveredMark(): boolean {
    return this.#reader.hasDelivered(this.#mark)
  }

  /** Ends all writing. */
  finalize(): void {
    this.#reader.finalize()
  }

  /** Closes the open sub-buffer. {@link next} returns it once all of it is committed. */
  flush(): void {
    this.#reader.flush()
  }

  /** Cleans up after dead threads. @returns whether a later call has more to do. */
  recover(dead: ReadonlySet<number>): boolean {
    // Count first: a slot that is freed here may have another owner at once.
    this.#book((cpu) => dead.has(cpu))
    return this.#reader.recover((identity) => dead.has(identity - slotIdentity(0)))
  }

  /** Whether a thread of this CPU still has a slot. */
  holds(cpu: number): boolean {
    return this.#slots().some((slot) => this.#identity(slot) === slotIdentity(cpu))
  }

  /** Refused records, by CPU. Call it after the last write. */
  refusedByCpu(): ReadonlyMap<number, Discarded> {
    this.#book(() => true)
    return this.#refused
  }

  /** Counts the records that the slots of these CPUs refused since the last call. */
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
