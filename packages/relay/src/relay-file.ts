/**
 * A relay file: the kernel's face for reading one buffer, with its own position. Exact, quirks included; whoever wants
 * each byte once and in order takes a `Reader`.
 *
 * Runs on the thread that writes the buffer. Several may be open on one buffer: they share what is consumed, and a
 * position each. An open file, or a mapping made through it, keeps the buffer's memory.
 *
 * ```text
 *   data   |  0      | 1    ·····|  2  ···|        | 3       a position is a place in here, 0 to subbufSize * subbufCount
 *               ▲ consumed,       ▲ `offset` in `data`       ····· padding
 *                 bytesConsumed
 * ```
 */
import { PAGE_BYTES } from './buffer.js'
import type { RelayBuffer } from './relay-buffer.js'
import { splicePiecesOf, type Pipe, type SpliceResult } from './relay-splice.js'

/** What {@link RelayFile.poll} finds: a complete sub-buffer, a channel that was closed, or neither. */
export type PollState = 'readable' | 'error' | 'nothing'

/** The memory of a buffer, live. */
export interface Mapping {
  /** The buffer's pages from where the mapping starts; what lies behind them can't be read. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /** Pages of the mapping that lie behind the buffer. */
  readonly missingPages: number
}

/**
 * Copies bytes of the live memory to the reader.
 *
 * @returns whether it could; if not, the read ends with what it has.
 */
