/**
 * The reader of a global buffer: each record once, in order, or counted as overwritten or torn.
 * Runs on the one thread that drains the buffer, while any number of threads write it.
 *
 * What may be read, and why it is whole:
 *
 * - A *complete* sub-buffer: it is closed, and as much is committed as was reserved in it. A writer
 *   commits by an `Atomics.add` after its last store, and we load that sum by an `Atomics.load`.
 * - The open sub-buffer, when all that is reserved in it is committed, and the state is the same
 *   before and after we look. There is nothing to wait for: unlike the ends of a `Writer`, commits
 *   are Atomics operations.
 *
 * A writer that sleeps between reserve and commit holds its sub-buffer up until it goes on, and its
 * sub-buffer is not reused until then; the other writers go on meanwhile as long as there are free
 * ones. If it is dead, {@link GlobalReader.recover} commits for it, and says where its record would
 * have been: a hole.
 *
 * In discard mode nobody touches a sub-buffer before it was given back, so the bytes are handed on
 * from where they stand. In overwrite mode it may be started again at any time: we copy, and then
 * load the state by a read-modify-write. Only a copy of what was not started again is delivered.
 */
import { GLOBAL, GLOBAL_SLOT, GlobalBuffer } from './buffer.js'
import { GlobalRecovery } from './recovery.js'
import { GlobalState } from './state.js'
import { PHASE } from './writer.js'
import type { Span } from '../reader.js'

/** A piece of a sub-buffer, in bytes from the start of it. */
export interface Hole {
  readonly from: number
  readonly end: number
}

/** Bytes of a global buffer that can be delivered. */
export interface GlobalSpan extends Span {
  /**
   * Pieces between `from` and `end` in which there is no record, in order, apart from each other:
   * records of dead threads, and room that a thread gave up. What is behind a hole is the start of
   * a record, or `end`.
   */
  readonly holes: readonly Hole[]
  /** Whether the header was filled: its writer may have died before. */
  readonly headed: boolean
}

/** How far a buffer is written: so many bytes in this sub-buffer. */
export interface Extent {
  readonly sequence: number
  readonly bytes: number
}

/**
 * Drains a global buffer. One at a time exists for a buffer.
 *
 * @example
 * for (let span = reader.next(); span !== undefined; span = reader.next()) {
 *   if (span.holes.length === 0) fs.writeSync(file, span.bytes, span.from, span.end - span.from)
 *   reader.delivered(span, span.records)
 * }
 * reader.recover((identity) => gone.has(identity))
 */
export class GlobalReader {
  readonly buffer: GlobalBuffer
  readonly #state: GlobalState
  readonly #recovery: GlobalRecovery
  readonly #size: number
  readonly #count: number
  readonly #header: number
  readonly #unit: number
  readonly #scratch: Uint8Array | undefined
  /** The sub-buffer that is delivered next, or of which a part was delivered. */
  #sequence: number
  /** Bytes of it that are delivered, its header included; 0 for none. */
  #deliveredBytes = 0
  /** Records of it that are delivered. */
  #deliveredRecords = 0

  /** @throws TypeError for what is no global buffer; RangeError when it is damaged. */
  constructor(buffer: GlobalBuffer) {
    if (!(buffer instanceof GlobalBuffer)) throw new TypeError('a GlobalReader reads a GlobalBuffer')
    const { subbufSize, subbufCount, headerBytes, unitBytes, mode } = buffer.geometry
    this.buffer = buffer
    this.#state = new GlobalState(buffer)
    this.#recovery = new GlobalRecovery(this.#state)
    this.#size = subbufSize
    this.#count = subbufCount
    this.#header = headerBytes
    this.#unit = unitBytes
    this.#scratch = mode === 'overwrite' ? new Uint8Array(subbufSize) : undefined
    // Plain: only a reader stores it.
    const sequence = buffer.doubles[GLOBAL.sequence >> 3]
    if (!Number.isSafeInteger(sequence) || sequence < 0) {
      throw new RangeError(
        `the global buffer is damaged: sequence=${sequence} is not how many sub-buffers were read`,
      )
    }
    this.#sequence = sequence
  }

  /** Records that were overwritten before they could be delivered, as far as is known. */
  get overwritten(): number {
    return this.buffer.countAt(GLOBAL.overwritten >> 3)
  }

  /** Records that dead threads left half written, and those that had to be given up with them. */
  get torn(): number {
    return this.buffer.countAt(GLOBAL.torn >> 3)
  }

