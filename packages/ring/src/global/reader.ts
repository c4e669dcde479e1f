/**
 * The reader of a global buffer. It delivers each record once, in order, or counts it as
 * overwritten or torn. It runs on the one thread that drains the buffer, while any number of
 * threads write it.
 *
 * The reader may read these parts, which are whole:
 *
 * - A *complete* sub-buffer: it is closed, and all units reserved in it are committed. A writer
 *   commits by an `Atomics.add` after its last store. We load that sum by an `Atomics.load`.
 * - The open sub-buffer, when all units reserved in it are committed, and the state is the same
 *   before and after we look. No grace period is needed: unlike the ends of a `Writer`, commits are
 *   Atomics operations.
 *
 * A writer that sleeps between reserve and commit holds up its sub-buffer until it goes on. The
 * sub-buffer is not reused until then. The other writers go on meanwhile, as long as there are free
 * sub-buffers. If the writer is dead, {@link GlobalReader.recover} commits for it, and marks the
 * place of its record as a hole.
 *
 * In discard mode no thread touches a sub-buffer before the reader has given it back, so the reader
 * hands on the bytes in place. In overwrite mode a writer may start it again at any time. So we
 * copy, and then load the state by a read-modify-write. The copy is delivered only if the
 * sub-buffer was not started again.
 *
 * A reader that *keeps* takes nothing: it reads what is in the buffer at a moment, and its accounts
 * are its own (see ring's `Reader`). The reader that drains the buffer, on the same thread, still
 * has to `recover` after the dead.
 */
import { GLOBAL, GLOBAL_SLOT, GlobalBuffer } from './buffer.js'
import { GlobalRecovery } from './recovery.js'
import { GlobalState } from './state.js'
import { PHASE } from './writer.js'
import type { ReaderOptions, Span } from '../reader.js'

/** A piece of a sub-buffer, in bytes from its start. */
export interface Hole {
  readonly from: number
  readonly end: number
}

/** Bytes of a global buffer to deliver. */
export interface GlobalSpan extends Span {
  /**
   * Pieces between `from` and `end` without a record, in order, apart from each other: records of
   * dead threads, and room that a thread gave up. A hole is followed by the start of a record, or
   * by `end`.
   */
  readonly holes: readonly Hole[]
  /** Whether the header was filled. Its writer may have died before it filled it. */
  readonly headed: boolean
}

/** How far a buffer is written: the number of bytes in this sub-buffer. */
export interface Extent {
  readonly sequence: number
  readonly bytes: number
}

/** The accounts of a reader that keeps. */
interface OwnAccounts {
  overwritten: number
  torn: number
  /** By index: records ever written there that were delivered, overwritten, or are too old. */
  readonly accounted: Float64Array
  /** Whether a span was read. Records that were overwritten before that are too old. */
  hasBegun: boolean
}

