/**
 * The reader of one buffer. It delivers each record once, in order, or counts it as overwritten. It
 * runs on the one thread that drains the buffer. Meanwhile the owner of the buffer goes on writing,
 * or is parked, or is dead.
 *
 * The reader may read these parts, which are whole:
 *
 * - A *complete* sub-buffer (sequence below `produced`). The owner stored all of it before it
 *   published `produced` by an `Atomics.store`. We load `produced` by an `Atomics.load`.
 * - The open sub-buffer up to an *aged* end: a pair of sequence and `end` that was sampled at least
 *   a grace period ago. The owner stores `end` plainly, after the record. After the grace period
 *   those stores have left any processor's store buffer. This is an assumption about hardware; the
 *   language promises nothing here. A rule of "unchanged for a while" would not do, because a slow
 *   loop is never quiet.
 * - The open sub-buffer up to its newest `end`, once the owner is proven dead.
 *
 * In discard mode the owner never touches a sub-buffer before the reader has given it back, so the
 * reader hands on the bytes in place. In overwrite mode the owner may start it again at any time.
 * So we copy, and then check `started` by a read-modify-write, because our own earlier plain reads
 * could pass a load. Only a copy that passes the check is delivered.
 *
 * A reader that *keeps* takes nothing: it reads what is in the buffer at a moment, and stores no
 * word of it, so the buffer's reader, on the same thread, and later readers find everything as it
 * was. It begins with the oldest sub-buffer that it can copy, and counts as overwritten only what
 * the owner overwrites after that.
 */
import { BUFFER, BufferMemory } from './buffer.js'

/**
 * The grace period in milliseconds: after it, plain stores of another thread have arrived. Callers
 * wait it out between {@link Reader.sample} and {@link Reader.aged}.
 */
export const GRACE_MS = 10

/** How often {@link Reader.extent} tries to find the owner outside a switch. */
const MOST_TRIES = 100

/**
 * Bytes to deliver: a part of one sub-buffer. Offsets are bytes from the start of that sub-buffer.
 */
export interface Span {
  /** The sequence of the sub-buffer. */
  readonly sequence: number
  /**
   * The sub-buffer from its header on. In discard mode this is the shared memory itself. In
   * overwrite mode it is a copy up to `end`, which the next call replaces.
   */
  readonly bytes: Uint8Array
  /** Where the undelivered bytes start: `headerBytes` at first, then the end of the last part. */
  readonly from: number
  /** The first byte after the undelivered bytes. */
  readonly end: number
  /**
   * Whether this is all that is left of a completed sub-buffer, whose header is finished. Else it
   * is a part of the open one.
   */
  readonly complete: boolean
  /**
   * Records in the rest of a complete sub-buffer; −1 for an incomplete one, whose records the
   * caller has to count.
   */
  readonly records: number
}

/** How a reader reads. */
export interface ReaderOptions {
  /** Whether everything stays in the buffer. See the head of this file. */
  readonly keeps?: boolean
}

/**
 * Drains one buffer. A buffer has one reader at a time, and on the same thread any number of
 * readers that keep.
 *
 * @example
 * for (let span = reader.next(); span !== undefined; span = reader.next()) {
 *   fs.writeSync(file, span.bytes, span.from, span.end - span.from)
 *   reader.delivered(span, span.records)
 * }
 */
export class Reader {
  readonly buffer: BufferMemory
  readonly #overwrite: boolean
  readonly #size: number
  readonly #count: number
  readonly #header: number
  readonly #scratch: Uint8Array | undefined
  readonly #keeps: boolean
  /** The sub-buffer to deliver next. A part of it may be delivered already. */
  #sequence: number
  /** Delivered bytes of it, its header included; 0 for none. */
  #deliveredBytes = 0
  /** Delivered records of it. */
  #deliveredRecords = 0
  /**
   * Records of the buffer that were delivered or counted as overwritten, from its first on; −1 for
   * a reader that keeps, before its first span.
   */
  #accounted: number
  #overwritten = 0
  #older = 0
  #sampledSequence = -1
  #sampledEnd = 0
  /** The buffer's `resets` as we know it; even. */
  #resets: number