  /** The next complete sub-buffer, or what is left of it; undefined when there is none. */
  next(): GlobalSpan | undefined {
    const state = this.#state
    for (;;) {
      this.#skipOverwritten()
      const sequence = this.#sequence
      if (sequence >= state.started) return undefined
      if (sequence === state.started - 1) {
        if (!state.closed) return undefined
        // The thread that closed it may not have come as far.
        if (!state.noteEnd()) continue
      }
      if (!state.complete(sequence)) {
        if (state.load().lapped(sequence)) continue
        return undefined
      }
      const span = this.#span(sequence, state.endUnits(sequence) * this.#unit, true)
      if (span === undefined) continue
      if (span.end > span.from) return span
      this.delivered(span, 0)
    }
  }

  /**
   * The part of the open sub-buffer that is written; undefined when there is nothing new in it, or
   * while a thread still has to commit there. Complete sub-buffers come first: call {@link next}
   * until it has nothing.
   */
  newest(): GlobalSpan | undefined {
    const state = this.#state
    this.#skipOverwritten()
    const sequence = this.#sequence
    if (sequence !== state.started - 1 || state.closed) return undefined
    const { reserved } = state
    if (state.committedUnits(sequence) !== reserved || !state.same()) return undefined
    const span = this.#span(sequence, reserved * this.#unit, false)
    return span !== undefined && span.end > span.from ? span : undefined
  }

