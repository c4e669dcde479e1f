/**
 * The writer of one CPU's buffer. Runs on the one thread that owns the buffer.
 *
 * It never waits, locks, or allocates for a record. It does not throw for a record that can't be
 * placed, but counts it.
 *
 * A sub-buffer goes through these states. The owner does all steps except the reader's `consumed`:
 *
 * ```text
 *            start (header, end, its entry)               complete, publish `produced`
 *   free ───────────────────────────────────────▶ open ───────────────────────────────▶ readable
 *    ▲                                                                                     │
 *    │  discard mode: the reader publishes `consumed`                                      │
 *    └──── overwrite mode: the owner publishes `started` and takes it ◀────────────────────┘
 * ```
 *
 * A switch has one commit point, the store of `produced`. `worker.terminate()` may cut off the
 * steps before it without harm: the old sub-buffer still counts as the open one, with its own
 * `end`. The writer's own fields change only after the commit point, so a switch that an exception
 * cut off is done again.
 */
import { isBytes, nameOfTypedArray } from './brand.js'
import { BUFFER, labelOf, type BufferMemory } from './buffer.js'
import { emptyView, type WriterView } from './writer-view.js'

/**
 * Calls of a channel's client at the start and the end of a sub-buffer, on the writing thread. None
 * may write records or throw. `start` is the offset of the sub-buffer in the data, in bytes.
 */
export interface WriterCallbacks {
  /**
   * Decides, instead of the channel's mode, whether a sub-buffer may be started, and how many bytes
   * are reserved at its start. For readers, a channel with this callback is in overwrite mode. The
   * callback may write into the sub-buffer only after {@link Writer.take}, and then it must not
   * refuse.
   *
   * @param sequence the sub-buffer to be started; the owner sees all sub-buffers before it as
   * complete.
   * @param padding unused bytes of the last completed sub-buffer.
   * @returns the header's size in bytes, or a negative number to refuse.
   */
  accept?(sequence: number, padding: number): number
  /**
   * A sub-buffer becomes the current one. The client may fill its header bytes, which begin at
   * `start`.
   */
  subbufStart?(view: WriterView, start: number): void
  /**
   * The current sub-buffer is complete up to `end`. This is the last chance to finish its header.
   */
  subbufEnd?(view: WriterView, start: number, end: number): void
  /** A record of `length` bytes was too big for a sub-buffer. */
  tooBig?(length: number): void
  /** A switch was published. Threads that wait for sub-buffers can be woken. */
  produced?(): void
  /**
   * The buffer goes back to its first state, so the client must forget its places in it. Called
   * within the reset, while readers see that it is under way. Called once more if the reset has to
   * be done again.
   */
  reset?(): void
}

/** Outcome of {@link Writer.room}: there is no room, and the record is counted as discarded. */
export const FULL = -1
/** Outcome of {@link Writer.room}: the record can never fit, and is counted as discarded. */
export const TOO_BIG = -2

