/**
 * Reading one buffer as a relay file does: where the next byte comes from, and what counts as
 * consumed. Owns the position.
 *
 * Runs on the thread that opened the file. `read` is called under the lock of the buffer's file:
 * nobody else consumes meanwhile, and no other thread resets. `splice` is called without it. Never
 * touches a word of the writer's, nor gives a sub-buffer back before it has read its padding.
 *
 * There are two ways to find what comes next:
 * - *exact*, for the thread that writes and when nobody does: as the kernel, quirks included. They
 *   are in the conformance vectors, and those are named where a rule is known from them alone.
 * - *published*, while another thread writes: what is complete, and of the open sub-buffer what has
 *   aged. The writer goes on during each step, so a sub-buffer goes by its sequence, not its index:
 *   a place in the ring alone doesn't say whether the writer has come round.
 *
 * Both take a look at the words, find a part, check that it was whole, hand it over, and only then
 * count it. So a reader that dies anywhere leaves something to be read again, and skips nothing.
 */
import { GRACE_MS } from '@rchan/ring'
import type { ThreadBuffer } from './buffer.js'
import { piecesOf, type Pipe, type SpliceResult, type Stretch } from './pieces.js'

/**
 * Takes bytes to the reader. They are valid during the call only.
 *
 * @returns whether it could; if not, the read ends with what it has.
 */
export type Copy = (bytes: Uint8Array) => boolean

/** How often a part is looked for while its writer changes what is being looked at. */
const MOST_TRIES = 16

/** How far something is consumed or read: sub-buffers, and bytes of the one after them. */
type Mark = Pick<ThreadBuffer, 'consumed' | 'bytesConsumed'>

/** What the words of a buffer said at one moment. */
interface Look extends Mark {
  readonly resets: number
  readonly produced: number
  readonly started: number
  /** Where sub-buffer `produced` is written to; `subbufSize + 1` if it is not open. */
  readonly offset: number
}

/** How far a sub-buffer was written at some time. */
type Sample = Pick<Look, 'resets' | 'produced' | 'offset'> & { readonly atMs: number }

/** What is read next, and what holds once it was handed over. */
interface Part {
  readonly bytes: Uint8Array
  readonly mark: Mark
  /** Where the position is then: a sub-buffer, and bytes from its start. */
  readonly sequence: number
  readonly from: number
}

/** The position of one relay file in its buffer. */
export class Reading {
  readonly #buffer: ThreadBuffer
  readonly #size: number
  readonly #count: number
  readonly #ringBytes: number
  #position = 0
  /** Which sub-buffer the position is in, if it is not 0, and in which life of the buffer. */
  #sequence = 0
  #life = 0
  /** How far the open sub-buffer was written some time ago. */
  #sample: Sample

  constructor(buffer: ThreadBuffer) {
    this.#buffer = buffer
    this.#size = buffer.subbufSize
    this.#count = buffer.subbufCount
    this.#ringBytes = this.#size * this.#count
    const { resets, produced, offset } = buffer
    // Nothing is thrown for words that are damaged: the file holds the buffer already.
    const isStable = buffer.produced === produced && offset >= 0 && offset <= this.#size
    this.#sample = { resets, produced, offset: isStable ? offset : 0, atMs: buffer.now() }
  }

  /** Where the next byte comes from, in bytes of the data; 0: where consumption stands. */
  get position(): number {
    return this.#position
  }

  /** Reads up to `count` bytes, and consumes them. Locked. See {@link RelayFile.read}. */
  read(count: number, copy: Copy): number {
    let got = 0
    let isExact = true
    // A count of 0 ends it here, before anything is settled or caught up with.
    for (let tries = 0; got < count && tries < MOST_TRIES; tries += 1) {
      const look = this.#look()
      if (look === undefined) continue
      // After the look: a thread that wrote during it and has stopped has stored all that it shows.
      // Asked once in vain, not again: to prove that a thread lives costs a call of the system.
      isExact &&= this.#buffer.isSettled
      const part = isExact ? this.#exact(look, count - got) : this.#published(look, count - got)
      if (part === 'changed') continue
      if (part === undefined || !copy(part.bytes)) break
      this.#store(part.mark)
      this.#standAt(part.sequence, part.from, look.resets)
      got += part.bytes.length
      tries = -1
    }
    return got
  }