  /** @throws TypeError when `buffer` is no BufferMemory; RangeError when it is damaged. */
  constructor(buffer: BufferMemory, { keeps = false }: ReaderOptions = {}) {
    const ours = BufferMemory.of(buffer)
    if (ours === undefined) {
      throw new TypeError(
        'a Reader reads a BufferMemory: new Reader(channel.buffer(cpu)) for a Channel, ' +
          'new Reader(buffer.memory) for any other buffer',
      )
    }
    const { subbufSize, subbufCount, headerBytes, mode } = ours.geometry
    this.buffer = ours
    this.#overwrite = mode === 'overwrite'
    this.#size = subbufSize
    this.#count = subbufCount
    this.#header = headerBytes
    this.#scratch = this.#overwrite ? new Uint8Array(subbufSize) : undefined
    this.#keeps = keeps
    if (keeps) {
      this.#resets = Atomics.load(ours.words, BUFFER.resets >> 2) & -2
      // In overwrite mode the data stays behind `consumed`, too, until it is overwritten.
      this.#sequence = this.#overwrite ? 0 : this.#load('consumed')
      this.#accounted = -1
      return
    }
    // No other reader is active: an earlier one is dead or done.
    Atomics.store(ours.words, BUFFER.delivering >> 2, 0)
    // An odd number is rounded down. Then the first call waits for the reset, and starts anew after
    // it.
    this.#resets = Atomics.load(ours.words, BUFFER.resets >> 2) & -2
    this.#sequence = this.#load('consumed')
    // Plain: only a reader stores it, before `consumed`.
    this.#accounted = ours.countAt(BUFFER.accounted >> 3)
  }

  /** Records that were overwritten or reset before delivery, as far as is known. */
  get overwritten(): number {
    return this.#overwritten
  }

  /** Records that were delivered, or counted as overwritten, from the buffer's first on. */
  get accounted(): number {
    return this.#accounted
  }

  /** Reader that keeps: records that were overwritten before its first span. */
  get older(): number {
    return this.#older
  }

  /** The sequence of the sub-buffer whose bytes come next, as far as is known. */
  get sequence(): number {
    return this.#sequence
  }