/**
 * Writes records into one buffer. A buffer has one writer at a time, on the thread that owns it.
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
  /** Sequence of the open sub-buffer, or of the next one to be opened. */
  #sequence = 0
  /** `#sequence mod subbufCount`. */
  #index = 0
  /** Whether that sub-buffer is open. */
  #open = false
  /** Records given to this buffer before the sub-buffer at `#index`. */
  #records = 0
  /** Bytes completed before it, without padding. */
  #bytes = 0
  /** Padding of the sub-buffer completed before it. */
  #padding = 0
  /**
   * Whether the previous owner died within a reset. The buffer can't be used until it is reset
   * again.
   *
   * @internal
   */
  mustReset = false

  /**
   * Takes over a buffer. Continues in the open sub-buffer at its `end`, or opens the one after the
   * last completed sub-buffer. The calling thread must be its only owner. A dead owner's records
   * are whole up to `end`. If it died within a reset, the reset is done again ({@link mustReset}).
   *
   * @param view the object to fill as the view; the caller's hot path may keep it.
   * @param begins whether to open a sub-buffer (or reset) now. If false, the caller does it by
   * `reset` or the first `switch`.
   */
  constructor(
    buffer: BufferMemory,
    callbacks: WriterCallbacks = {},
    view: WriterView = emptyView(),
    begins = true,
  ) {
    const { subbufSize, subbufCount, headerBytes, mode } = buffer.geometry
    this.buffer = buffer
    this.view = view
    this.#callbacks = callbacks
    this.#overwrite = mode === 'overwrite'
    this.#size = subbufSize
    this.#count = subbufCount
    this.#header = headerBytes
    const { memory, dataByteOffset: at } = buffer
    const bytes = subbufSize * subbufCount
    view.words = buffer.words
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
    this.takeOver()
    if (!begins) return
    if (this.mustReset) this.reset()
    else if (!this.#open) this.switch(0)
  }

  /**
   * Goes on where the buffer stands, after other threads had it for a while. The calling thread
   * must be its only owner again. It opens no sub-buffer.
   *
   * @internal
   */
  takeOver(): void {
    const { buffer, view } = this
    this.#sequence = Number(Atomics.load(buffer.counters, BUFFER.produced >> 3))
    this.#index = this.#sequence % this.#count
    this.#records = 0
    this.#bytes = 0
    this.#padding = 0
    this.mustReset = false
    view.limit = -1
    view.end = buffer.endWord(this.#index)
    this.#goOn()
  }

  /**
   * Writes one record.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   * @throws TypeError when `bytes` is no array of bytes.
   */
  write(bytes: Uint8Array): boolean {
    const { view } = this
    // An array of this realm, which is the cheaper check, or of another realm.
    if (!(bytes instanceof Uint8Array) && !isBytes(bytes)) throw notBytes(bytes)
    const { length } = bytes
    let at = view.words[view.end]
    if (at + length > view.limit) {
      at = this.room(length)
      if (at < 0) return false
    }
    view.u8.set(bytes, at)
    view.words[view.end + 1] += 1
    // This store comes last: before it the record does not exist. Pairs with: the reader's load of
    // `end` (aged, or after `produced`).
    view.words[view.end] = at + length
    return true
  }

  /**
   * Makes room for a record of `length` bytes. The caller stores the record and then calls
   * {@link commit}.
   *
   * @returns where to store it, in bytes from the start of the data; {@link FULL} or
   * {@link TOO_BIG} when the record is lost and counted.
   */
  reserve(length: number): number {
    const at = this.view.words[this.view.end]
    return at + length > this.view.limit ? this.room(length) : at
  }

  /**
   * Commits the record that was stored at `at`. Nothing may be reserved between `reserve` and
   * `commit`.
   */
  commit(at: number, length: number): void {
    const { view } = this
    view.words[view.end + 1] += 1
    // This store comes last. Pairs with: the reader's load of `end` (aged, or after `produced`).
    view.words[view.end] = at + length
  }

  /**
   * The slow path of a record that does not fit the open sub-buffer. It switches, and counts the
   * record as discarded if that did not help. It does not switch for a record that fits no
   * sub-buffer: that would cost a flight recorder the records that it holds.
   *
   * @returns where the record goes (right behind the header), or {@link FULL} or {@link TOO_BIG}.
   * @internal
   */
  room(length: number): number {
    const at = length > this.#size - this.#header ? this.#tooBig(length) : this.switch(length)
    if (at === FULL) return this.refuse()
    if (at === TOO_BIG) this.buffer.doubles[BUFFER.discardedTooBig >> 3] += 1
    return at
  }

  /** Counts a record as refused, as if the buffer were full. @returns {@link FULL}. @internal */
  refuse(): number {
    this.buffer.doubles[BUFFER.discardedFull >> 3] += 1
    return FULL
  }

  /** Counts a record with arguments that could not be written. */
  discardBad(): void {
    this.buffer.doubles[BUFFER.discardedBad >> 3] += 1
  }

  /** Ends the open sub-buffer if it holds records, so that a reader can have them. */
  flush(): void {
    if (this.#open && this.buffer.words[this.buffer.countWord(this.#index)] > 0) this.switch(0)
  }

  /**
   * Ends the open sub-buffer, if there is one, and starts the next, if one is free. Counts nothing.
   *
   * @param length bytes of the next record; 0 for none.
   * @returns where that record goes; {@link FULL} when no sub-buffer is free (then none is open,
   * and every further call tries again); {@link TOO_BIG} when the record is longer than a
   * sub-buffer (nothing was switched), or, with a sub-buffer free, longer than a sub-buffer without
   * its header (the switch stays done).
   */
  switch(length: number): number {
    if (length > this.#size) return this.#tooBig(length)
    if (this.mustReset && !this.reset()) return FULL
    return this.#open ? this.#leave(length) : this.#resume(length)
  }

  /**
   * Puts the buffer back to its first state and opens sub-buffer 0. The bytes in memory, the count
   * of completed bytes, the padding of the last completed sub-buffer and the counts of discarded
   * records stay. Only the owner may call it. `consumed` goes back too, so the client must keep its
   * own readers out meanwhile. A {@link Reader} notices the reset, and counts the records that it
   * did not have as overwritten.
   *
   * @returns false when a {@link Reader} was just giving back a sub-buffer. Then nothing was done:
   * try again.
   */
  reset(): boolean {
    const { buffer, view } = this
    const { counters, words, doubles } = buffer
    const countWord = buffer.countWord(0)
    const firstDouble = buffer.firstDouble(0)
    const bytesBeforeDouble = buffer.bytesBeforeDouble(0)
    const prevPaddingWord = buffer.prevPaddingWord(0)
    const labelWord = buffer.labelWord(0)
    const label = labelOf(0)
    // `resets` is odd from here on, unless a reader is just storing its words. A reader that comes
    // later sees the odd number. Pairs with: Reader.delivered, and the reader's read-modify-write
    // of `resets` after a copy.
    if (words[BUFFER.resets >> 2] % 2 === 0) {
      Atomics.add(words, BUFFER.resets >> 2, 1)
      if (Atomics.load(words, BUFFER.delivering >> 2) === 1) {
        // Nothing was reset, so a reader must not start anew.
        Atomics.add(words, BUFFER.resets >> 2, -1)
        return false
      }
    }
    view.limit = -1
    // Records keep their numbers, so that the reader finds out how many were lost.
    if (this.#open) this.#rememberEntry(this.#index)
    this.#open = false
    // A straight line of stores. From here on the entry has all that a next owner needs to do the
    // reset again. See #goOn.
    words[countWord] = 0
    doubles[firstDouble] = this.#records
    doubles[bytesBeforeDouble] = this.#bytes
    words[prevPaddingWord] = this.#padding
    words[labelWord] = label
    Atomics.store(counters, BUFFER.produced >> 3, 0n)
    Atomics.store(counters, BUFFER.started >> 3, 0n)
    Atomics.store(counters, BUFFER.consumed >> 3, 0n)
    this.#sequence = 0
    this.#index = 0
    view.end = buffer.endWord(0)
    this.mustReset = false
    this.#callbacks.reset?.()
    this.switch(0)
    Atomics.add(words, BUFFER.resets >> 2, 1)
    return true
  }

  /** Loads the buffer's words into the fields of a new owner. */
  #goOn(): void {
    const { buffer, view } = this
    const { words, doubles } = buffer
    const index = this.#index
    if (Atomics.load(words, BUFFER.resets >> 2) % 2 === 1) {
      // The previous owner died in a reset. It may have stored the new entry of sub-buffer 0
      // already. That entry then counts all records and bytes so far.
      this.#rememberWhatIsDone()
      const given = this.#records + (this.#open ? words[buffer.countWord(index)] : 0)
      const counted = doubles[buffer.firstDouble(0)] + words[buffer.countWord(0)]
      const isStored = counted >= given && doubles[buffer.bytesBeforeDouble(0)] >= this.#bytes
      if (buffer.hasLabel(0, 0) && isStored) {
        this.#rememberEntry(0)
        this.#open = false
      }
      this.mustReset = true
      return
    }
    this.#rememberWhatIsDone()
    if (this.#open) view.limit = (index + 1) * this.#size
  }

  /**
   * Sets the counts of all that was completed before the current sub-buffer, and whether it is
   * open.
   */
  #rememberWhatIsDone(): void {
    const { buffer } = this
    const { words, doubles } = buffer
    const started = Number(Atomics.load(buffer.counters, BUFFER.started >> 3))
    this.#open = started > this.#sequence && buffer.hasLabel(this.#index, this.#sequence)
    if (this.#open) {
      this.#records = doubles[buffer.firstDouble(this.#index)]
      this.#bytes = doubles[buffer.bytesBeforeDouble(this.#index)]
      this.#padding = words[buffer.prevPaddingWord(this.#index)]
    } else if (this.#sequence > 0) {
      const last = (this.#index + this.#count - 1) % this.#count
      const used = words[buffer.endWord(last)] - last * this.#size
      this.#records = doubles[buffer.firstDouble(last)] + words[buffer.countWord(last)]
      this.#bytes = doubles[buffer.bytesBeforeDouble(last)] + used
      this.#padding = this.#size - used
    }
  }

  /**
   * Sets the counts of all that was completed before a sub-buffer. Its own records are given up,
   * and counted too.
   */
  #rememberEntry(index: number): void {
    const { buffer } = this
    this.#records = buffer.doubles[buffer.firstDouble(index)] + buffer.words[buffer.countWord(index)]
    this.#bytes = buffer.doubles[buffer.bytesBeforeDouble(index)]
    this.#padding = buffer.words[buffer.prevPaddingWord(index)]
  }

  /** Ends the open sub-buffer. Starts the next one before it publishes the end. */
  #leave(length: number): number {
    const { buffer, view } = this
    const index = this.#index
    const start = index * this.#size
    const next = this.#sequence + 1
    const nextIndex = index + 1 === this.#count ? 0 : index + 1
    const records = buffer.doubles[buffer.firstDouble(index)] + buffer.words[buffer.countWord(index)]
    const used = buffer.words[view.end] - start
    const bytes = buffer.doubles[buffer.bytesBeforeDouble(index)] + used
    const padding = this.#size - used
    this.#callbacks.subbufEnd?.(view, start, buffer.words[view.end])
    const header = this.#ask(next, padding)
    const open = header >= 0
    if (open) this.#start(next, nextIndex, header, records, bytes, padding)
    const endWord = buffer.endWord(nextIndex)
    const limit = open ? (nextIndex + 1) * this.#size : -1
    const produced = BigInt(next)
    // The commit point. Everything that the reader will look at was stored before it: header, end,
    // count and first of both sub-buffers. Pairs with: Reader, Atomics.load of `produced`.
    Atomics.store(buffer.counters, BUFFER.produced >> 3, produced)
    // Now the writer's own fields follow. There are no calls here, so no exception leaves them
    // behind.
    this.#sequence = next
    this.#index = nextIndex
    this.#records = records
    this.#bytes = bytes
    this.#padding = padding
    this.#open = open
    view.end = endWord
    view.limit = limit
    this.#callbacks.produced?.()
    return open ? this.#place(length) : FULL
  }

  /** Starts a sub-buffer when none is open: at first, and after a refusal. */
  #resume(length: number): number {
    const header = this.#ask(this.#sequence, this.#padding)
    if (header < 0) return FULL
    this.#start(this.#sequence, this.#index, header, this.#records, this.#bytes, this.#padding)
    const endWord = this.buffer.endWord(this.#index)
    this.#open = true
    this.view.end = endWord
    this.view.limit = (this.#index + 1) * this.#size
    return this.#place(length)
  }

  /** Whether a sub-buffer may be started: the size of its header, or {@link FULL}. */
  #ask(sequence: number, padding: number): number {
    if (this.#callbacks.accept !== undefined) return this.#callbacks.accept(sequence, padding)
    return this.#overwrite || this.#hasRoom(sequence) ? this.#header : FULL
  }

  #hasRoom(sequence: number): boolean {
    // A plain read of the low half shows a full buffer without making a BigInt. It may be old. Then
    // the reader has given back something since, and a later call sees it. (Every platform of Node
    // is little-endian.)
    const consumedGuess = this.buffer.words[BUFFER.consumed >> 2]
    if ((sequence - consumedGuess) >>> 0 >= this.#count) return false
    // Pairs with: Reader, Atomics.store of `consumed`, after its last read of the sub-buffer to be
    // reused.
    const consumed = Number(Atomics.load(this.buffer.counters, BUFFER.consumed >> 3))
    return sequence - consumed < this.#count
  }

  /**
   * Tells readers that the old content of a sub-buffer goes. `accept` calls it in overwrite mode,
   * before it writes into that sub-buffer. From then on `accept` must not refuse.
   *
   * @internal
   */
  take(sequence: number): void {
    if (this.#overwrite) this.#publishStarted(sequence + 1)
  }

  #publishStarted(started: number): void {
    const { buffer } = this
    const { counters } = buffer
    const index = (started - 1) % this.#count
    // A label from before a reset would pass for the label of the entry that is not stored yet.
    // Within the reset no reader looks, and an owner that has to do the reset again needs the
    // label.
    if (buffer.words[BUFFER.resets >> 2] % 2 === 0 && buffer.hasLabel(index, started - 1))
      Atomics.store(buffer.words, buffer.labelWord(index), 0)
    // The old content goes from here on. On arm64 later plain stores may pass a store-release; the
    // load that follows stops them. Pairs with: Reader, the read-modify-write of `started` after
    // its copy.
    Atomics.store(counters, BUFFER.started >> 3, BigInt(started))
    Atomics.load(counters, BUFFER.started >> 3)
  }

  /** Stores all words of the next sub-buffer that a reader or the hot path looks at. */
  #start(
    sequence: number,
    index: number,
    header: number,
    records: number,
    bytes: number,
    padding: number,
  ): void {
    const { buffer } = this
    const start = index * this.#size
    const endWord = buffer.endWord(index)
    const countWord = buffer.countWord(index)
    const firstDouble = buffer.firstDouble(index)
    const bytesBeforeDouble = buffer.bytesBeforeDouble(index)
    const prevPaddingWord = buffer.prevPaddingWord(index)
    const labelWord = buffer.labelWord(index)
    if (this.#overwrite) this.#publishStarted(sequence + 1)
    // A straight line of stores, so that nothing cuts them apart.
    buffer.words[countWord] = 0
    buffer.doubles[firstDouble] = records
    buffer.doubles[bytesBeforeDouble] = bytes
    buffer.words[prevPaddingWord] = padding
    buffer.words[endWord] = start + header
    this.#callbacks.subbufStart?.(this.view, start)
    // From here on the entry belongs to this sub-buffer, and its header is stored. Pairs with:
    // BufferMemory.hasLabel.
    Atomics.store(buffer.words, labelWord, labelOf(sequence))
    // Discard mode: here `started` says that the sub-buffer is open, so it comes last.
    // Pairs with: Reader.#openSequence, Atomics.load of `started`.
    if (!this.#overwrite) Atomics.store(buffer.counters, BUFFER.started >> 3, BigInt(sequence + 1))
  }

  #place(length: number): number {
    const at = this.buffer.words[this.view.end]
    return at + length > this.view.limit ? this.#tooBig(length) : at
  }

  #tooBig(length: number): number {
    this.#callbacks.tooBig?.(length)
    return TOO_BIG
  }
}

/**
 * Makes the error for a value that is no record. Callers throw it before they change the buffer.
 */
export function notBytes(found: unknown): TypeError {
  const what = nameOfTypedArray(found) ?? typeof found
  return new TypeError(`a record is a Uint8Array, not ${what}`)
}
