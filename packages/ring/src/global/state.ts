/**
 * The state of a global buffer: which sub-buffer is current, how much of it is reserved, and how it
 * is left for the next. Any thread, each with an object of its own: it is a copy of the state as it
 * was loaded, and what may be done from there.
 *
 * ```text
 *                  note the end, note the base, start       reserve: low half
 *   closed (s−1) ─────────────────────────────────▶ open (s) ◀──────┐
 *       ▲           writer, both halves at once      │    └─────────┘ any writer
 *       └────────────────────────────────────────────┘
 *          close: low half; any thread, when a record doesn't fit or for a flush
 * ```
 *
 * Nobody owns a switch, so nobody's death or sleep holds one up: each step is one
 * compare-and-exchange that any thread can do, and whatever must be known after a step is stored
 * before it, by compare-and-exchange too. All threads that see the same state store the same. A
 * thread that slept in between fails, because what it expects is long gone:
 *
 * - closing needs nothing but the units reserved, so a stale one that succeeds (the low half may
 *   come round) is right;
 * - an end carries its lap, and a base only grows;
 * - the start exchanges both halves, which never come round.
 *
 * A sub-buffer is *complete* when it is closed and `committed` says that every unit reserved in it
 * is committed.
 */
import { GLOBAL, type GlobalBuffer } from './buffer.js'

const LOW = GLOBAL.state >> 2
const HIGH = LOW + 1
const LONG = GLOBAL.state >> 3