  /** Hands complete sub-buffers to a pipe. See {@link RelayFile.splice}. */
  splice(pipe: Pipe, length: number, nonBlocking: boolean): SpliceResult {
    const nothing = nonBlocking ? 'again' : 0
    let moved = 0
    for (let left = length; left > 0; left -= moved) {
      const look = this.#look()
      const stretch = look === undefined ? undefined : this.#stretch(look, left)
      if (stretch === undefined) return nothing
      const { from, sequence, resets } = stretch
      const taken = pipe.take(piecesOf(this.#buffer, stretch, pipe.capacity))
      if (typeof taken !== 'number') return taken
      // Padding is passed over when the pipe has all that stands before it.
      moved = taken === stretch.to - from ? taken + stretch.padding : taken
      // The position is not wrapped: it goes on growing.
      const isDone = (from % this.#size) + moved === this.#size
      this.#moveTo(this.#position + moved, isDone ? sequence + 1 : sequence, resets)
      // At most one sub-buffer with data. Padding alone uses up length, and the next one follows.
      if (taken > 0) return taken
      if (moved === 0) return nothing
    }
    // Padding used the length up, and counts as if it had been handed over.
    return moved
  }

  /**
   * Looks at the words; undefined if they changed meanwhile, or while a reset is under way.
   *
   * @throws RangeError for words that can't be right: they would lead out of the data.
   */
  #look(): Look | undefined {
    const buffer = this.#buffer
    // In this order: `consumed` before `produced`, since a splice has no lock, and then `started`.
    const { resets, consumed, bytesConsumed, produced, offset, started } = buffer
    if (resets % 2 === 1 || buffer.produced !== produced || buffer.resets !== resets) return undefined
    const areCounts = [consumed, produced, started].every(Number.isSafeInteger)
    const areOrdered = consumed >= 0 && consumed <= produced && produced <= started
    const areOffsets = bytesConsumed <= this.#size && offset >= 0 && offset <= this.#size + 1
    if (!areCounts || !areOrdered || !areOffsets) {
      throw new RangeError(
        `the buffer of cpu=${buffer.cpu} is damaged: produced=${produced} started=${started} ` +
          `consumed=${consumed} bytesConsumed=${bytesConsumed} offset=${offset}`,
      )
    }
    return { resets, consumed, bytesConsumed, produced, started, offset }
  }

  /** Where the data of a complete sub-buffer ends, in bytes from its start; bounded if damaged. */
  #endOf(index: number): number {
    return Math.min(Math.max(this.#size - this.#buffer.padding(index), 0), this.#size)
  }

  #isOpen({ produced, offset }: Look, index: number): boolean {
    return offset <= this.#size && index === produced % this.#count
  }

  /** Which sub-buffer stands at an index; below 0 if none ever did. */
  #sequenceAt(look: Look, index: number): number {
    if (this.#isOpen(look, index)) return look.produced
    const last = look.produced - 1
    return last - this.#indexOf(last - index)
  }

  /** The index of a sub-buffer; of one below 0, too. */
  #indexOf(sequence: number): number {
    return ((sequence % this.#count) + this.#count) % this.#count
  }

  #store({ consumed, bytesConsumed }: Mark): void {
    const buffer = this.#buffer
    // In this order, and it clears the bytes first: a reader that dies in here skips none.
    if (consumed !== buffer.consumed) buffer.subbufConsumed(consumed)
    if (bytesConsumed !== buffer.bytesConsumed) buffer.bytesConsumedTo(bytesConsumed)
  }

  /** Moves to a place in a sub-buffer. The end of one without padding is the start of the next. */
  #standAt(sequence: number, from: number, life: number): void {
    const position = (this.#indexOf(sequence) * this.#size + from) % this.#ringBytes
    this.#moveTo(position, from === this.#size ? sequence + 1 : sequence, life)
  }

  #moveTo(position: number, sequence: number, life: number): void {
    this.#position = position
    this.#sequence = sequence
    this.#life = life
  }

  /** What the kernel would read next. */
  #exact(look: Look, want: number): Part | 'changed' | undefined {
    // All that is written is consumed: there is nothing to settle. (consumed-keeps-partial)
    if (look.produced === look.consumed && look.offset === look.bytesConsumed) return undefined
    // What was read before is settled first: the writer may have gone on since.
    const settled = this.#grown(look, look, this.#position % this.#ringBytes, 0)
    const mark = this.#caughtUp(look, settled)
    const part = this.#isLevel(look, mark) ? undefined : this.#exactPart(look, mark, want)
    // While nobody writes, somebody may begin to. After the last read of what the look showed, and
    // before anything is stored: still nobody does, and no sub-buffer was begun since.
    const { isOwn, isSettled } = this.#buffer
    if (!isOwn && !(isSettled && this.#buffer.isIntact(look.started - this.#count, look.resets)))
      return 'changed'
    this.#store(mark)
    return part
  }

  /** A writer that lapped the reader moves consumption forward. One that was refused has not. */
  #caughtUp({ produced, offset }: Look, mark: Mark): Mark {
    const isLapped = offset <= this.#size && produced - mark.consumed >= this.#count
    return isLapped ? { consumed: produced - this.#count + 1, bytesConsumed: 0 } : mark
  }

  /** Whether all is consumed; without an open sub-buffer only the counts tell. */
  #isLevel({ produced, offset }: Look, { consumed, bytesConsumed }: Mark): boolean {
    if (offset > this.#size) return produced === consumed
    return (produced - consumed) * this.#size === bytesConsumed - offset
  }

  #exactPart(look: Look, mark: Mark, want: number): Part | undefined {
    const size = this.#size
    let at = this.#position % this.#ringBytes
    // Position 0 stands for where consumption stands.
    if (at === 0) at = ((mark.consumed % this.#count) * size + mark.bytesConsumed) % this.#ringBytes
    let index = Math.floor(at / size)
    // A place in padding moves to the next sub-buffer. Once only: an empty one ends the read.
    if (at >= index * size + this.#endOf(index)) {
      index = (index + 1) % this.#count
      at = index * size
    }
    const isOpen = this.#isOpen(look, index)
    const end = index * size + (isOpen ? look.offset : this.#endOf(index))
    const length = Math.min(end - at, want)
    if (length <= 0) return undefined
    // The end of a complete sub-buffer's data skips its padding; that of the buffer wraps to 0.
    const isDone = at + length === end && !isOpen
    const { data } = this.#buffer.memory
    return {
      // Another thread's reader gets a copy: a writer may come at any time.
      bytes: this.#buffer.isOwn ? data.subarray(at, at + length) : data.slice(at, at + length),
      mark: this.#grown(look, mark, at, length),
      sequence: this.#sequenceAt(look, index),
      from: isDone ? size : at + length - index * size,
    }
  }

  /** What is consumed once `length` more bytes are, read at the place `at`. */
  #grown({ produced, offset }: Look, mark: Mark, at: number, length: number): Mark {
    // No more than the ready ones are given back.
    const next = Math.min(mark.consumed + 1, produced)
    // More than a sub-buffer holds: the one before is consumed, and counting begins again.
    // (overwrite-stale-position, flush-twice-brimful)
    const isOver = mark.bytesConsumed + length > this.#size
    const consumed = isOver ? next : mark.consumed
    const bytesConsumed = (isOver ? 0 : mark.bytesConsumed) + length
    // Place 0 stands for the sub-buffer to be consumed, also where bytes come from the first one.
    // (random-0119, random-0004)
    const index = at === 0 ? consumed % this.#count : Math.floor(at / this.#size)
    // A sub-buffer is consumed when bytes and padding make it up, exactly. (random-0001)
    const isWhole = bytesConsumed === this.#endOf(index)
    // But not while the writer stands in it: then it is exactly full and not yet switched.
    const isBrimful = index === produced % this.#count && offset === this.#size
    if (!isWhole || isBrimful) return { consumed, bytesConsumed }
    return { consumed: Math.min(consumed + 1, produced), bytesConsumed: 0 }
  }

  /** What can be read while another thread writes. */
  #published(look: Look, want: number): Part | 'changed' | undefined {
    const buffer = this.#buffer
    const { produced, resets } = look
    // What its writer has begun to overwrite is lost. (In discard mode it never does.)
    if (look.consumed < look.started - this.#count) {
      buffer.subbufConsumed(look.started - this.#count)
      return 'changed'
    }
    const mark = this.#settled(look)
    if (mark === undefined) return 'changed'
    // The position counts as long as its sub-buffer was not given back, in the same life; if not,
    // the writer may have come round, and reading goes on where consumption stands.
    const isOurs = this.#life === resets && this.#sequence >= mark.consumed
    const isOwn = isOurs && this.#position % this.#ringBytes !== 0
    const place = isOwn ? this.#skipped(look, this.#sequence, this.#position % this.#size) : mark
    const { consumed: sequence, bytesConsumed: from } = place
    if (this.#position !== 0) this.#standAt(sequence, from, resets)
    if (sequence > produced) return undefined
    const index = sequence % this.#count
    const end = sequence < produced ? this.#endOf(index) : this.#agedEnd(look, from)
    const to = Math.min(end, from + want)
    if (to <= from) return undefined
    const at = index * this.#size
    const bytes = buffer.memory.data.slice(at + from, at + to)
    // After the copy, and before any of it counts.
    if (!buffer.isIntact(sequence, resets) || !buffer.memory.hasLabel(index, sequence)) return 'changed'
    const next =
      sequence < produced && to === end ? { sequence: sequence + 1, from: 0 } : { sequence, from: to }
    // Consumption never goes back: another file may have read further in this sub-buffer.
    const bytesConsumed = Math.max(next.from, next.sequence === mark.consumed ? mark.bytesConsumed : 0)
    return { bytes, mark: { consumed: next.sequence, bytesConsumed }, ...next }
  }

  /** The first place at or behind this one that is not at the end of a complete sub-buffer. */
  #skipped({ produced }: Look, consumed: number, bytesConsumed: number): Mark {
    if (consumed >= produced || bytesConsumed < this.#endOf(consumed % this.#count))
      return { consumed, bytesConsumed }
    let next = consumed + 1
    while (next < produced && this.#endOf(next % this.#count) === 0) next += 1
    return { consumed: next, bytesConsumed: 0 }
  }

  /** Gives back sub-buffers of which all is consumed. Undefined if they were overwritten. */
  #settled(look: Look): Mark | undefined {
    const mark = this.#skipped(look, look.consumed, look.bytesConsumed)
    if (mark.consumed === look.consumed) return look
    // All ends were read by now: its writer may begin anew at once what is given back.
    if (!this.#buffer.isIntact(look.consumed, look.resets)) return undefined
    this.#store(mark)
    return mark
  }

  /** How far the open sub-buffer can be read, at least `from`: to an offset that has aged. */
  #agedEnd({ resets, produced, offset }: Look, from: number): number {
    const sample = this.#sample
    const nowMs = this.#buffer.now()
    const isCurrent = sample.produced === produced && sample.resets === resets
    // One sample ages until it was used. A newer one in its place would never get old enough.
    if (isCurrent && sample.offset > from) return nowMs - sample.atMs >= GRACE_MS ? sample.offset : from
    this.#sample = { resets, produced, offset: offset <= this.#size ? offset : 0, atMs: nowMs }
    return from
  }

  /** What a pipe can be offered; undefined if nothing is complete. */
  #stretch(look: Look, left: number): Stretch | undefined {
    const { produced, consumed, resets } = look
    if (produced === consumed) return undefined
    const from = this.#position % this.#ringBytes
    const index = Math.floor(from / this.#size)
    const sequence = this.#sequenceAt(look, index)
    // The kernel hands out what stands there (splice-overwritten); a thread may be writing it.
    if ((sequence < consumed || sequence >= produced) && !this.#buffer.isSettled) return undefined
    const dataEnd = index * this.#size + this.#endOf(index)
    const to = Math.max(from, Math.min(dataEnd, from + left))
    return { sequence, from, to, padding: to < dataEnd ? 0 : (index + 1) * this.#size - to, resets }
  }
}
