/**
 * The writer of one CPU's buffer. Runs on the one thread that owns the buffer.
 *
 * It never waits, locks, allocates on the way of a record, or throws for a record that can't be placed: it counts.
 *
 * A sub-buffer goes through these states; all steps but the last are the owner's:
 *
 * ```text
 *            start (header, end, count, first)            complete, publish `produced`
 *   free ───────────────────────────────────────▶ open ───────────────────────────────▶ readable
 *    ▲                                                                                     │
 *    │  discard mode: the reader publishes `consumed`                                      │
 *    └──── overwrite mode: the owner publishes `started` and takes it ◀────────────────────┘
 * ```
 *
 * A switch has one commit point, the store of `produced`. Whatever was done before it can be cut off by
 * `worker.terminate()` without harm: the sub-buffer that was being left still counts as the open one, with its own
 * `end`. The writer's own fields change only after it, so that a switch cut off by an exception is done again.
 */
import { BUFFER, type BufferMemory } from './buffer.js'

/**
 * What an encoder needs to place a record by itself, inline: the current sub-buffer and views of the data. All
 * offsets are bytes from the start of the buffer's data.
 *
 * To place a record of `n` bytes: `p = words[end]`; if `p + n > limit`, `p = writer.room(n)` and give up if that is
 * negative; store the record in a straight line of plain stores; `words[end + 1] += 1`; `words[end] = p + n` last.
 * Both words are read through `end` after `room`, which changes it.
 */
export interface WriterView {
  /** The caller's own: which memory this view writes to. −1 at first; the writer leaves it alone. */
  generation: number
  /** The buffer's words, 4 bytes an element. */
  words: Uint32Array
  /** Index in `words` of the open sub-buffer's `end`; the next word is its `count`. */
  end: number
  /** The first byte after the open sub-buffer; −1 while none is open, which sends every record to `room`. */
  limit: number
  u8: Uint8Array
  i8: Int8Array
  u16: Uint16Array
  i16: Int16Array
  u32: Uint32Array
  i32: Int32Array
  u64: BigUint64Array
  i64: BigInt64Array
  f32: Float32Array
  f64: Float64Array
}

/** A view of nothing: every record goes to `room`. What a thread has before it owns a buffer. */
export function emptyView(): WriterView {
  // One literal: the hot path finds every field inside the object, at the same place for ever.
  return {
    generation: -1,
    words: new Uint32Array(2),
    end: 0,
    limit: -1,
    u8: new Uint8Array(0),
    i8: new Int8Array(0),
    u16: new Uint16Array(0),
    i16: new Int16Array(0),
    u32: new Uint32Array(0),
    i32: new Int32Array(0),
    u64: new BigUint64Array(0),
    i64: new BigInt64Array(0),
    f32: new Float32Array(0),
    f64: new Float64Array(0),
  }
}

/**
 * What the client of a channel does at the ends of a sub-buffer, on the writing thread. Neither may write records
 * or throw. `start` is the offset of the sub-buffer in the data, in bytes.
 */
export interface WriterCallbacks {
  /** A sub-buffer becomes the current one; its header bytes, from `start`, are the client's to fill. */
  subbufStart?(view: WriterView, start: number): void
  /** The current sub-buffer is complete up to `end`; last chance to finish its header. */
  subbufEnd?(view: WriterView, start: number, end: number): void
  /** A switch was published: whoever waits for sub-buffers can be woken. */
  produced?(): void
}

/** Outcomes of {@link Writer.room}: there is no room, and the record is counted as discarded. */
export const FULL = -1
/** Outcome of {@link Writer.room}: the record can never fit, and is counted as discarded. */
export const TOO_BIG = -2

/**
 * Writes records into one buffer. One at a time exists for a buffer, on the thread that owns it.
 *
 * @example
 * const writer = channel.writer(0)
 * if (!writer.write(bytes)) console.log('discarded', writer.discarded)
 */
export class Writer {
  readonly buffer: BufferMemory
  readonly view: WriterView
  readonly #callbacks: WriterCallbacks
  readonly #overwrite: boolean
  readonly #size: number
  readonly #count: number
  readonly #header: number
  /** Sequence of the sub-buffer that is open, or that will be opened next. */
  #sequence: number
  /** `#sequence mod subbufCount`. */
  #index: number
  /** Whether that sub-buffer is open. The kernel marks the contrary by `offset = subbufSize + 1`. */
  #open = false
  /** Records that this buffer was given before the sub-buffer at `#index`. */
  #records: number

