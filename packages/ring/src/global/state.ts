/**
 * The state of a global buffer: the current sub-buffer, its reserved units, and the steps to the
 * next one. Any thread may use it, with an object of its own. The object holds a copy of the state
 * as it was loaded, and has the steps that are possible from there.
 *
 * ```text
 *                  note the end, note the base, start       reserve: low half
 *   closed (s−1) ─────────────────────────────────▶ open (s) ◀──────┐
 *       ▲           writer, both halves at once      │    └─────────┘ any writer
 *       └────────────────────────────────────────────┘
 *          close: low half; any thread, when a record doesn't fit or for a flush
 * ```
 *
 * No thread owns a switch, so no thread's death or sleep holds one up. Each step is one
 * compare-and-exchange that any thread can do. All facts needed after a step are stored before it,
 * by compare-and-exchange too. All threads that see the same state store the same values. A thread
 * that slept in between fails, because its expected value is long gone:
 *
 * - closing depends only on the units reserved, so a stale close that succeeds (the low half may
 *   come round) is right;
 * - an end carries its lap, and a base only grows;
 * - a start exchanges both halves, which never come round.
 *
 * A sub-buffer is *complete* when it is closed and `committed` says that every unit reserved in it
 * is committed.
 */
import { GLOBAL, type GlobalBuffer } from './buffer.js'

const LOW = GLOBAL.state >> 2
const HIGH = LOW + 1
const LONG = GLOBAL.state >> 3

/** The state as one thread last saw it. */
export class GlobalState {
  readonly buffer: GlobalBuffer
  /**
   * The number of sub-buffers started. The current one is the last, with sequence `started - 1`.
   */
  started = 0
  closed = false
  /** Units reserved in the current sub-buffer. */
  reserved = 0
  finalized = false
  #low = 0
  #high = 0
  readonly #discard: boolean
  readonly #count: number
  readonly #unitBits: number
  readonly #tags: number
  /** The value of `reserved` in a finalized buffer. */
  readonly #final: number

  constructor(buffer: GlobalBuffer) {
    this.buffer = buffer
    this.#discard = buffer.geometry.mode === 'discard'
    this.#count = buffer.geometry.subbufCount
    this.#unitBits = buffer.unitBits
    this.#tags = buffer.tags
    this.#final = 2 ** buffer.unitBits - 1
  }

  /** Loads the state. */
  load(): this {
    const { words } = this.buffer
    for (;;) {
      const high = Atomics.load(words, HIGH)
      const low = Atomics.load(words, LOW)
      // The high half only grows. If it is still the same, both halves belong together.
      if (Atomics.load(words, HIGH) === high) return this.#read(low, high)
    }
  }

  /**
   * Loads the state by a read-modify-write, so that none of the calling thread's earlier plain
   * reads can come after it. It allocates, so it is not for the hot path.
   */
  loadAfterReads(): this {
    const long = Atomics.add(this.buffer.longs, LONG, 0n)
    return this.#read(Number(BigInt.asIntN(32, long)), Number(long >> 32n))
  }

  /** Whether the state is unchanged since the load. */
  same(): boolean {
    const { words } = this.buffer
    // In this order: if the low half has come round, the high half has changed.
    return Atomics.load(words, LOW) === this.#low && Atomics.load(words, HIGH) === this.#high
  }

  /** Like {@link same}, but none of the calling thread's earlier plain reads can come after it. */
  sameAfterReads(): boolean {
    return Atomics.add(this.buffer.longs, LONG, 0n) === this.#long(this.#low)
  }

