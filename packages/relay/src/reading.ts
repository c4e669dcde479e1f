/**
 * Reading one buffer as a relay file does: where the next byte comes from, and what of it counts as
 * consumed.
 *
 * Runs on the thread that opened the file. `read` is called under the lock of the buffer's file.
 */
import type { ThreadBuffer as RelayBuffer } from './buffer.js'
import { splicePiecesOf, type Pipe, type SpliceResult } from './pieces.js'

/**
 * Takes bytes to the reader. They are valid during the call only.
 *
 * @returns whether it could; if not, the read ends with what it has.
 */
export type Copy = (bytes: Uint8Array) => boolean

/** How far the writer is, as one look found it. */
interface Look {
  readonly produced: number
  /** Of the sub-buffer being written; beyond its size if none is. */
  readonly offset: number
  readonly resets: number
  /** Sub-buffers begun. */
  readonly started: number
  /** Whether it is this thread that writes. */
  readonly isOwn: boolean
  /** Whether nobody else wrote when it was taken. */
  readonly isSettled: boolean
  /**
   * By index, what was found of a sub-buffer before it was declared consumed: then its writer may
   * begin it anew.
   */
  readonly paddings: Map<number, number>
}

/** An offset that has not aged yet, or has. */
interface Sample {
  readonly produced: number
  readonly offset: number
  readonly resets: number
  readonly atMs: number
}

/**
 * How old a sampled offset of another thread's must be before it may be read up to, in
 * milliseconds. See `Reader`.
 */
const GRACE_MS = 10
/** How often a read tries again when the writer overtakes it; then it ends with what it has. */
const MOST_LAPS = 16

/** The position of one relay file in its buffer. */
export class Reading {
  readonly buffer: RelayBuffer
  #position = 0
  #sampled: Sample | undefined
  #aged: Sample | undefined

  constructor(buffer: RelayBuffer) {
    this.buffer = buffer
    // What is there now has aged when it is read a while later.
    this.#seen()
  }

  /**
   * Where the next byte comes from, in bytes from the start of the data; 0 stands for "where
   * consumption stands".
   */
  get position(): number {
    return this.#position
  }

  /** Reads up to `count` bytes, and consumes them. Locked. See {@link RelayFile.read}. */
  read(count: number, copy: Copy): number {
    let copied = 0
    let lapped = 0
    while (copied < count && lapped < MOST_LAPS) {
      const look = this.#look()
      if (look === undefined) break
      const start = this.#start(look)
      const length = Math.min(this.#readableAt(look, start), count - copied)
      if (length <= 0) break
      const bytes = look.isOwn
        ? this.buffer.memory.data.subarray(start, start + length)
        : this.#copyOf(look, start, length)
      if (bytes === undefined) {
        lapped += 1
        continue
      }
      if (!copy(bytes)) break
      this.#consume(look, start, length)
      this.#position = this.#behind(look, start, length)
      copied += length
    }
    return copied
  }

  /** Hands complete sub-buffers to a pipe. See {@link RelayFile.splice}. */
  splice(pipe: Pipe, length: number, nonBlocking: boolean): SpliceResult {
    const { buffer } = this
    let left = length
    let result: SpliceResult = 0
    while (left > 0) {
      // Only what is complete. The position is not looked at: nothing here notices that the writer
      // lapped it.
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

  /**
   * What there is to read: settles what was read before, catches up with a writer that lapped us.
   *
   * @returns undefined if there is nothing.
   */
  #look(): Look | undefined {
    const { buffer } = this
    const { subbufSize, subbufCount } = buffer
    const look = this.#seen()
    // A reset is under way, or its thread died in it: nothing is where it was, and nothing where it
    // will be.
    if (look.resets % 2 === 1) return undefined
    // Before anything is consumed: a position in its padding must not stay there for the next
    // sub-buffer's data. (While nobody else writes it may, and does as the kernel's.)
    const at = this.#position % (subbufSize * subbufCount)
    const position = look.isSettled || this.#position === 0 ? at : this.#start(look)
    this.#consume(look, this.#position, 0)
    if (position !== at) this.#position = position
    const { produced, offset } = look
    if (offset > subbufSize) return produced === buffer.consumed ? undefined : look
    if (produced - buffer.consumed >= subbufCount) {
      buffer.subbufConsumed(produced - subbufCount + 1)
    }
    const { consumed, bytesConsumed } = buffer
    const written = (produced % subbufCount) * subbufSize + offset
    const read = (consumed % subbufCount) * subbufSize + bytesConsumed
    // The same place may be a lap on: `bytesConsumed` can reach to the end of the ring.
    if (written !== read && written + subbufSize * subbufCount !== read) return look
    // All is read, or the writer stands a whole lap ahead, at the brim.
    return offset === subbufSize && produced > consumed ? look : undefined
  }

  /**
   * How far the writer is. For the thread that writes, and when nobody does, exactly; else up to
   * what was published or has aged: see `Reader` for why that may be read.
   */
  #seen(): Look {
    const { buffer } = this
    const { resets, started, isOwn, isSettled } = buffer
    // In this order: what is complete stays so, and an offset belongs to the sub-buffer only if
    // none was completed since.
    const { produced } = buffer
    const offset = buffer.offset
    const isSame = buffer.produced === produced
    const found = { produced, resets, started, isOwn, isSettled: false, paddings: new Map<number, number>() }
    // Another thread may have come and begun to write since the first look.
    if (isSettled && buffer.isSettled && isSame) return { ...found, offset, isSettled }
    if (offset > buffer.subbufSize && isSame) return { ...found, offset }
    const aged = this.#agedOffset(produced, offset, resets, isSame)
    return { ...found, offset: aged }
  }

  /**
   * How much of the sub-buffer that another thread writes has aged: 0 if that is not known of any.
   */
  #agedOffset(produced: number, offset: number, resets: number, isSame: boolean): number {
    const now = this.buffer.now()
    const sampled = this.#sampled
    if (sampled !== undefined && now - sampled.atMs >= GRACE_MS) {
      this.#aged = sampled
      this.#sampled = undefined
    }
    // Never of one that was refused: it may be begun by now.
    if (isSame && offset <= this.buffer.subbufSize) this.#sampled ??= { produced, offset, resets, atMs: now }
    const aged = this.#aged
    const isOfNow = aged !== undefined && aged.produced === produced && aged.resets === resets
    // What anybody has read of it was there: an offset never goes back.
    const read = this.buffer.consumed === produced ? this.buffer.bytesConsumed : 0
    return Math.max(read, isOfNow ? aged.offset : 0)
  }