  /**
   * Goes on in the middle of a sub-buffer, where an earlier reader stopped. Call it before anything
   * else. It does nothing if that sub-buffer is not the next one.
   *
   * @param sequence of the sub-buffer.
   * @param bytes delivered bytes of it, its header included.
   * @param records delivered records of it.
   */
  resume(sequence: number, bytes: number, records: number): void {
    if (sequence !== this.#sequence) return
    this.#deliveredBytes = bytes
    this.#deliveredRecords = records
    this.#accounted += records
  }

  /**
   * The next complete sub-buffer, or the rest of it; undefined when there is none.
   *
   * @param before the sub-buffers from this sequence on are left alone.
   */
  next(before = Infinity): Span | undefined {
    for (;;) {
      // Load `produced` anew each time: a reset takes back the sub-buffers produced before it.
      if (!this.#isCurrent()) return undefined
      const produced = this.#load('produced')
      this.#skipOverwritten()
      if (this.#sequence >= produced || this.#sequence >= before) return undefined
      if (produced > this.#sequence + this.#count) {
        // Unconsumed sub-buffers always fit the buffer, unless a reset came between our two loads.
        if (Atomics.load(this.buffer.words, BUFFER.resets >> 2) !== this.#resets) continue
        throw this.#damaged(
          `produced=${produced} is more than subbufCount=${this.#count} after ${this.#sequence}`,
        )
      }
      const span = this.#span(this.#sequence, -1, true)
      if (span === undefined) continue
      // Records of no bytes are records too.
      if (span.end > span.from || span.records > 0) return span
      this.delivered(span, 0)
    }
  }

  /** The sub-buffers with a lower sequence are complete now. */
  completed(): number {
    return this.#load('produced')
  }

  /**
   * Remembers how far the open sub-buffer is written. After the grace period, {@link aged} may read
   * that part.
   *
   * @returns whether the open sub-buffer holds undelivered bytes.
   */
  sample(): boolean {
    this.#sampledSequence = -1
    if (!this.#isCurrent()) return false
    const sequence = this.#openSequence()
    if (sequence < 0) return false
    const index = sequence % this.#count
    const end = Atomics.load(this.buffer.words, this.buffer.endWord(index)) - index * this.#size
    const delivered = sequence === this.#sequence ? this.#deliveredBytes : 0
    if (end <= Math.max(this.#header, delivered)) return false
    this.#sampledSequence = sequence
    this.#sampledEnd = end
    return true
  }

  /**
   * The part of the open sub-buffer up to the last {@link sample}, which must be a grace period
   * old. Complete sub-buffers come first: call {@link next} until it returns undefined.
   */
  aged(): Span | undefined {
    if (!this.#isCurrent()) return undefined
    const sequence = this.#sampledSequence
    if (sequence < 0 || sequence !== this.#sequenceNow()) return undefined
    return this.#part(sequence, this.#sampledEnd)
  }

  /**
   * The part of the open sub-buffer up to its newest end. Call it only once the owner is dead, or
   * on the owner's thread. Complete sub-buffers come first: call {@link next} until it returns
   * undefined.
   */
  newest(): Span | undefined {
    if (!this.#isCurrent()) return undefined
    const sequence = this.#openSequence()
    if (sequence < 0 || sequence !== this.#sequenceNow()) return undefined
    return this.#part(sequence, -1)
  }

  /**
   * The records in an incomplete span, by the owner's own count. Call it while the owner is
   * stopped, or on its thread.
   *
   * @returns 0 if more was written behind the span: its records count with the next part then.
   */
  countOf({ sequence, end }: Span): number {
    const { buffer } = this
    const index = sequence % this.#count
    if (Atomics.load(buffer.words, buffer.endWord(index)) - index * this.#size !== end) return 0
    const count = buffer.words[buffer.countWord(index)]
    return buffer.hasLabel(index, sequence) ? Math.max(0, count - this.#deliveredRecords) : 0
  }

  /**
   * Marks a span as delivered, and gives a complete sub-buffer back to the owner.
   *
   * @param records how many records the span held.
   * @param end how far an incomplete span was taken, if not to its end.
   * @returns false when the buffer was reset since. Then the bytes of the span may have been torn
   * while in use, and the span does not count as delivered.
   */
  delivered(span: Span, records: number, end = span.end): boolean {
    const { words } = this.buffer
    if (this.#keeps) {
      this.#deliver(span, records, end)
      return true
    }
    // Either a reset sees `delivering` and gives up, or we see the reset. Pairs with: Writer.reset,
    // which first counts up `resets` and then loads `delivering`. This is a read-modify-write, so
    // that no read of the span's bytes comes after it.
    Atomics.exchange(words, BUFFER.delivering >> 2, 1)
    const counts = Atomics.load(words, BUFFER.resets >> 2) === this.#resets
    if (counts) this.#deliver(span, records, end)
    Atomics.store(words, BUFFER.delivering >> 2, 0)
    return counts
  }

  #deliver(span: Span, records: number, end: number): void {
    this.#accounted += records
    if (!span.complete) {
      this.#deliveredBytes = end
      this.#deliveredRecords += records
      return
    }
    this.#sequence = span.sequence + 1
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
    if (this.#keeps) return
    this.buffer.doubles[BUFFER.accounted >> 3] = this.#accounted
    // Our last read of the sub-buffer came before this. Pairs with: Writer, Atomics.load of
    // `consumed`.
    Atomics.store(this.buffer.counters, BUFFER.consumed >> 3, BigInt(span.sequence + 1))
  }

  /** Reader that keeps: passes over the sub-buffers that are complete now. */
  skipCompleted(): void {
    if (!this.#isCurrent()) return
    this.#sequence = Math.max(this.#sequence, this.#load('produced'))
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
  }

  /**
   * Closes the sub-buffer that a dead owner left open, so that a next owner can take over the
   * buffer. Call it once the owner is proven dead and {@link next} and {@link newest} return
   * nothing more. The reader acts as the owner here. A reader that keeps closes the sub-buffer,
   * too, and its data stays.
   *
   * @returns torn records: the owner counted them in its last sub-buffer, but they were not found
   * there.
   */
  retire(): number {
    if (!this.#isCurrent()) return 0
    const sequence = this.#openSequence()
    if (sequence < 0) return 0
    this.#skipOverwritten()
    const { buffer } = this
    const { counters, doubles, words } = buffer
    const index = sequence % this.#count
    const counted = words[buffer.countWord(index)]
    const first = buffer.countAt(buffer.firstDouble(index))
    const used = words[buffer.endWord(index)] - index * this.#size
    const bytesBefore = doubles[buffer.bytesBeforeDouble(index)] + Math.min(Math.max(used, 0), this.#size)
    // With only one sub-buffer, the owner may have died while it started that one again. Then its
    // old content is gone.
    const isGone = this.#sequence > sequence
    if (isGone) this.#account(first + counted)
    const records = isGone ? counted : this.#deliveredRecords
    const torn = Math.max(0, counted - records)
    words[buffer.countWord(index)] = records
    // The dead owner may have stored the entry of the next sub-buffer already, and that entry
    // counts the torn records. We store the counts that we found instead. The next owner begins
    // that sub-buffer.
    const next = sequence + 1
    const nextIndex = next % this.#count
    const isOld = this.#keeps && this.#holdsOld(next)
    if (!isOld) {
      words[buffer.labelWord(nextIndex)] = 0
      words[buffer.endWord(nextIndex)] = nextIndex * this.#size
      words[buffer.countWord(nextIndex)] = 0
      doubles[buffer.firstDouble(nextIndex)] = first + records
      doubles[buffer.bytesBeforeDouble(nextIndex)] = bytesBefore
    }
    // Overwrite mode: the dead owner took the next sub-buffer already, whose old content is gone.
    const started = this.#keeps && this.#overwrite && !isOld && next >= this.#count ? next + 1 : next
    if (!this.#keeps) this.buffer.doubles[BUFFER.accounted >> 3] = this.#accounted
    // Pairs with: the next owner's Writer, Atomics.load of `produced` in its constructor, after it
    // found the place free.
    Atomics.store(counters, BUFFER.started >> 3, BigInt(started))
    Atomics.store(counters, BUFFER.produced >> 3, BigInt(sequence + 1))
    if (!this.#keeps) Atomics.store(counters, BUFFER.consumed >> 3, BigInt(sequence + 1))
    this.#sequence = sequence + 1
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
    this.#sampledSequence = -1
    return torn
  }

  /**
   * Whether the place of a sub-buffer that the dead owner would have begun next still holds an
   * older one, whose entry must stay. The owner takes it before it stores anything there: in
   * overwrite mode by `started`, and in discard mode only once the reader has given it back.
   */
  #holdsOld(next: number): boolean {
    if (next < this.#count) return false
    return this.#overwrite ? this.#load('started') <= next : next - this.#load('consumed') >= this.#count
  }

  /**
   * Counts the overwritten records that were not counted yet, so that {@link remaining} does not
   * include them. Call it once the owner has stopped.
   */
  settle(): void {
    this.#skipOverwritten()
    const first = this.#firstFrom(this.#sequence)
    this.#account(
      first >= 0 ? first : this.buffer.countAt(this.buffer.firstDouble(this.#sequence % this.#count)),
    )
  }

  /**
   * Records that the owner counted and that were neither delivered nor counted as overwritten. Call
   * it once the owner has stopped.
   */
  remaining(): number {
    const open = this.#openSequence()
    const sequence = open >= 0 ? open : this.#load('produced') - 1
    if (sequence < 0) return 0
    const index = sequence % this.#count
    const given =
      this.buffer.countAt(this.buffer.firstDouble(index)) + this.buffer.words[this.buffer.countWord(index)]
    return Math.max(0, given - Math.max(0, this.#accounted))
  }

  /**
   * How many records the buffer was given so far, and the number of the oldest that is neither
   * delivered nor lost. While the owner writes, they are of some moment of this call.
   */
  extent(): { readonly given: number; readonly oldest: number } {
    const { buffer } = this
    const { counters, words } = buffer
    for (let tries = 0; ; tries += 1) {
      const produced = Atomics.load(counters, BUFFER.produced >> 3)
      const started = Atomics.load(counters, BUFFER.started >> 3)
      const open = this.#openSequence()
      const index = (open >= 0 ? open : Number(produced) - 1) % this.#count
      const given = index < 0 ? 0 : buffer.countAt(buffer.firstDouble(index)) + words[buffer.countWord(index)]
      // We may have passed over overwritten sub-buffers, and not counted their records yet.
      const first = this.#overwrite
        ? this.#firstFrom(Math.max(this.#sequence, Number(started) - this.#count))
        : 0
      // Read-modify-writes, so that none of the reads above can come after them. The owner has not
      // switched meanwhile, so the entries are those that we wanted. Pairs with: Writer.#leave, the
      // store of `produced`, and Writer.#publishStarted.
      const isSteady =
        Atomics.add(counters, BUFFER.produced >> 3, 0n) === produced &&
        Atomics.add(counters, BUFFER.started >> 3, 0n) === started
      if (!isSteady && tries < MOST_TRIES) continue
      return { given: Math.max(given, this.#accounted), oldest: Math.max(first, this.#accounted) }
    }
  }

  /**
   * Whether the buffer can be read now. After a reset we start anew where the owner does. Records
   * keep their numbers, so the first record delivered after the reset shows how many were lost.
   */
  #isCurrent(): boolean {
    const resets = Atomics.load(this.buffer.words, BUFFER.resets >> 2)
    if (resets === this.#resets) return true
    if (resets % 2 === 1) return false
    this.#resets = resets
    this.#sequence = this.#load('consumed')
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
    this.#sampledSequence = -1
    return true
  }

  /** @throws RangeError when the value is no count of sub-buffers. */
  #load(word: 'produced' | 'started' | 'consumed'): number {
    const count = Number(Atomics.load(this.buffer.counters, BUFFER[word] >> 3))
    if (!Number.isSafeInteger(count) || count < 0) {
      throw this.#damaged(`${word}=${count} is not a count of sub-buffers`)
    }
    return count
  }

  #damaged(what: string): RangeError {
    return new RangeError(`the buffer of cpu=${this.buffer.cpu} is damaged: ${what}`)
  }

  /** The open sub-buffer, or −1. Its header and `end` belong to this sequence. */
  #openSequence(): number {
    // `produced` comes first, because `started` can only move on after it. In overwrite mode
    // `started` says that the old content goes, and the owner may publish it before it stores the
    // entry. The label says that the entry is stored. Pairs with: Writer.#leave and Writer.#start.
    const produced = this.#load('produced')
    const isOpen = this.#load('started') > produced && this.buffer.hasLabel(produced % this.#count, produced)
    return isOpen ? produced : -1
  }

  /** The sub-buffer whose bytes come next. Skips overwritten ones. */
  #sequenceNow(): number {
    this.#skipOverwritten()
    return this.#sequence
  }

  #skipOverwritten(): void {
    if (!this.#overwrite) return
    const oldest = this.#load('started') - this.#count
    if (this.#sequence >= oldest) return
    this.#sequence = oldest
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
  }

  #part(sequence: number, end: number): Span | undefined {
    const span = this.#span(sequence, end, false)
    return span !== undefined && span.end > span.from ? span : undefined
  }

  /**
   * The number of the first record from a sub-buffer on; −1 if none from there on was begun. The
   * entry of the oldest one may be gone: {@link retire} stores the next one's there.
   */
  #firstFrom(sequence: number): number {
    const end = Math.min(this.#load('started'), sequence + this.#count)
    for (let at = sequence; at < end; at += 1) {
      const index = at % this.#count
      if (this.buffer.hasLabel(index, at)) return this.buffer.countAt(this.buffer.firstDouble(index))
    }
    return -1
  }

  /** Counts the records before `first` that are not accounted for as overwritten. */
  #account(first: number): void {
    if (this.#accounted < 0) this.#older = this.#accounted = first
    if (first <= this.#accounted) return
    this.#overwritten += first - this.#accounted
    this.#accounted = first
  }

  /**
   * Reads the words of a sub-buffer, and copies it in overwrite mode; undefined when it was
   * overwritten meanwhile.
   */
  #span(sequence: number, sampledEnd: number, complete: boolean): Span | undefined {
    const { buffer } = this
    const index = sequence % this.#count
    const start = index * this.#size
    let end = sampledEnd < 0 ? Atomics.load(buffer.words, buffer.endWord(index)) - start : sampledEnd
    let count = buffer.words[buffer.countWord(index)]
    const first = buffer.countAt(buffer.firstDouble(index))
    // The owner may have died at any store, so check its words before use.
    if (end < this.#header || end > this.#size) {
      end = this.#header
      count = 0
    }
    let bytes: Uint8Array = buffer.data.subarray(start, start + this.#size)
    if (this.#scratch !== undefined) {
      this.#scratch.set(bytes.subarray(0, Math.min(this.#size, (end + 7) & -8)))
      bytes = this.#scratch
      // This is a read-modify-write, so that none of the reads above can come after it. Pairs with:
      // Writer.#publishStarted, Atomics.store of `started` before the first byte is overwritten.
      const started = Number(Atomics.add(buffer.counters, BUFFER.started >> 3, 0n))
      if (started > sequence + this.#count) return undefined
    }
    // The same check for a reset that came meanwhile. Pairs with: Writer.reset, Atomics.add.
    if (Atomics.add(buffer.words, BUFFER.resets >> 2, 0) !== this.#resets) return undefined
    this.#account(first)
    const from = Math.max(this.#header, this.#deliveredBytes)
    return {
      sequence,
      bytes,
      from,
      end,
      complete,
      records: complete ? Math.max(0, count - this.#deliveredRecords) : -1,
    }
  }
}