  /**
   * Marks a span as delivered; a complete sub-buffer is given back to the writers.
   *
   * @param records how many records were in it. Of a complete sub-buffer, what is missing is
   * counted as torn.
   * @param end how far an incomplete one was taken, if not to its end.
   */
  delivered(span: GlobalSpan, records: number, end = span.end): void {
    const { words, doubles } = this.buffer
    const accounted = this.buffer.accountedDouble(span.sequence % this.#count)
    if (!span.complete) {
      doubles[accounted] += records
      this.#deliveredBytes = end
      this.#deliveredRecords += records
      return
    }
    doubles[accounted] += span.records
    doubles[GLOBAL.torn >> 3] += span.records - records
    this.#skipTo(span.sequence + 1)
    doubles[GLOBAL.sequence >> 3] = span.sequence + 1
    // Our last read of the sub-buffer came before this. Pairs with: GlobalState.mayStart.
    Atomics.store(words, GLOBAL.consumed >> 2, (span.sequence + 1) | 0)
  }

  /**
   * Cleans up after dead writers: what they held up can be delivered then and its memory reused,
   * and their slots are free for other threads. A claim that is unclear is decided in the second of
   * two calls between which nothing changed, so this is for calling now and then.
   *
   * @param isDead whether a thread is proven dead: it will not store again, and all that it stored
   * is visible.
   * @returns whether there is more to do in a later call.
   */
  recover(isDead: (identity: number) => boolean): boolean {
    return this.#recovery.run(isDead)
  }

  /**
   * Closes the open sub-buffer if something was written in it, so that {@link next} has it once all
   * is committed.
   */
  flush(): void {
    this.#state.flush(this.#header / this.#unit)
  }

  /**
   * No record is written any more: the open sub-buffer is closed, and none is started again. Any
   * thread may.
   */
  finalize(): void {
    this.#state.finalize()
  }

  /** How far the buffer is written now, records that are not committed yet included. */
  written(): Extent {
    const state = this.#state.load()
    const sequence = state.started - 1
    return state.closed
      ? { sequence: sequence + 1, bytes: 0 }
      : { sequence, bytes: state.reserved * this.#unit }
  }

  /** Whether all up to there was delivered, or lost. */
  hasDelivered({ sequence, bytes }: Extent): boolean {
    this.#skipOverwritten()
    if (this.#sequence !== sequence) return this.#sequence > sequence
    return Math.max(this.#header, this.#deliveredBytes) >= bytes
  }

  /**
   * Records that were written and are neither delivered nor counted as lost. Once the writers have
   * stopped.
   */
  remaining(): number {
    this.#skipOverwritten()
    let sum = 0
    for (let index = 0; index < this.#count; index += 1) {
      sum += this.buffer.writtenAt(index) - this.buffer.countAt(this.buffer.accountedDouble(index))
    }
    return sum
  }

  /**
   * Goes to the oldest sub-buffer that is not overwritten, and counts what was in those before it.
   * Loads the state.
   */
  #skipOverwritten(): void {
    const state = this.#state
    for (;;) {
      if (!state.load().isCountable) {
        throw new RangeError(`the global buffer is damaged: started=${state.started} sub-buffers can't be`)
      }
      if (!state.lapped(this.#sequence)) return
      // One lap back is enough: the base of a sub-buffer counts all that was ever at its place.
      const sequence = Math.max(this.#sequence, state.started - 2 * this.#count)
      const reused = sequence + this.#count
      const base = state.base(reused)
      // The base after the next stands in the same word, and has records of sub-buffers that can
      // still be delivered.
      if (state.load().lapped(reused)) continue
      this.#account(sequence % this.#count, base)
      this.#skipTo(sequence + 1)
    }
  }

  #skipTo(sequence: number): void {
    this.#sequence = sequence
    this.#deliveredBytes = 0
    this.#deliveredRecords = 0
  }

  /** What was written at this place up to `base` and is not accounted for was overwritten. */
  #account(index: number, base: number): void {
    const { doubles } = this.buffer
    const accounted = this.buffer.accountedDouble(index)
    const before = this.buffer.countAt(accounted)
    if (base <= before) return
    doubles[GLOBAL.overwritten >> 3] = this.overwritten + base - before
    doubles[accounted] = base
  }

  /**
   * Reads what is known of a sub-buffer, copies it in overwrite mode; undefined when it was
   * overwritten meanwhile.
   */
  #span(sequence: number, reached: number, complete: boolean): GlobalSpan | undefined {
    const { buffer } = this
    const state = this.#state
    const index = sequence % this.#count
    const start = index * this.#size
    const from = Math.max(this.#header, this.#deliveredBytes)
    const base = state.base(sequence)
    // In memory that was damaged, there may be no such place, and nothing is delivered of what was
    // written.
    const end = reached > this.#size || reached < from ? from : reached
    const records = complete ? Math.max(0, buffer.writtenAt(index) - base - this.#deliveredRecords) : -1
    const holes = this.#holes(sequence)
    let bytes: Uint8Array = buffer.data.subarray(start, start + this.#size)
    if (this.#scratch !== undefined) {
      this.#scratch.set(bytes.subarray(0, end))
      bytes = this.#scratch
      // Pairs with: GlobalState.start.
      if (state.loadAfterReads().lapped(sequence)) return undefined
    }
    this.#account(index, base)
    return {
      sequence,
      bytes,
      from,
      end,
      complete,
      records,
      holes: holes.filter((hole) => hole.end > from && hole.from < end),
      headed: this.#header === 0 || holes.length === 0 || holes[0].from > 0,
    }
  }

  /** The holes of a sub-buffer, sorted, apart from each other. */
  #holes(sequence: number): Hole[] {
    const { buffer } = this
    const { words, doubles } = buffer
    const holes: Hole[] = []
    const add = (low: number, units: number): void => {
      const from = this.#state.unitsOf(low) * this.#unit
      const end = Math.min(this.#size, from + units * this.#unit)
      // Not in memory that was damaged.
      if (from < end) holes.push({ from, end })
    }
    const used = buffer.slotsUsed()
    // Plain: a hole is ours, and a gap was stored before it was committed.
    for (let slot = 0; slot < used; slot += 1) {
      const word = (at: number): number => words[buffer.slotWord(slot, at)]
      if (
        word(GLOBAL_SLOT.phase) === PHASE.hole &&
        doubles[buffer.slotDouble(slot, GLOBAL_SLOT.holeSequence)] === sequence
      ) {
        add(word(GLOBAL_SLOT.claimAt), word(GLOBAL_SLOT.claimUnits))
      }
      if (
        word(GLOBAL_SLOT.gapUnits) !== 0 &&
        doubles[buffer.slotDouble(slot, GLOBAL_SLOT.gapSequence)] === sequence
      ) {
        add(word(GLOBAL_SLOT.gapAt), word(GLOBAL_SLOT.gapUnits))
      }
    }
    if (holes.length < 2) return holes
    holes.sort((one, other) => one.from - other.from)
    const apart: Hole[] = []
    for (const hole of holes) {
      const last = apart.at(-1)
      if (last === undefined || hole.from > last.end) apart.push(hole)
      else apart[apart.length - 1] = { from: last.from, end: Math.max(last.end, hole.end) }
    }
    return apart
  }
}
