/**
 * Drains one buffer of a relay channel with the ring's `Reader`: which bytes come next, when the
 * open sub-buffer may be read, and when nothing more can come. It never waits, and no writer waits
 * for it.
 *
 * Complete sub-buffers come first. The rest of the open one comes
 *
 * - at once when no thread writes the buffer: its owner went offline, or is dead;
 * - else at a flush: it is sampled, and read up to there after the grace period.
 */
import { GRACE_MS, Reader, type Span } from '@rchan/ring'
import type { Holder, ThreadBuffer } from './buffer.js'

/** Bytes of one sub-buffer, and what is known of them. */
export interface Taken {
  readonly span: Span
  /** Where the bytes start: the header belongs to the first part of its sub-buffer. */
  readonly from: number
  readonly records: number
  /** Records overwritten before these, since what was taken last. */
  readonly overwritten: number
}

/** What was delivered of a buffer, and lost. */
export interface DrainTotals {
  cpu: number
  /** Sub-buffers, or parts of them. */
  parts: number
  bytes: number
  records: number
  /** Records that were overwritten, or reset, before they were delivered. */
  overwritten: number
}

const NO_BYTES = new Uint8Array(0)

/** The drain of one buffer, in one thread. It has the buffer's claim. */
export class BufferDrain implements Holder {
  readonly buffer: ThreadBuffer
  readonly totals: DrainTotals
  readonly #reader: Reader
  readonly #flushIntervalMs: number
  readonly #now: () => number
  readonly #headerBytes: number
  #reported = 0
  /** Records delivered of the sub-buffer that is not consumed yet. */
  #partRecords = 0
  #partSequence = -1
  #partEnd = 0
  /** When the open sub-buffer was sampled; −1: it is not. */
  #sampledAtMs = -1
  #flushAtMs: number
  /** While it finishes: the sub-buffers below are wanted, and what was sampled. −1: it does not. */
  #wanted = -1
  #isClosing = false
  #isOver = false
  #isReleased = false

  /**
   * Claims the buffer.
   *
   * @returns undefined when another consumer has it, or it was freed.
   * @throws RangeError when its memory is damaged.
   */
  static claim(buffer: ThreadBuffer, flushIntervalMs: number): BufferDrain | undefined {
    if (!buffer.claim.take()) return undefined
    let drain: BufferDrain | undefined
    try {
      drain = new BufferDrain(buffer, flushIntervalMs)
      return drain
    } finally {
      if (drain === undefined) buffer.claim.release()
    }
  }

  private constructor(buffer: ThreadBuffer, flushIntervalMs: number) {
    this.buffer = buffer
    this.totals = { cpu: buffer.cpu, parts: 0, bytes: 0, records: 0, overwritten: 0 }
    this.#flushIntervalMs = flushIntervalMs
    this.#now = () => buffer.now()
    this.#flushAtMs = buffer.now() + flushIntervalMs
    this.#headerBytes = buffer.memory.geometry.headerBytes
    // Before anything is read: it keeps the memory, which its consumer keeps already.
    buffer.hold(this, true)
    let isReady = false
    try {
      this.#reader = new Reader(buffer.memory)
      this.#resume()
      isReady = true
    } finally {
      if (!isReady) buffer.letGo(this)
    }
  }

  /** Whether nothing more can come: the channel is closed, and all is delivered. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether all is delivered that was written before {@link finish}. */
  get hasFinished(): boolean {
    return this.#isOver || this.#wanted < 0
  }

