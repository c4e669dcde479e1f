/**
 * A relay file: the kernel's face for reading one buffer, with its own position. It is exact,
 * quirks included. A `Reader` delivers each byte once and in order.
 *
 * Any thread may open one. Several may be open on one buffer: they share what is consumed, and have
 * a position each. A lock of the buffer's keeps their reads apart. For the thread that writes, and
 * when no thread does, a read is exact. From another thread it ends where bytes have been published
 * or have aged. Bytes that the writer begins to overwrite while they are copied are not delivered.
 * An open file, or a mapping made through it, keeps the buffer's memory.
 *
 * ```text
 *   data   |  0      | 1    ·····|  2  ···|        | 3     a position is a place in here
 *               ▲ consumed,       ▲ `offset` in `data`       ····· padding
 *                 bytesConsumed
 * ```
 */
import { PAGE_BYTES } from '@rchan/ring'
import { insideOf, type Holder, type ThreadBuffer } from './buffer.js'
import type { Pipe, SpliceResult } from './pieces.js'
import { Reading, type Copy } from './reading.js'
import type { RelayBuffer } from './relay-buffer.js'

export type { Copy }

/**
 * What {@link RelayFile.poll} finds: a complete sub-buffer, a channel that was closed, or neither.
 */
export type PollState = 'readable' | 'error' | 'nothing'

/** The memory of a buffer, live. docs/relay.md says how it is read while another thread writes. */
export interface Mapping {
  /** The buffer's pages from where the mapping starts; what lies behind them can't be read. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /** Pages of the mapping that lie behind the buffer. */
  readonly missingPages: number
  /**
   * What the mapping shows of a complete sub-buffer: its bytes without padding, live. The writer
   * may begin to overwrite them at any time, so ask {@link RelayBuffer.isIntact} after they were
   * used or copied.
   *
   * @param sequence of the sub-buffer, counted since the last reset: one of the last `subbufCount`
   * below `produced`.
   */
  subbuf(sequence: number): Uint8Array<SharedArrayBuffer>
}

/**
 * An open relay file.
 *
 * @example
 * const file = new RelayFile(buffer)
 * const bytes = file.readBytes(65536)
 * file.release()
 */
export class RelayFile {
  readonly buffer: RelayBuffer
  readonly #inside: ThreadBuffer
  readonly #reading: Reading
  readonly #mappings: Mapping[] = []
  #open = true
  /** Whether this thread has left the relay, which released it. */
  #hasLeft = false
  readonly #holder: Holder = { leave: () => this.#leave() }