/** The state as one thread saw it last. */
export class GlobalState {
  readonly buffer: GlobalBuffer
  /** Sub-buffers started. The current one is the last; it has sequence `started - 1`. */
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
  /** What `reserved` is of a finalized buffer. */
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
      // The high half only grows: if it is the same again, both belong together.
      if (Atomics.load(words, HIGH) === high) return this.#read(low, high)
    }
  }

  /**
   * Loads the state by a read-modify-write, so that none of the calling thread's plain reads before
   * it can come after it. Not for the way of a record: it allocates.
   */
  loadAfterReads(): this {
    const long = Atomics.add(this.buffer.longs, LONG, 0n)
    return this.#read(Number(BigInt.asIntN(32, long)), Number(long >> 32n))
  }

  /** Whether the state is still as it was loaded. */
  same(): boolean {
    const { words } = this.buffer
    // In this order: the low half may come round, and then the high one has changed.
    return Atomics.load(words, LOW) === this.#low && Atomics.load(words, HIGH) === this.#high
  }

  /** As {@link same}, and none of the calling thread's plain reads before it can come after it. */
  sameAfterReads(): boolean {
    return Atomics.add(this.buffer.longs, LONG, 0n) === this.#long(this.#low)
  }

  /**
   * Closes the open sub-buffer as it was loaded. @returns whether this call did; else load again.
   */
  close(): boolean {
    return (
      Atomics.compareExchange(this.buffer.words, LOW, this.#low, this.#low | (1 << this.#unitBits)) ===
      this.#low
    )
  }

  /**
   * Closes the open sub-buffer if something was reserved in it behind the header. @returns whether
   * this call did.
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
   * No sub-buffer is ever started again, and the open one is closed. Any thread, any number of
   * times.
   */
  finalize(): void {
    for (;;) {
      this.load()
      if (this.finalized) return
      if (!this.closed) this.close()
      else if (this.noteEnd()) {
        // Both halves, so that a thread about to start the next sub-buffer fails.
        const final = this.#low | this.#final
        Atomics.compareExchange(this.buffer.longs, LONG, this.#long(this.#low), this.#long(final))
      }
    }
  }

  /**
   * Writes down where the closed current sub-buffer ends, unless another thread has.
   *
   * @returns false when the state has moved on, else it is written.
   */
  noteEnd(): boolean {
    if (this.started === 0) return true
    const { longs } = this.buffer
    const { index, lap } = this.#place(this.started - 1)
    const long = this.buffer.endLong(index, lap)
    const expected = Atomics.load(longs, long)
    if (lapOf(expected) === ((lap + 1) | 0)) return true
    const end = (this.#endOf(index, lap - 1) + this.reserved) | 0
    // Only what was loaded while the state was ours is right.
    if (!this.same()) return false
    Atomics.compareExchange(longs, long, expected, longOf(lap + 1, end))
    return true
  }

  /**
   * Whether the memory of the next sub-buffer may be reused: the reader has given it back (discard
   * mode), and every thread that had reserved in it has committed, or is proven dead and was
   * committed for.
   */
  mayStart(): boolean {
    const next = this.started
    if (this.#discard) {
      // Pairs with: GlobalReader, Atomics.store of `consumed` after its last read of the
      // sub-buffer.
      const consumed = Atomics.load(this.buffer.words, GLOBAL.consumed >> 2)
      // The low 32 bits will do: the difference is never more than the number of sub-buffers.
      if (((next - consumed) | 0) >= this.#count) return false
    }
    const { index, lap } = this.#place(next)
    return this.#completeLap(index, lap - 1)
  }

  /**
   * Writes down how many records were ever written where the next sub-buffer goes, after
   * {@link mayStart}.
   *
   * @returns false when the state has moved on, else it is written.
   */
  noteBase(): boolean {
    const { longs } = this.buffer
    const { index, lap } = this.#place(this.started)
    const long = this.buffer.baseLong(index, lap)
    const expected = Atomics.load(longs, long)
    const base = BigInt(this.buffer.writtenAt(index))
    if (!this.sameAfterReads()) return false
    // A base only grows: if this is late and succeeds nevertheless, it changes nothing.
    if (base !== expected) Atomics.compareExchange(longs, long, expected, base)
    return true
  }

  /**
   * The low half of the state with the next sub-buffer just started: a claim of its header starts
   * from there.
   */
  nextLow(): number {
    return (((this.started + 1) % this.#tags) << (this.#unitBits + 1)) | 0
  }

  /**
   * Starts the next sub-buffer with this much reserved, after {@link noteEnd}, {@link mayStart} and
   * {@link noteBase}.
   *
   * In overwrite mode this is also what tells readers that the old content goes. The thread that
   * starts stores after the load that is done here (on arm64 an exchange lets later plain stores
   * pass its own store, the load stops them); the others store after having read the state of it.
   * Pairs with: GlobalReader, the read-modify-write after its copy.
   *
   * @returns whether this call did; else the state has moved on.
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

  /**
   * Whether sub-buffers can be told apart by their numbers. They always can, but in memory that was
   * damaged.
   */
  get isCountable(): boolean {
    return this.started < Number.MAX_SAFE_INTEGER
  }

  /**
   * Whether a closed sub-buffer is complete. Its end is noted, and `subbufCount` later ones are not
   * started.
   */
  complete(sequence: number): boolean {
    const { index, lap } = this.#place(sequence)
    return this.#completeLap(index, lap)
  }

  /** Units of a sub-buffer whose end is noted. */
  endUnits(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    return (this.#endOf(index, lap) - this.#endOf(index, lap - 1)) | 0
  }

  /** Units committed so far of the current sub-buffer, or of one that may not be reused yet. */
  committedUnits(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    const committed = Atomics.load(this.buffer.words, this.buffer.committedWord(index))
    return (committed - this.#endOf(index, lap - 1)) | 0
  }

  /** Records that were written at the place of this sub-buffer before it. */
  base(sequence: number): number {
    const { index, lap } = this.#place(sequence)
    return Number(Atomics.load(this.buffer.longs, this.buffer.baseLong(index, lap)))
  }

  /**
   * The sub-buffer that a claim which starts from this low half is in, by the state as it was
   * loaded: the last one of that tag. One that is not yet committed for can't be an older one.
   */
  sequenceOf(low: number): number {
    // A shift by 32 would be one by 0, but a sub-buffer leaves the tag a bit at least.
    const tag = low >>> (this.#unitBits + 1)
    const behind = (this.started - tag) % this.#tags
    return this.started - behind - (behind < 0 ? this.#tags : 0) - 1
  }

  /**
   * Whether a sub-buffer was given back by the reader or started again, by the state as it was
   * loaded.
   */
  passed(sequence: number): boolean {
    if (this.lapped(sequence)) return true
    // Pairs with: GlobalReader, Atomics.store of `consumed`. The low 32 bits will do for one that
    // was not lapped.
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

  /** What `committed` is when this lap, and all before it, are committed. */
  #endOf(index: number, lap: number): number {
    const { longs } = this.buffer
    return Number(BigInt.asIntN(32, Atomics.load(longs, this.buffer.endLong(index, lap))))
  }

  #completeLap(index: number, lap: number): boolean {
    const { words, longs } = this.buffer
    // Memory that is new reads as lap −1, complete.
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