export type Copy = (bytes: Uint8Array<SharedArrayBuffer>) => boolean

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
  readonly #readable: boolean
  readonly #mappings: Mapping[] = []
  #position = 0
  #open = true

  /**
   * Opens the file of a buffer. Its channel's client is told of mappings.
   *
   * @param readable whether it was opened for reading; else `poll` reports only that the channel was closed.
   */
  constructor(buffer: RelayBuffer, readable = true) {
    buffer.hold()
    this.buffer = buffer
    this.#readable = readable
  }

  /** Where the next byte comes from, in bytes from the start of the data; 0 stands for "where consumption stands". */
  get position(): number {
    return this.#position
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
   * @param wake if there is neither data nor an error: called once, at the next switch, even one that leaves the buffer
   * full. A close does not call it.
   */
  poll(wake?: () => void): PollState {
    this.#mustBeOpen('poll')
    if (this.buffer.finalized) return 'error'
    if (!this.#readable) return 'nothing'
    if (!this.buffer.isEmpty) return 'readable'
    if (wake !== undefined) this.buffer.waiters.add(wake)
    return 'nothing'
  }

  /**
   * Reads up to `count` bytes, also of the sub-buffer being written, and consumes them. Padding is left out.
   *
   * @returns how many bytes were copied.
   * @throws RangeError if `count` is not a whole number.
   */
  read(count: number, copy: Copy): number {
    this.#mustBeOpen('read')
    checkCount(count)
    let copied = 0
    while (copied < count && this.#hasData()) {
      const start = this.#start()
      const length = Math.min(this.#readableAt(start), count - copied)
      if (length <= 0 || !copy(this.buffer.memory.data.subarray(start, start + length))) break
      this.#consume(start, length)
      this.#position = this.#behind(start, length)
      copied += length
    }
    return copied
  }

  /** Reads up to `count` bytes into new memory. */
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
   * Maps the buffer. What is ready in it, the buffer's `produced`, `consumed` and `padding` say; what was used is given
   * back by `subbufsConsumed`.
   *
   * @param length of the mapping in bytes: exactly the channel's `allocSize`.
   * @param pageOffset where it starts, in pages; what it has behind the buffer's end is missing.
   * @throws RangeError for any other length.
   */
  mmap(length: number, pageOffset = 0): Mapping {
    this.#mustBeOpen('mmap')
    const { pages } = this.buffer
    if (length !== pages.length)
      throw new RangeError(`mmap length=${length} of a buffer of ${pages.length} bytes`)
    checkCount(pageOffset)
    const bytes = pages.subarray(Math.min(pageOffset * PAGE_BYTES, length))
    const mapping: Mapping = { bytes, missingPages: (length - bytes.length) / PAGE_BYTES }
    this.buffer.callbacks.bufMapped?.(this.buffer, this)
    this.#mappings.push(mapping)
    return mapping
  }

  /**
   * Undoes a mapping, by default the latest. The file's reference goes with the last one if it was released before.
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
      this.buffer.callbacks.bufUnmapped?.(this.buffer, this)
    } finally {
      if (isLast) this.buffer.letGo()
    }
    return isLast
  }

  /**
   * Hands up to `length` bytes of complete sub-buffers to a pipe without copying them: at most one sub-buffer with data.
   * A sub-buffer counts as consumed when the pipe has released its pieces.
   *
   * @param nonBlocking whether 'again' is the answer when there is nothing, instead of 0.
   * @returns bytes that the pipe took, or what it refused with. If all there was is padding, the padding's size.
   */
  splice(pipe: Pipe, length: number, nonBlocking = false): SpliceResult {
    this.#mustBeOpen('splice')
    checkCount(length)
    const { buffer } = this
    let left = length
    let result: SpliceResult = 0
    while (left > 0) {
      // Only what is complete. The position is not looked at: nothing here notices that the writer lapped it.
      if (buffer.isEmpty) return nonBlocking ? 'again' : 0
      const { pieces, bytes, padding } = splicePiecesOf(buffer, this.#position, left, pipe.capacity)
      if (pieces.length === 0) return nonBlocking ? 'again' : 0
      const taken = pipe.take(pieces)
      if (typeof taken !== 'number') return taken
      const passed = taken === bytes ? taken + padding : taken
      if (passed === 0) return nonBlocking ? 'again' : 0
      this.#position += passed
      left -= passed
      result = passed
      if (taken > 0) return taken
    }
    return result
  }

  /** A relay file can't be sought. @throws always. */
  seek(offset: number): never {
    throw new Error(`a relay file can't be sought, offset=${offset}`)
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
    this.buffer.letGo()
    return true
  }

  #mustBeOpen(operation: string): void {
    if (!this.#open) throw new Error(`${operation} on a relay file that was released`)
  }

  /** Whether there is something to read: settles what was read before, catches up with a writer that lapped us. */
  #hasData(): boolean {
    const { buffer } = this
    const { subbufSize, subbufCount } = buffer
    this.#consume(this.#position, 0)
    const { produced, offset } = buffer
    if (offset > subbufSize) return produced !== buffer.consumed
    if (produced - buffer.consumed >= subbufCount) {
      buffer.consumedTo(produced - subbufCount + 1)
      buffer.bytesConsumedTo(0)
    }
    const { consumed, bytesConsumed } = buffer
    const written = (produced % subbufCount) * subbufSize + offset
    const read = (consumed % subbufCount) * subbufSize + bytesConsumed
    // The same place may be a lap on: `bytesConsumed` can reach to the end of the ring.
    if (written !== read && written + subbufSize * subbufCount !== read) return true
    // All is read, or the writer stands a whole lap ahead, at the brim.
    return offset === subbufSize && produced > consumed
  }

  /** Where to read: at the position, or where consumption stands; a place in padding is moved behind it. */
  #start(): number {
    const { buffer } = this
    const { subbufSize, subbufCount } = buffer
    const bytes = subbufSize * subbufCount
    const at =
      this.#position === 0
        ? ((buffer.consumed % subbufCount) * subbufSize + buffer.bytesConsumed) % bytes
        : this.#position % bytes
    const index = Math.floor(at / subbufSize)
    const end = (index + 1) * subbufSize
    return at >= end - buffer.padding(index) ? end % bytes : at
  }

  /** How many bytes can be read at `start`: to the end of what is written in that sub-buffer. */
  #readableAt(start: number): number {
    const { buffer } = this
    const { subbufSize, data, offset } = buffer
    const index = Math.floor(start / subbufSize)
    const isCurrent = index * subbufSize === data && offset <= subbufSize
    const used = isCurrent ? offset : subbufSize - buffer.padding(index)
    return Math.max(0, index * subbufSize + used - start)
  }

  /** Counts bytes read at `at` as consumed, and the sub-buffer if that was all of it. */
  #consume(at: number, length: number): void {
    const { buffer } = this
    const { subbufSize, subbufCount, offset } = buffer
    // All that was written is read: there is nothing to settle.
    if (offset === buffer.bytesConsumed && buffer.isEmpty) return
    if (buffer.bytesConsumed + length > subbufSize) {
      buffer.subbufsConsumed(1)
      buffer.bytesConsumedTo(0)
    }
    const bytes = buffer.bytesConsumed + length
    buffer.bytesConsumedTo(bytes)
    const index = at === 0 ? buffer.consumed % subbufCount : Math.floor(at / subbufSize) % subbufCount
    if (bytes + buffer.padding(index) !== subbufSize) return
    // The writer still stands in it, at the brim: it is consumed by the next read after a switch.
    if (index === buffer.produced % subbufCount && offset === subbufSize) return
    buffer.subbufsConsumed(1)
    buffer.bytesConsumedTo(0)
  }

  /** The position behind what was read: the end of a sub-buffer's data skips its padding, that of the buffer wraps. */
  #behind(start: number, length: number): number {
    const { subbufSize, subbufCount } = this.buffer
    const padding = this.buffer.padding(Math.floor(start / subbufSize))
    const skipsPadding = (start % subbufSize) + length + padding >= subbufSize
    const position = start + length + (skipsPadding ? padding : 0)
    return position >= subbufSize * subbufCount ? 0 : position
  }
}

function checkCount(count: number): void {
  if (!Number.isInteger(count) || count < 0) throw new RangeError(`count=${count} of a relay file`)
}