  /**
   * Closes the open sub-buffer as it was loaded. @returns whether this call closed it; if not, load
   * again.
   */
  close(): boolean {
    return (
      Atomics.compareExchange(this.buffer.words, LOW, this.#low, this.#low | (1 << this.#unitBits)) ===
      this.#low
    )
  }

  /**
   * Closes the open sub-buffer if anything is reserved behind its header. @returns whether this
   * call closed it.
   */
  flush(headerUnits: number): boolean {
    for (;;) {
      this.load()
      if (this.closed || this.reserved <= headerUnits) return false
      if (!this.close()) continue
      if (this.load().closed) this.noteEnd()
      return true
    }
  }

  /**
   * Closes the open sub-buffer, and lets none be started again. Any thread, any number of times.
   */
  finalize(): void {
    for (;;) {
      this.load()
      if (this.finalized) return
      if (!this.closed) this.close()
      else if (this.noteEnd()) {
        // Exchange both halves, so that a thread about to start the next sub-buffer fails.
        const final = this.#low | this.#final
        Atomics.compareExchange(this.buffer.longs, LONG, this.#long(this.#low), this.#long(final))
      }
    }
  }

  /**
   * Stores where the closed current sub-buffer ends, unless another thread has stored it.
   *
   * @returns false when the state has moved on; else the value is stored.
   */
  noteEnd(): boolean {
    if (this.started === 0) return true
    const { longs } = this.buffer
    const { index, lap } = this.#place(this.started - 1)
    const long = this.buffer.endLong(index, lap)
    const expected = Atomics.load(longs, long)
    if (lapOf(expected) === ((lap + 1) | 0)) return true
    const end = (this.#endOf(index, lap - 1) + this.reserved) | 0
    // The values above are right only if the state is still the same.
    if (!this.same()) return false
    Atomics.compareExchange(longs, long, expected, longOf(lap + 1, end))
    return true
  }

  /**
   * Whether the memory of the next sub-buffer may be reused. In discard mode the reader must have
   * given it back. In both modes every thread that reserved in it has committed, or is proven dead
   * and the reader committed for it.
   */
  mayStart(): boolean {
    const next = this.started
    if (this.#discard) {
      // Pairs with: GlobalReader, Atomics.store of `consumed` after its last read of the
      // sub-buffer.
      const consumed = Atomics.load(this.buffer.words, GLOBAL.consumed >> 2)
      // The low 32 bits are enough: the difference is never more than the number of sub-buffers.
      if (((next - consumed) | 0) >= this.#count) return false
    }
    const { index, lap } = this.#place(next)
    return this.#completeLap(index, lap - 1)
  }

  /**
   * Stores how many records were ever written at the place of the next sub-buffer. Call it after
   * {@link mayStart}.
   *
   * @returns false when the state has moved on; else the value is stored.
   */
  noteBase(): boolean {
    const { longs } = this.buffer
    const { index, lap } = this.#place(this.started)
    const long = this.buffer.baseLong(index, lap)
    const expected = Atomics.load(longs, long)
    const base = BigInt(this.buffer.writtenAt(index))
    if (!this.sameAfterReads()) return false
    // A base only grows: a late exchange that succeeds nevertheless changes nothing.
    if (base !== expected) Atomics.compareExchange(longs, long, expected, base)
    return true
  }

  /**
   * The low half of the state right after the next sub-buffer is started. A claim of its header
   * starts from there.
   */
  nextLow(): number {
    return (((this.started + 1) % this.#tags) << (this.#unitBits + 1)) | 0
  }

  /**
   * Starts the next sub-buffer with `units` reserved. Call it after {@link noteEnd},
   * {@link mayStart} and {@link noteBase}.
   *
   * In overwrite mode this also tells readers that the old content goes. The starting thread stores
   * records after the load in this function: on arm64 later plain stores may pass the store of an
   * exchange, and the load stops them. Other threads store records after they have read this state.
   * Pairs with: GlobalReader, the read-modify-write after its copy.
   *
   * @returns whether this call started it; if not, the state has moved on.
   */
  start(units: number): boolean {
    const { longs } = this.buffer
    const started = this.started + 1
    const next = longOf(Math.floor(started / this.#tags), this.nextLow() | units)
    const expected = this.#long(this.#low)
    if (Atomics.compareExchange(longs, LONG, expected, next) !== expected) return false
    Atomics.load(longs, LONG)
    return true
  }

  /** Whether numbers tell sub-buffers apart. False only in damaged memory. */
  get isCountable(): boolean {
    return this.started < Number.MAX_SAFE_INTEGER
  }

  /**
   * Whether a closed sub-buffer is complete. Its end must be stored, and fewer than `subbufCount`
   * later ones started.
   */
  complete(sequence: number): boolean {
    const { index, lap } = this.#place(sequence)
    return this.#completeLap(index, lap)
  }

  /** Units of a sub-buffer. Its end must be stored. */
  endUnits(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    return (this.#endOf(index, lap) - this.#endOf(index, lap - 1)) | 0
  }

  /** Units committed so far in the current sub-buffer, or in one that may not be reused yet. */
  committedUnits(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    const committed = Atomics.load(this.buffer.words, this.buffer.committedWord(index))
    return (committed - this.#endOf(index, lap - 1)) | 0
  }

  /** Records written at the place of this sub-buffer before it. */
  base(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    return Number(Atomics.load(this.buffer.longs, this.buffer.baseLong(index, lap)))
  }

  /**
   * The sub-buffer of a claim that starts from this low half, by the state as it was loaded. It is
   * the last sub-buffer of that tag: an uncommitted claim can't be in an older one.
   */
  sequenceOf(low: number): number {
    // A shift by 32 would be a shift by 0, but a sub-buffer leaves at least one bit for the tag.
    const tag = low >>> (this.#unitBits + 1)
    const behind = (this.started - tag) % this.#tags
    return this.started - behind - (behind < 0 ? this.#tags : 0) - 1
  }

  /**
   * Whether the reader gave a sub-buffer back, or a writer started it again, by the state as it was
   * loaded.
   */
  passed(sequence: number): boolean {
    if (this.lapped(sequence)) return true
    // Pairs with: GlobalReader, Atomics.store of `consumed`. The low 32 bits are enough for a
    // sub-buffer that was not lapped.
    return ((Atomics.load(this.buffer.words, GLOBAL.consumed >> 2) - sequence) | 0) > 0
  }

  /** Whether the memory of a sub-buffer was reused, by the state as it was loaded. */
  lapped(sequence: number): boolean {
    return this.started > sequence + this.#count
  }

  /** The units from which a claim starts. */
  unitsOf(low: number): number {
    return low & this.#final
  }

  #read(low: number, high: number): this {
    const tag = low >>> (this.#unitBits + 1)
    this.#low = low
    this.#high = high
    this.started = (high >>> 0) * this.#tags + tag
    this.closed = ((low >>> this.#unitBits) & 1) === 1
    this.reserved = low & this.#final
    this.finalized = this.closed && this.reserved === this.#final
    return this
  }

  #long(low: number): bigint {
    return longOf(this.#high, low)
  }

  #place(sequence: number): { index: number; lap: number } {
    const index = sequence % this.#count
    return { index, lap: (sequence - index) / this.#count }
  }

  /** The value of `committed` once this lap and all before it are committed. */
  #endOf(index: number, lap: number): number {
    const { longs } = this.buffer
    return Number(BigInt.asIntN(32, Atomics.load(longs, this.buffer.endLong(index, lap))))
  }

  #completeLap(index: number, lap: number): boolean {
    const { words, longs } = this.buffer
    // New memory reads as lap −1, complete.
    const end = Atomics.load(longs, this.buffer.endLong(index, lap))
    if (lapOf(end) !== ((lap + 1) | 0)) return false
    // Pairs with: GlobalWriter, Atomics.add of `committed` after its last store into the record.
    return Atomics.load(words, this.buffer.committedWord(index)) === Number(BigInt.asIntN(32, end))
  }
}

function lapOf(end: bigint): number {
  return Number(end >> 32n)
}

/** Two halves, each taken modulo 2³². */
function longOf(high: number, low: number): bigint {
  return (BigInt.asIntN(32, BigInt(high)) << 32n) | BigInt(low >>> 0)
}