  /**
   * Where to read: at the position, or where consumption stands; a place in padding is moved behind
   * it.
   */
  #start(look: Look): number {
    const { buffer } = this
    const { subbufSize, subbufCount } = buffer
    const bytes = subbufSize * subbufCount
    const at =
      this.#position === 0
        ? ((buffer.consumed % subbufCount) * subbufSize + buffer.bytesConsumed) % bytes
        : this.#position % bytes
    const index = Math.floor(at / subbufSize)
    const end = (index + 1) * subbufSize
    if (this.#isGivenBack(look, index)) return at
    return at >= end - this.#padding(look, index) ? end % bytes : at
  }

  /** How many bytes can be read at `start`: to the end of what is written in that sub-buffer. */
  #readableAt(look: Look, start: number): number {
    const { subbufSize, subbufCount } = this.buffer
    const index = Math.floor(start / subbufSize)
    const current = look.offset > subbufSize && look.produced > 0 ? look.produced - 1 : look.produced
    const isCurrent = index === current % subbufCount && look.offset <= subbufSize
    const used = isCurrent ? look.offset : subbufSize - this.#padding(look, index)
    return Math.max(0, index * subbufSize + used - start)
  }

  /** Counts bytes read at `at` as consumed, and the sub-buffer if that was all of it. */
  #consume(look: Look, at: number, length: number): void {
    const { buffer } = this
    const { subbufSize, subbufCount } = buffer
    const { produced, offset } = look
    const index = at === 0 ? -1 : Math.floor(at / subbufSize) % subbufCount
    // Before anything is consumed.
    if (index >= 0) this.#padding(look, index)
    // All that was written is read: there is nothing to settle.
    if (offset === buffer.bytesConsumed && produced === buffer.consumed) return
    if (buffer.bytesConsumed + length > subbufSize) {
      buffer.subbufConsumed()
    }
    const bytes = buffer.bytesConsumed + length
    buffer.bytesConsumedTo(bytes)
    const consumes = index >= 0 ? index : buffer.consumed % subbufCount
    if (this.#isGivenBack(look, consumes)) return
    if (bytes + this.#padding(look, consumes) !== subbufSize) return
    // The writer still stands in it, at the brim: it is consumed by the next read after a switch.
    if (consumes === produced % subbufCount && offset === subbufSize) return
    buffer.subbufConsumed()
  }

  /**
   * The position behind what was read: the end of a sub-buffer's data skips its padding, that of
   * the buffer wraps.
   */
  #behind(look: Look, start: number, length: number): number {
    const { subbufSize, subbufCount } = this.buffer
    const padding = this.#padding(look, Math.floor(start / subbufSize))
    const skipsPadding = (start % subbufSize) + length + padding >= subbufSize
    const position = start + length + (skipsPadding ? padding : 0)
    return position >= subbufSize * subbufCount ? 0 : position
  }

  /** Unused bytes at the end of the sub-buffer at `index`, as far as the look goes. */
  #padding({ produced, offset, paddings }: Look, index: number): number {
    let padding = paddings.get(index)
    if (padding === undefined) {
      const { subbufSize, subbufCount, memory } = this.buffer
      const isUnused = index >= produced || (offset <= subbufSize && index === produced % subbufCount)
      padding = isUnused ? 0 : (index + 1) * subbufSize - memory.words[memory.endWord(index)]
      paddings.set(index, padding)
    }
    return padding
  }

  /**
   * Whether what stands at `index` is consumed, and another thread may just be about to begin it
   * anew: then its padding says nothing.
   */
  #isGivenBack(look: Look, index: number): boolean {
    return !look.isSettled && this.#sequenceAt(look, index) < this.buffer.consumed
  }

  /**
   * The newest sub-buffer that stands at `index`, as far as the look goes. One that was refused was
   * not begun.
   */
  #sequenceAt({ produced, offset }: Look, index: number): number {
    const { subbufSize, subbufCount } = this.buffer
    const newest = offset > subbufSize ? produced - 1 : produced
    return newest - ((((newest - index) % subbufCount) + subbufCount) % subbufCount)
  }

  /**
   * Copies bytes that another thread's writer may begin to overwrite at any time.
   *
   * @returns undefined when it did.
   */
  #copyOf(look: Look, start: number, length: number): Uint8Array | undefined {
    const { buffer } = this
    const { subbufSize, subbufCount, memory } = buffer
    const index = Math.floor(start / subbufSize)
    const sequence = this.#sequenceAt(look, index)
    const copy = memory.data.slice(start, start + length)
    // If nothing was begun since, all of it stands, wherever the position is.
    if (buffer.isIntact(look.started - subbufCount, look.resets)) return copy
    return memory.hasLabel(index, sequence) && buffer.isIntact(sequence, look.resets) ? copy : undefined
  }
}