  /**
   * From now on, takes what has been written up to now, the open sub-buffer included, and then
   * nothing until the next call of {@link take} after that.
   */
  finish(): void {
    if (this.#isOver || this.#isClosing) return
    this.#beginToFinish()
  }

  /** Milliseconds until it has something to do by itself; Infinity for never. */
  restMs(nowMs: number): number {
    if (this.#isOver) return Infinity
    if (this.#sampledAtMs >= 0) return Math.max(1, this.#sampledAtMs + GRACE_MS - nowMs)
    return this.#flushIntervalMs === Infinity ? Infinity : Math.max(1, this.#flushAtMs - nowMs)
  }

  /**
   * The next bytes; undefined when there are none now. They are to be given back before the next
   * call.
   *
   * @param looks whether to find out if the owner is dead.
   */
  take(looks: boolean): Taken | undefined {
    if (this.#isOver) return undefined
    if (!this.#isClosing && this.buffer.finalized) {
      this.#isClosing = true
      this.#beginToFinish()
    }
    const span = this.#complete()
    if (span !== undefined) return this.#taken(span, span.records)
    const rest = this.#rest(looks)
    if (rest !== undefined || !this.#isClosing || this.#wanted >= 0) return rest
    // The owner may have been in the middle of its last record when the channel was closed.
    if (this.#beginToFinish()) return undefined
    const uncounted = this.#uncounted()
    if (uncounted !== undefined) return uncounted
    this.#reader.settle()
    this.totals.overwritten = this.#reader.overwritten
    this.#isOver = true
    return undefined
  }

  /**
   * What was taken was used: it counts as delivered.
   *
   * @returns false when the buffer was reset meanwhile: then it does not count.
   */
  giveBack({ span, from, records }: Taken): boolean {
    if (this.#isReleased) return false
    if (!this.#reader.delivered(span, records)) return false
    const { totals } = this
    totals.parts += 1
    totals.bytes += span.end - from
    totals.records += records
    if (span.complete) {
      this.#partSequence = -1
      return true
    }
    this.#partRecords = (span.sequence === this.#partSequence ? this.#partRecords : 0) + records
    this.#partSequence = span.sequence
    this.#partEnd = span.end
    const { resets, claim } = this.buffer
    claim.part = { sequence: span.sequence, resets, bytes: span.end, records: this.#partRecords }
    return true
  }

  /** Gives the buffer up. What was not given back is the next consumer's. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#isOver = true
    this.buffer.claim.release()
    this.buffer.letGo(this)
  }

  /** The thread leaves the relay. */
  leave(): void {
    this.release()
  }

  /** Goes on where the reader before stopped in the middle of a sub-buffer. */
  #resume(): void {
    const { part } = this.buffer.claim
    const { sequence, resets, bytes, records } = part ?? { sequence: -1, resets: 0, bytes: 0, records: 0 }
    // It was left by a thread that may have died, in memory that may be damaged.
    const isSound = bytes >= 0 && bytes <= this.buffer.subbufSize && records >= 0 && records < 2 ** 32
    if (!isSound || resets !== this.buffer.resets || sequence !== this.#reader.sequence) return
    this.#reader.resume(sequence, bytes, records)
    this.#partSequence = sequence
    this.#partEnd = bytes
    this.#partRecords = records
  }

  #complete(): Span | undefined {
    const wanted = this.#wanted
    if (wanted >= 0 && this.#reader.sequence >= wanted) return undefined
    const span = this.#reader.next()
    // A lapped reader goes on with a later one.
    return span !== undefined && (wanted < 0 || span.sequence < wanted) ? span : undefined
  }

  /** The written part of the open sub-buffer, if it may be read now. */
  #rest(looks: boolean): Taken | undefined {
    const mayBeAbandoned = this.buffer.isAbandoned(looks)
    if (this.#sampledAtMs < 0 && this.#wanted < 0 && (mayBeAbandoned || this.#isFlushDue())) this.#sample()
    if (this.#sampledAtMs < 0) {
      this.#wanted = -1
      return mayBeAbandoned ? this.#uncounted() : undefined
    }
    // After the sample: if no thread has the buffer now, the bytes before that end have arrived,
    // even if a thread had it for a moment in between.
    // What this thread has written itself has arrived, too.
    const isSettled = this.buffer.isAbandoned(looks) || this.buffer.isOwn
    if (!isSettled && this.#now() - this.#sampledAtMs < GRACE_MS) return undefined
    this.#sampledAtMs = -1
    this.#wanted = -1
    const span = this.#reader.aged()
    // The records of a sub-buffer that goes on are counted with its last part.
    return span === undefined ? undefined : this.#taken(span, isSettled ? this.#reader.countOf(span) : 0)
  }

  /**
   * The records whose bytes were all delivered at flushes, in a sub-buffer that was not completed
   * and that no thread writes any more: they come with no bytes.
   */
  #uncounted(): Taken | undefined {
    if (this.#partSequence !== this.#reader.sequence) return undefined
    const end = this.#partEnd
    const span = {
      sequence: this.#partSequence,
      bytes: NO_BYTES,
      from: end,
      end,
      complete: false,
      records: -1,
    }
    const records = this.#reader.countOf(span)
    return records === 0 ? undefined : { ...this.#taken(span, records), from: end }
  }

  #isFlushDue(): boolean {
    return this.#now() >= this.#flushAtMs
  }

  #sample(): boolean {
    const hasMore = this.#reader.sample()
    const nowMs = this.#now()
    this.#sampledAtMs = hasMore ? nowMs : -1
    this.#flushAtMs = nowMs + this.#flushIntervalMs
    return hasMore
  }

  /** @returns whether there is anything to take. */
  #beginToFinish(): boolean {
    const hasOpen = this.#sample()
    // After the sample: what was sampled is below, or is the open one.
    const { produced } = this.buffer
    const hasMore = hasOpen || produced > this.#reader.sequence
    this.#wanted = hasMore ? produced : -1
    return hasMore
  }

  #taken(span: Span, records: number): Taken {
    const overwritten = this.#reader.overwritten - this.#reported
    this.#reported = this.#reader.overwritten
    this.totals.overwritten = this.#reported
    // Nothing of a sub-buffer was delivered if its bytes start behind its header.
    return { span, from: span.from === this.#headerBytes ? 0 : span.from, records, overwritten }
  }
}