  /**
   * Opens the file of a buffer. Its channel's client is told of mappings.
   *
   * @throws Error when the buffer was freed, or this thread has left the relay.
   */
  constructor(buffer: RelayBuffer) {
    const inside = insideOf(buffer)
    inside.hold(this.#holder)
    this.buffer = buffer
    this.#inside = inside
    this.#reading = new Reading(inside)
  }

  /**
   * Where the next byte comes from, in bytes from the start of the data; 0 stands for "where
   * consumption stands".
   */
  get position(): number {
    return this.#reading.position
  }
  /** Whether it was not released yet. */
  get isOpen(): boolean {
    return this.#open
  }
  /** How many mappings there are. */
  get mappingCount(): number {
    return this.#mappings.length
  }

  /**
   * Looks for a complete sub-buffer; never reports a partial one.
   *
   * @param wake is called once, at the next switch, if there is neither data nor an error now; also
   * at a switch that leaves the buffer full. If this thread writes it is called within the switch,
   * else from the event loop. A close does not call it.
   */
  poll(wake?: () => void): PollState {
    this.#mustBeOpen('poll')
    if (this.buffer.finalized) return 'error'
    if (!this.buffer.isEmpty) return 'readable'
    if (wake !== undefined) this.#inside.whenProduced(wake)
    return 'nothing'
  }

  /**
   * Sleeps until there is a complete sub-buffer, or the channel was closed. Blocks the calling
   * thread. A close wakes nobody, as in the kernel: it is found when the time is over.
   *
   * @param timeoutMs how long to sleep at most, in milliseconds; may be Infinity.
   * @returns what {@link poll} finds then.
   */
  wait(timeoutMs: number): PollState {
    const found = this.poll()
    if (found !== 'nothing') return found
    this.#inside.sleepUntilProduced(timeoutMs)
    return this.poll()
  }

  /**
   * Reads up to `count` bytes, also of the sub-buffer being written, and consumes them. Padding is
   * left out. Any thread. While another one writes, the read ends at what was published, or was
   * seen by an earlier read and has aged by 10 ms.
   *
   * @param copy gets the live memory when no other thread writes, else a copy of it. It is called
   * once for each sub-buffer.
   * @returns how many bytes were copied.
   * @throws RangeError if `count` is not a whole number.
   */
  read(count: number, copy: Copy): number {
    this.#mustBeOpen('read')
    checkCount(count)
    return this.#inside.locked(() => this.#reading.read(count, copy))
  }

  /** Reads up to `count` bytes into new memory; see {@link read}. */
  readBytes(count: number): Uint8Array {
    const parts: Uint8Array[] = []
    const bytes = new Uint8Array(this.read(count, (part) => parts.push(part.slice()) > 0))
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  /**
   * Maps the buffer. Its `produced`, `consumed` and `padding` say what is ready in it. Give back
   * what was used by {@link consumeTo}, or by the buffer's `subbufsConsumed`. Any thread.
   *
   * @param length of the mapping in bytes: exactly the channel's `allocSize`.
   * @param pageOffset where it starts, in pages; pages behind the buffer's end are missing.
   * @throws RangeError for any other length.
   */
  mmap(length: number, pageOffset = 0): Mapping {
    this.#mustBeOpen('mmap')
    const { pages } = this.buffer
    if (length !== pages.length)
      throw new RangeError(`mmap length=${length} of a buffer of ${pages.length} bytes`)
    checkCount(pageOffset)
    const from = Math.min(pageOffset * PAGE_BYTES, length)
    const bytes = pages.subarray(from)
    const mapping: Mapping = {
      bytes,
      missingPages: from / PAGE_BYTES,
      subbuf: (sequence) => {
        const { subbufSize, subbufCount } = this.buffer
        const index = sequence % subbufCount
        const end = (index + 1) * subbufSize - this.buffer.padding(index)
        return bytes.subarray(Math.max(0, index * subbufSize - from), Math.max(0, end - from))
      },
    }
    this.#inside.tellOfMapping(true, this)
    this.#mappings.push(mapping)
    return mapping
  }

  /**
   * For readers of a mapping: declares all sub-buffers before `sequence` consumed, at most those
   * that were produced. What is consumed already stays consumed. Any thread, not while a `Reader`
   * drains the buffer.
   *
   * @param resets the buffer's `resets` before `sequence` was found.
   * @returns false when the buffer was reset since: `sequence` belongs to another life, and nothing
   * was done.
   */
  consumeTo(sequence: number, resets: number): boolean {
    this.#mustBeOpen('consumeTo')
    checkCount(sequence)
    const buffer = this.#inside
    // A reset holds this lock, too.
    return buffer.locked(() => {
      if (buffer.resets !== resets) return false
      const to = Math.min(sequence, buffer.produced)
      if (to <= buffer.consumed) return true
      buffer.subbufConsumed(to)
      return true
    })
  }

  /**
   * Undoes a mapping, by default the latest. If the file was released before, its reference goes
   * with the last mapping.
   *
   * @returns whether the reference was let go.
   * @throws Error when there is no such mapping.
   */
  munmap(mapping: Mapping | undefined = this.#mappings.at(-1)): boolean {
    const index = mapping === undefined ? -1 : this.#mappings.indexOf(mapping)
    if (index < 0) throw new Error('munmap of a relay file without that mapping')
    this.#mappings.splice(index, 1)
    const isLast = !this.#open && this.#mappings.length === 0
    try {
      this.#inside.tellOfMapping(false, this)
    } finally {
      if (isLast) this.#inside.letGo(this.#holder)
    }
    return isLast
  }

  /**
   * Hands up to `length` bytes of complete sub-buffers to a pipe without copying them: at most one
   * sub-buffer with data. Any thread; in discard mode only, when another one writes. A sub-buffer
   * counts as consumed when the pipe has released its pieces.
   *
   * @param nonBlocking whether 'again' is the answer when there is nothing, instead of 0.
   * @returns bytes that the pipe took, or the pipe's refusal. If there was only padding, its size.
   */
  splice(pipe: Pipe, length: number, nonBlocking = false): SpliceResult {
    this.#mustBeOpen('splice')
    checkCount(length)
    return this.#reading.splice(pipe, length, nonBlocking)
  }

  /**
   * Closes the file. A mapping made through it keeps the buffer until it is undone.
   *
   * @returns whether the reference was let go.
   */
  release(): boolean {
    this.#mustBeOpen('release')
    this.#open = false
    if (this.#mappings.length > 0) return false
    this.#inside.letGo(this.#holder)
    return true
  }

  /** The thread leaves the relay: releases the file, and undoes its mappings. */
  #leave(): void {
    this.#open = false
    this.#hasLeft = true
    for (let left = this.#mappings.splice(0).length; left > 0; left -= 1) {
      try {
        this.#inside.tellOfMapping(false, this)
      } catch (error) {
        // Its client is not told: the file thread has ended, or its callback threw.
        this.#inside.threw('bufUnmapped', error)
      }
    }
    this.#inside.letGo(this.#holder)
  }

  #mustBeOpen(operation: string): void {
    if (this.#hasLeft) throw new Error(`${operation} on a relay file of a relay that this thread has left`)
    if (!this.#open) throw new Error(`${operation} on a relay file that was released`)
  }
}

function checkCount(count: number): void {
  if (!Number.isInteger(count) || count < 0) throw new RangeError(`count=${count} of a relay file`)
}