/**
 * Drains a global buffer. A buffer has one reader at a time, and on the same thread any number of
 * readers that keep.
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
  /** The accounts, if this reader keeps. Else they are in the buffer. */
  readonly #own: OwnAccounts | undefined
  /** The sub-buffer to deliver next. A part of it may be delivered already. */
  #sequence: number
  /** Delivered bytes of it, its header included; 0 for none. */
  #deliveredBytes = 0
  /** Delivered records of it. */
  #deliveredRecords = 0

  /** @throws TypeError when `buffer` is no GlobalBuffer; RangeError when it is damaged. */
  constructor(buffer: GlobalBuffer, { keeps = false }: ReaderOptions = {}) {
    const ours = GlobalBuffer.of(buffer)
    if (ours === undefined) throw new TypeError('a GlobalReader reads a GlobalBuffer')
    const { subbufSize, subbufCount, headerBytes, unitBytes, mode } = ours.geometry
    this.buffer = ours
    this.#state = new GlobalState(ours)
    this.#recovery = new GlobalRecovery(this.#state)
    this.#size = subbufSize
    this.#count = subbufCount
    this.#header = headerBytes
    this.#unit = unitBytes
    this.#scratch = mode === 'overwrite' ? new Uint8Array(subbufSize) : undefined
    if (keeps) {
      this.#own = { overwritten: 0, torn: 0, accounted: new Float64Array(subbufCount), hasBegun: false }
      this.#sequence = this.#openWindow(this.#own, mode === 'overwrite')
      return
    }
    // Plain: only a reader stores it.
    const sequence = ours.doubles[GLOBAL.sequence >> 3]
    if (!Number.isSafeInteger(sequence) || sequence < 0) {
      throw new RangeError(
        `the global buffer is damaged: sequence=${sequence} is not how many sub-buffers were read`,
      )
    }
    this.#sequence = sequence
  }

  /** Records that were overwritten before delivery, as far as is known. */
  get overwritten(): number {
    return this.#own?.overwritten ?? this.buffer.countAt(GLOBAL.overwritten >> 3)
  }

  /** Records that dead threads left half written, and records that were given up with them. */
  get torn(): number {
    return this.#own?.torn ?? this.buffer.countAt(GLOBAL.torn >> 3)
  }

  /**
   * The next complete sub-buffer, or the rest of it; undefined when there is none.
   *
   * @param before the sub-buffers from this sequence on are left alone.
   */
  next(before = Infinity): GlobalSpan | undefined {
    const state = this.#state
    for (;;) {
      this.#skipOverwritten()
      const sequence = this.#sequence
      if (sequence >= state.started || sequence >= before) return undefined
      if (sequence === state.started - 1) {
        if (!state.closed) return undefined
        // The thread that closed it may not have stored its end yet.
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

  /** The sub-buffers with a lower sequence are closed now. */
  completed(): number {
    const { started, closed } = this.#state.load()
    return closed ? started : started - 1
  }

  /**
   * The written part of the open sub-buffer; undefined when it holds nothing new, or while a thread
   * still has to commit there. Complete sub-buffers come first: call {@link next} until it returns
   * undefined.
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
   * Marks a span as delivered, and gives a complete sub-buffer back to the writers.
   *
   * @param records how many records the span held. The missing records of a complete sub-buffer are
   * counted as torn.
   * @param end how far an incomplete span was taken, if not to its end.
   */
  delivered(span: GlobalSpan, records: number, end = span.end): void {
    const { words, doubles } = this.buffer
    const index = span.sequence % this.#count
    if (!span.complete) {
      this.#setAccounted(index, this.#accountedAt(index) + records)
      this.#deliveredBytes = end
      this.#deliveredRecords += records
      return
    }
    this.#setAccounted(index, this.#accountedAt(index) + span.records)
    const torn = span.records - records
    this.#skipTo(span.sequence + 1)
    if (this.#own !== undefined) {
      this.#own.torn += torn
      return
    }
    doubles[GLOBAL.torn >> 3] += torn
    doubles[GLOBAL.sequence >> 3] = span.sequence + 1
    // Our last read of the sub-buffer came before this. Pairs with: GlobalState.mayStart.
    Atomics.store(words, GLOBAL.consumed >> 2, (span.sequence + 1) | 0)
  }

  /**
   * Cleans up after dead writers. Then the sub-buffers that they held up can be delivered and
   * reused, and their slots are free for other threads. An unclear claim is decided in the second
   * of two calls between which nothing changed. So call this now and then.
   *
   * @param isDead whether a thread is proven dead: it will not store again, and all its stores are
   * visible.
   * @returns whether a later call has more to do.
   */
  recover(isDead: (identity: number) => boolean): boolean {
    return this.#recovery.run(isDead)
  }

  /**
   * Closes the open sub-buffer if it holds records. {@link next} returns it once all of it is
   * committed.
   */
  flush(): void {
    this.#state.flush(this.#header / this.#unit)
  }

  /**
   * Ends all writing: closes the open sub-buffer, and lets none be started again. Any thread may
   * call it.
   */
  finalize(): void {
    this.#state.finalize()
  }

  /** How far the buffer is written now, including records that are not committed yet. */
  written(): Extent {
    const state = this.#state.load()
    const sequence = state.started - 1
    return state.closed
      ? { sequence: sequence + 1, bytes: 0 }
      : { sequence, bytes: state.reserved * this.#unit }
  }

  /** Whether all bytes up to there were delivered, or lost. */
  hasDelivered({ sequence, bytes }: Extent): boolean {
    this.#skipOverwritten()
    if (this.#sequence !== sequence) return this.#sequence > sequence
    return Math.max(this.#header, this.#deliveredBytes) >= bytes
  }

  /**
   * Written records that are neither delivered nor counted as lost. Call it once the writers have
   * stopped.
   */
  remaining(): number {
    this.#skipOverwritten()
    let sum = 0
    for (let index = 0; index < this.#count; index += 1) {
      sum += this.buffer.writtenAt(index) - this.#accountedAt(index)
    }
    return sum
  }

  /**
   * Loads the state, goes to the oldest sub-buffer that is not overwritten, and counts the records
   * of those before it.
   */
  #skipOverwritten(): void {
    const state = this.#state
    for (;;) {
      if (!state.load().isCountable) {
        throw new RangeError(`the global buffer is damaged: started=${state.started} sub-buffers can't be`)
      }
      if (!state.lapped(this.#sequence)) return
      // One lap back is enough: the base of a sub-buffer counts all records ever written at its
      // place.
      const sequence = Math.max(this.#sequence, state.started - 2 * this.#count)
      const reused = sequence + this.#count
      const base = state.base(reused)
      // The base two laps later is in the same word. It counts records of sub-buffers that can
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

  /**
   * Counts the records written at this place up to `base` that are not accounted for as
   * overwritten.
   */
  #account(index: number, base: number): void {
    const before = this.#accountedAt(index)
    if (base <= before) return
    const own = this.#own
    if (own === undefined) this.buffer.doubles[GLOBAL.overwritten >> 3] = this.overwritten + base - before
    else if (own.hasBegun) own.overwritten += base - before
    this.#setAccounted(index, base)
  }

  #accountedAt(index: number): number {
    return this.#own?.accounted[index] ?? this.buffer.countAt(this.buffer.accountedDouble(index))
  }

  #setAccounted(index: number, records: number): void {
    if (this.#own !== undefined) this.#own.accounted[index] = records
    else this.buffer.doubles[this.buffer.accountedDouble(index)] = records
  }

  /**
   * Begins to read without taking: all that was written before the oldest sub-buffer is too old.
   *
   * @returns the sequence of the oldest sub-buffer.
   */
  #openWindow(own: OwnAccounts, overwrite: boolean): number {
    const state = this.#state.load()
    const { started } = state
    const read = overwrite ? 0 : this.buffer.countAt(GLOBAL.sequence >> 3)
    const oldest = Math.max(read, started - this.#count)
    for (let index = 0; index < this.#count; index += 1) {
      own.accounted[index] = this.buffer.writtenAt(index)
    }
    // The base of a started sub-buffer stays until the one two laps later.
    for (let sequence = oldest; sequence < started; sequence += 1) {
      own.accounted[sequence % this.#count] = state.base(sequence)
    }
    return oldest
  }

  /**
   * Reads the words of a sub-buffer, and copies it in overwrite mode; undefined when it was
   * overwritten meanwhile.
   */
  #span(sequence: number, reached: number, complete: boolean): GlobalSpan | undefined {
    const { buffer } = this
    const state = this.#state
    const index = sequence % this.#count
    const start = index * this.#size
    const from = Math.max(this.#header, this.#deliveredBytes)
    const base = state.base(sequence)
    // In damaged memory the place may not exist. Then nothing is delivered.
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
    if (this.#own !== undefined) this.#own.hasBegun = true
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

  /** The holes of a sub-buffer, sorted and merged. */
  #holes(sequence: number): Hole[] {
    const { buffer } = this
    const { words, doubles } = buffer
    const holes: Hole[] = []
    const add = (low: number, units: number): void => {
      const from = this.#state.unitsOf(low) * this.#unit
      const end = Math.min(this.#size, from + units * this.#unit)
      // False only in damaged memory.
      if (from < end) holes.push({ from, end })
    }
    const used = buffer.slotsUsed()
    // Plain reads: we stored the hole ourselves, and a gap was stored before it was committed.
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