  /**
   * Takes a buffer over: goes on behind what was completed in it, and opens a sub-buffer there. The calling thread
   * must be its only owner, and after a dead owner the reader must have called `retire`.
   *
   * @param view where to keep the view; the caller's hot path may hold on to it.
   */
  constructor(buffer: BufferMemory, callbacks: WriterCallbacks = {}, view: WriterView = emptyView()) {
    const { subbufSize, subbufCount, headerBytes, mode } = buffer.geometry
    this.buffer = buffer
    this.view = view
    this.#callbacks = callbacks
    this.#overwrite = mode === 'overwrite'
    this.#size = subbufSize
    this.#count = subbufCount
    this.#header = headerBytes
    this.#sequence = Number(Atomics.load(buffer.counters, BUFFER.produced >> 3))
    this.#index = this.#sequence % subbufCount
    this.#records = 0
    if (this.#sequence > 0) {
      const last = (this.#index + subbufCount - 1) % subbufCount
      this.#records = buffer.doubles[buffer.firstDouble(last)] + buffer.words[buffer.countWord(last)]
    }
    const { memory, dataByteOffset: at } = buffer
    const bytes = subbufSize * subbufCount
    view.limit = -1
    view.words = buffer.words
    view.end = buffer.endWord(this.#index)
    view.u8 = new Uint8Array(memory, at, bytes)
    view.i8 = new Int8Array(memory, at, bytes)
    view.u16 = new Uint16Array(memory, at, bytes >> 1)
    view.i16 = new Int16Array(memory, at, bytes >> 1)
    view.u32 = new Uint32Array(memory, at, bytes >> 2)
    view.i32 = new Int32Array(memory, at, bytes >> 2)
    view.u64 = new BigUint64Array(memory, at, bytes >> 3)
    view.i64 = new BigInt64Array(memory, at, bytes >> 3)
    view.f32 = new Float32Array(memory, at, bytes >> 2)
    view.f64 = new Float64Array(memory, at, bytes >> 3)
    this.switch(0)
  }

  /**
   * Writes one record.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   */
  write(bytes: Uint8Array): boolean {
    const { view } = this
    const { length } = bytes
    let at = view.words[view.end]
    if (at + length > view.limit) {
      at = this.room(length)
      if (at < 0) return false
    }
    view.u8.set(bytes, at)
    view.words[view.end + 1] += 1
    // Last: until here the record does not exist. Pairs with: the reader's load of `end` (aged, or after `produced`).
    view.words[view.end] = at + length
    return true
  }

  /**
   * Makes room for a record of `length` bytes to be stored by the caller, who then calls {@link commit}.
   *
   * @returns where to store it, in bytes from the start of the data; {@link FULL} or {@link TOO_BIG} when the
   * record is lost, which is counted.
   */
  reserve(length: number): number {
    const at = this.view.words[this.view.end]
    return at + length > this.view.limit ? this.room(length) : at
  }

  /** Makes the record that was stored at `at` count. Nothing may be reserved in between. */
  commit(at: number, length: number): void {
    const { view } = this
    view.words[view.end + 1] += 1
    // Last. Pairs with: the reader's load of `end` (aged, or after `produced`).
    view.words[view.end] = at + length
  }

  /**
   * The slow path of a record that does not fit the open sub-buffer: switches, and counts the record as discarded
   * if that did not help. A record that fits no sub-buffer switches nothing, or it would cost a flight recorder the
   * records that it holds.
   *
   * @returns where the record goes (right behind the header), or {@link FULL} or {@link TOO_BIG}.
   */
  room(length: number): number {
    const at = length > this.#size - this.#header ? this.#tooBig(length) : this.switch(length)
    if (at === FULL) return this.refuse()
    if (at === TOO_BIG) this.buffer.doubles[BUFFER.discardedTooBig >> 3] += 1
    return at
  }

  /** Counts a record as refused, as if the buffer were full. @returns {@link FULL}. */
  refuse(): number {
    this.buffer.doubles[BUFFER.discardedFull >> 3] += 1
    return FULL
  }

  /** Counts a record whose arguments could not be written. */
  discardBad(): void {
    this.buffer.doubles[BUFFER.discardedBad >> 3] += 1
  }

  /** Ends the open sub-buffer if there are records in it, so that a reader can have them. */
  flush(): void {
    if (this.#open && this.buffer.words[this.buffer.countWord(this.#index)] > 0) this.switch(0)
  }

  /**
   * Ends the open sub-buffer, if one is open, and starts the next, if one is free. Counts nothing.
   *
   * @param length bytes of the record that is to follow; 0 for none.
   * @returns where that record goes; {@link FULL} when no sub-buffer is free (then none is open, and every further
   * call tries again); {@link TOO_BIG} when it is longer than a sub-buffer (nothing was switched) or, with a
   * sub-buffer free, than one without its header (the switch stays done).
   */
  switch(length: number): number {
    if (length > this.#size) return this.#tooBig(length)
    return this.#open ? this.#leave(length) : this.#resume(length)
  }

  /** Ends the open sub-buffer; starts the next before the end is published. */
  #leave(length: number): number {
    const { buffer, view } = this
    const index = this.#index
    const start = index * this.#size
    const next = this.#sequence + 1
    const nextIndex = index + 1 === this.#count ? 0 : index + 1
    const records = buffer.doubles[buffer.firstDouble(index)] + buffer.words[buffer.countWord(index)]
    this.#callbacks.subbufEnd?.(view, start, buffer.words[view.end])
    const open = this.#hasRoom(next)
    if (open) this.#start(next, nextIndex, records)
    const endWord = buffer.endWord(nextIndex)
    const limit = open ? (nextIndex + 1) * this.#size : -1
    const produced = BigInt(next)
    // The commit point. Everything that the reader will look at was stored before it, header, end, count and first of
    // both sub-buffers. Pairs with: Reader, Atomics.load of `produced`.
    Atomics.store(buffer.counters, BUFFER.produced >> 3, produced)
    // The writer's own view of what was just published. No calls, so that no exception leaves it behind.
    this.#sequence = next
    this.#index = nextIndex
    this.#records = records
    this.#open = open
    view.end = endWord
    view.limit = limit
    this.#callbacks.produced?.()
    return open ? this.#place(length) : FULL
  }

  /** Starts a sub-buffer when none is open: at first, and after having been refused. */
  #resume(length: number): number {
    if (!this.#hasRoom(this.#sequence)) return FULL
    this.#start(this.#sequence, this.#index, this.#records)
    const endWord = this.buffer.endWord(this.#index)
    this.#open = true
    this.view.end = endWord
    this.view.limit = (this.#index + 1) * this.#size
    return this.#place(length)
  }

  #hasRoom(sequence: number): boolean {
    if (this.#overwrite) return true
    // Pairs with: Reader, Atomics.store of `consumed`, after its last read of the sub-buffer that is to be reused.
    const consumed = Number(Atomics.load(this.buffer.counters, BUFFER.consumed >> 3))
    return sequence - consumed < this.#count
  }

  /** Stores all of the next sub-buffer that a reader or the hot path looks at. */
  #start(sequence: number, index: number, records: number): void {
    const { buffer } = this
    const start = index * this.#size
    const endWord = buffer.endWord(index)
    const countWord = buffer.countWord(index)
    const firstDouble = buffer.firstDouble(index)
    if (this.#overwrite) {
      // The old content goes from here on. On arm64 a store-release lets later plain stores pass, and the load that
      // follows it stops them. Pairs with: Reader, the read-modify-write of `started` after its copy.
      Atomics.store(buffer.counters, BUFFER.started >> 3, BigInt(sequence + 1))
      Atomics.load(buffer.counters, BUFFER.started >> 3)
    }
    // A straight line, so that these three are never cut apart.
    buffer.words[countWord] = 0
    buffer.doubles[firstDouble] = records
    buffer.words[endWord] = start + this.#header
    this.#callbacks.subbufStart?.(this.view, start)
    // Discard mode: here `started` says that the sub-buffer is open, so it comes last.
    // Pairs with: Reader, Atomics.load of `started` in `sample`.
    if (!this.#overwrite) Atomics.store(buffer.counters, BUFFER.started >> 3, BigInt(sequence + 1))
  }

  #place(length: number): number {
    const at = this.#index * this.#size + this.#header
    return at + length > this.view.limit ? this.#tooBig(length) : at
  }

  #tooBig(length: number): number {
    this.buffer.words[BUFFER.lastTooBig >> 2] = length
    return TOO_BIG
  }
}
