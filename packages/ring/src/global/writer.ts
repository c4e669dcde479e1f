/**
 * A writer of a global buffer. It runs on the one thread that has its slot. Other threads write the
 * same buffer with slots of their own. No thread waits for another.
 *
 * A record costs two Atomics operations: the exchange that reserves its room, and the addition that
 * commits it. A writer stores each step in its slot before it takes the step, so that its death
 * leaves a hole of known size. All words of the slot are stored plainly. The reader looks at them
 * once the writer is dead. It looks at a living writer's words only to see whether the writer still
 * has to commit.
 *
 * ```text
 *           claim stored        exchange done        record stored, counted        committed
 *   idle ─────────────▶ intent ─────────────▶ won ─────────────────────────▶ stored ─────────▶ idle
 *    ▲                    │  another was first  │
 *    └────────────────────┘                     │ the reader, once the writer is proven dead; see recovery.ts
 *    ▲                                          ▼
 *    └───────────────────────────────────────  hole
 * ```
 *
 * A writer never stores into room unless its exchange succeeded. A sub-buffer is never started
 * while a claim in its memory is open. The reader commits the claim of a dead writer. No other
 * thread commits the claim of a sleeping writer.
 */
import { isBytes } from '../brand.js'
import { GLOBAL, GLOBAL_SLOT, ORPHAN, type GlobalBuffer } from './buffer.js'
import { GlobalState } from './state.js'
import { FULL, notBytes, TOO_BIG } from '../writer.js'
import type { WriterView } from '../writer-view.js'

/** The phase of a slot's claim. `header` is added for the claim of a header. */
export const PHASE = { idle: 0, intent: 1, won: 2, stored: 3, hole: 4, header: 8 } as const

// Constants of this module: in a hot loop they cost less than properties, or constants of another
// module.
const IDLE = PHASE.idle
const INTENT = PHASE.intent
const WON = PHASE.won
const STORED = PHASE.stored
const HEADER = PHASE.header
const IDENTITY = GLOBAL_SLOT.identity >> 2
const PHASE_WORD = GLOBAL_SLOT.phase >> 2
const CLAIM_AT = GLOBAL_SLOT.claimAt >> 2
const CLAIM_UNITS = GLOBAL_SLOT.claimUnits >> 2
const GAP_AT = GLOBAL_SLOT.gapAt >> 2
const GAP_UNITS = GLOBAL_SLOT.gapUnits >> 2
const GENERATION = GLOBAL_SLOT.generation >> 2
const GAP_SEQUENCE = GLOBAL_SLOT.gapSequence >> 3
const DISCARDED_FULL = GLOBAL_SLOT.discardedFull >> 3
const DISCARDED_TOO_BIG = GLOBAL_SLOT.discardedTooBig >> 3
const DISCARDED_BAD = GLOBAL_SLOT.discardedBad >> 3
const EMPTY = GLOBAL_SLOT.empty >> 3
const WRITTEN = GLOBAL_SLOT.written >> 3

const LOW = GLOBAL.state >> 2
const HIGH = LOW + 1
/** Calls of a function after which V8 notes which ways it goes. */
const CALLS_UNTIL_FEEDBACK = 512
/** Whether that is so of `reserve` on this thread. */
let isNoted = false
/** Outcome of the slow path: there may be room now. */
const AGAIN = -3

/** Views of the data, from its start; for an encoder. */
export type GlobalView = Omit<WriterView, 'generation' | 'words' | 'end' | 'limit'>

/** Calls of a global buffer's client, on the writing thread. None may write records or throw. */
export interface GlobalWriterCallbacks {
  /**
   * Reads the clock, and keeps the time where the client finds it after
   * {@link GlobalWriter.reserve}. Each try to reserve calls it before the exchange that decides the
   * try, so that times never run backwards in the buffer. Each try to start a sub-buffer calls it
   * too; the records of the sub-buffer are not older than that time.
   */
  readonly clock?: () => void
  /**
   * This writer has started a sub-buffer. The client may now fill its header bytes, which begin at
   * `start` in the data.
   */
  subbufStart?(view: GlobalView, start: number): void
  /**
   * A sub-buffer was closed, or a late record of a closed one was committed. A reader can be woken.
   */
  produced?(): void
}

const nothing = (): void => {}

/**
 * Writes records into a global buffer, next to the writers of other threads.
 *
 * @example
 * const writer = new GlobalWriter(GlobalBuffer.attach(memory), threadId + 1)
 * if (!writer.write(bytes)) console.log('discarded', writer.buffer.discarded())
 */
export class GlobalWriter {
  readonly buffer: GlobalBuffer
  readonly view: GlobalView
  readonly #callbacks: GlobalWriterCallbacks
  readonly #clock: () => void
  readonly #state: GlobalState
  readonly #words: Int32Array
  readonly #doubles: Float64Array
  readonly #unitShift: number
  /** Added to a length before the shift, because records take whole units. */
  readonly #round: number
  readonly #tagShift: number
  /**
   * Mask of the low half of the state without the tag: the units reserved, and above them the
   * closed bit.
   */
  readonly #restMask: number
  readonly #unitMask: number
  readonly #header: number
  readonly #size: number
  /** Index in `words` of the slot. */
  readonly #slot: number
  /** Index in `doubles` of the slot. */
  readonly #slotDouble: number
  /**
   * Units in a sub-buffer; −1 while no record may be reserved, because the reader must pass a gap
   * of ours first.
   */
  #limit: number
  /**
   * The tag of the sub-buffer that the following three fields belong to; −1 for none. The tag says
   * the index, so they are never stale.
   */
  #tag = -1
  #dataStart = 0
  #committed = 0
  #written = 0

  /**
   * Takes a free slot.
   *
   * @param identity a number for this thread: a whole number of 32 bits other than 0 and −1 that no
   * other living thread has. The reader passes it to `isDead`.
   * @throws RangeError for any other identity, and when every slot is taken.
   * {@link GlobalReader.recover} frees the slots of dead threads.
   */
  constructor(buffer: GlobalBuffer, identity: number, callbacks: GlobalWriterCallbacks = {}) {
    if ((identity | 0) !== identity || identity === 0 || identity === ORPHAN) {
      throw new RangeError(
        `identity=${String(identity)} is not a whole number of 32 bits other than 0 and -1`,
      )
    }
    const { subbufSize, headerBytes, unitBytes } = buffer.geometry
    this.buffer = buffer
    this.#callbacks = callbacks
    this.#clock = callbacks.clock ?? nothing
    this.#state = new GlobalState(buffer)
    this.#words = buffer.words
    this.#doubles = buffer.doubles
    this.#unitShift = 31 - Math.clz32(unitBytes)
    this.#round = unitBytes - 1
    this.#tagShift = buffer.unitBits + 1
    this.#restMask = 2 ** this.#tagShift - 1
    this.#unitMask = 2 ** buffer.unitBits - 1
    this.#header = headerBytes / unitBytes
    this.#size = subbufSize / unitBytes
    this.#limit = this.#size
    this.view = viewOf(buffer)
    const slot = takeSlot(buffer, identity)
    this.#slot = buffer.slotWord(slot, 0)
    this.#slotDouble = buffer.slotDouble(slot, 0)
    this.#words[this.#slot + GENERATION] += 1
    // The first record takes the slow path, which finds out whether there is a gap to be passed. V8
    // optimizes `reserve` for the ways that it has gone, and notes them only after some calls. If
    // this way were not among them, the result would be thrown away at the first switch. Only once:
    // all writers of this thread share the code, and more calls in vain would make what it calls
    // look rare, so that V8 would not inline it.
    if (!isNoted) for (let i = 0; i < CALLS_UNTIL_FEEDBACK; i += 1) this.reserve(0)
    isNoted = true
    this.#limit = -1
  }

  /**
   * Writes one record.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   */
  write(bytes: Uint8Array): boolean {
    if (!(bytes instanceof Uint8Array) && !isBytes(bytes)) throw notBytes(bytes)
    const { length } = bytes
    const at = this.reserve(length)
    if (at < 0) return false
    if (length > 0) this.view.u8.set(bytes, at)
    this.commit(at, length)
    return true
  }

  /**
   * Makes room for a record of `length` bytes. The caller stores the record and then calls
   * {@link commit}. Nothing else may be reserved in between. A record of no bytes gets no room, and
   * counts like the others when it is committed.
   *
   * @returns where to store it, in bytes from the start of the data; {@link FULL} or
   * {@link TOO_BIG} when the record is lost and counted.
   */
  reserve(length: number): number {
    // V8 must not inline this into an encoder. With it, the encoder would be too large to be
    // inlined into its callers, and each call would allocate its argument object. V8 does not
    // inline a function of more than 460 bytes of bytecode, so this one repeats the body of
    // `#enter`. A test holds this (trace/test/allocation).
    if (length === 0) return this.#dataStart
    const words = this.#words
    const slot = this.#slot
    const units = (length + this.#round) >>> this.#unitShift
    // An exception between reserve and commit left a claim open.
    if (words[slot + PHASE_WORD] !== IDLE) this.#abandon()
    // A plain read, because it is only a guess: the exchange decides.
    let low = words[LOW]
    for (;;) {
      // The mask includes the closed bit, so that a closed sub-buffer has no room.
      if ((low & this.#restMask) + units > this.#limit) {
        const outcome = this.#room(units)
        if (outcome !== AGAIN) return outcome
        low = words[LOW]
        continue
      }
      const tag = low >>> this.#tagShift
      if (tag !== this.#tag) {
        // The same as #enter.
        const { subbufCount, subbufSize } = this.buffer.geometry
        const index = (tag + subbufCount - 1) % subbufCount
        const committed = this.buffer.committedWord(index)
        this.#tag = tag
        this.#dataStart = index * subbufSize
        this.#committed = committed
        this.#written = this.#slotDouble + WRITTEN + index
      }
      const high = words[HIGH]
      words[slot + CLAIM_AT] = low
      words[slot + CLAIM_UNITS] = units
      words[slot + PHASE_WORD] = INTENT
      this.#clock()
      const found = Atomics.compareExchange(words, LOW, low, low + units)
      if (found !== low) {
        words[slot + PHASE_WORD] = IDLE
        low = found
        continue
      }
      words[slot + PHASE_WORD] = WON
      if (words[HIGH] === high) return this.#dataStart + ((low & this.#unitMask) << this.#unitShift)
      // The low half may have come round since the clock was read. The room is ours, but the time
      // does not belong to its place.
      this.#giveUp(0)
      low = words[LOW]
    }
  }

  /**
   * Commits the record that was reserved last. `length` must be the reserved length, and the whole
   * record must be stored.
   */
  commit(_at: number, length: number): void {
    if (length === 0) {
      this.#doubles[this.#slotDouble + EMPTY] += 1
      return
    }
    const words = this.#words
    const slot = this.#slot
    const units = (length + this.#round) >>> this.#unitShift
    this.#doubles[this.#written] += 1
    words[slot + PHASE_WORD] = STORED
    // This comes last: before it the record does not exist. Pairs with: GlobalState, Atomics.load
    // of `committed`.
    Atomics.add(words, this.#committed, units)
    words[slot + PHASE_WORD] = IDLE
    // If the sub-buffer was closed meanwhile, a reader may wait for just this record. A plain read
    // is enough: a reader that misses the record looks again later.
    if ((words[LOW] ^ words[slot + CLAIM_AT]) & ~this.#unitMask) this.#callbacks.produced?.()
  }

  /** Counts a record with arguments that could not be written. */
  discardBad(): void {
    this.#doubles[this.#slotDouble + DISCARDED_BAD] += 1
  }

  /** Ends the open sub-buffer if it holds records, so that a reader can have it. */
  flush(): void {
    if (this.#state.flush(this.#header)) this.#callbacks.produced?.()
  }

  /** Gives up the slot for another thread. This writer must not be used any more. */
  detach(): void {
    const words = this.#words
    if (words[this.#slot + PHASE_WORD] !== IDLE) this.#abandon()
    const gone = this.#passed() ? 0 : ORPHAN
    // Pairs with: takeSlot, and the reader's recover, which frees orphans.
    Atomics.store(words, this.#slot + IDENTITY, gone)
  }

  /**
   * Ends this writer: it touches the buffer no more, and refuses all records. For a buffer that is
   * over, whose memory may become another buffer. Must not be called within another call of this
   * writer.
   */
  leave(): void {
    // Replace the methods of this object, because the hot path must get no extra check.
    this.reserve = () => FULL
    this.commit = nothing
    this.discardBad = nothing
    this.flush = nothing
    this.detach = nothing
  }

  /**
   * The slow path of a record: closes the sub-buffer that the record doesn't fit, and starts the
   * next.
   */
  #room(units: number): number {
    if (units > this.#size - this.#header) {
      this.#doubles[this.#slotDouble + DISCARDED_TOO_BIG] += 1
      return TOO_BIG
    }
    const state = this.#state
    if (this.#limit < 0 && !this.#passed()) return this.#full()
    for (;;) {
      state.load()
      if (state.finalized || !state.isCountable) return this.#full()
      if (!state.closed) {
        if (state.reserved + units <= this.#size) return AGAIN
        if (!state.close()) continue
        if (state.load().closed) state.noteEnd()
        this.#callbacks.produced?.()
      } else if (state.noteEnd()) {
        if (state.mayStart()) {
          if (this.#start()) return AGAIN
        } else if (state.same()) {
          return this.#full()
        }
      }
    }
  }

  /**
   * Starts the next sub-buffer. @returns whether this writer started it; if not, another was first.
   */
  #start(): boolean {
    const words = this.#words
    const slot = this.#slot
    const state = this.#state
    const header = this.#header
    if (!state.noteBase()) return false
    this.#clock()
    const low = state.nextLow()
    if (header === 0) return state.start(0)
    // The header is a claim like a record's.
    words[slot + CLAIM_AT] = low
    words[slot + CLAIM_UNITS] = header
    words[slot + PHASE_WORD] = INTENT | HEADER
    if (!state.start(header)) {
      words[slot + PHASE_WORD] = IDLE
      return false
    }
    words[slot + PHASE_WORD] = WON | HEADER
    this.#enter(low >>> this.#tagShift)
    this.#callbacks.subbufStart?.(this.view, this.#dataStart)
    words[slot + PHASE_WORD] = STORED | HEADER
    // Pairs with: GlobalState, Atomics.load of `committed`.
    Atomics.add(words, this.#committed, header)
    words[slot + PHASE_WORD] = IDLE
    return true
  }

  #enter(tag: number): void {
    const { subbufCount, subbufSize } = this.buffer.geometry
    // The tag counts the sub-buffers started; the current one is the last of them.
    const index = (tag + subbufCount - 1) % subbufCount
    // The call comes first: with a full stack it throws, and nothing may have changed by then.
    const committed = this.buffer.committedWord(index)
    this.#tag = tag
    this.#dataStart = index * subbufSize
    this.#committed = committed
    this.#written = this.#slotDouble + WRITTEN + index
  }

  /**
   * Commits the open claim as a gap: room without a record. The slot says where the gap is until a
   * reader has passed it. Meanwhile this thread's records are refused, because a slot has place for
   * one gap.
   *
   * @param lost records lost with the claim.
   */
  #giveUp(lost: number): void {
    const words = this.#words
    const slot = this.#slot
    const phase = words[slot + PHASE_WORD]
    const low = words[slot + CLAIM_AT]
    const units = words[slot + CLAIM_UNITS]
    if ((phase & ~HEADER) === INTENT) {
      words[slot + PHASE_WORD] = IDLE
      return
    }
    this.#enter(low >>> this.#tagShift)
    if ((phase & ~HEADER) === WON) {
      const sequence = this.#state.load().sequenceOf(low)
      this.#limit = -1
      this.#doubles[this.#slotDouble + GAP_SEQUENCE] = sequence
      words[slot + GAP_AT] = low
      words[slot + GAP_UNITS] = units
      // Together with the phase, so that the reader does not count the record again as torn if we
      // die here.
      this.#doubles[this.#slotDouble + DISCARDED_BAD] += lost
      words[slot + PHASE_WORD] = STORED | (phase & HEADER)
    }
    // Pairs with: GlobalState, Atomics.load of `committed`.
    Atomics.add(words, this.#committed, units)
    words[slot + PHASE_WORD] = IDLE
  }

  /**
   * Gives up a claim that an exception left open. If it was a record's claim and had its room
   * already, that record is lost.
   */
  #abandon(): void {
    this.#giveUp(this.#words[this.#slot + PHASE_WORD] === WON ? 1 : 0)
  }

  /**
   * Whether the slot is free of gaps that a reader still has to pass. If so, records can be
   * reserved.
   */
  #passed(): boolean {
    const gap = this.#slot + GAP_UNITS
    if (this.#words[gap] !== 0) {
      const sequence = this.#doubles[this.#slotDouble + GAP_SEQUENCE]
      if (!this.#state.load().passed(sequence)) {
        this.#limit = -1
        return false
      }
      this.#words[gap] = 0
    }
    this.#limit = this.#size
    return true
  }

  #full(): number {
    this.#doubles[this.#slotDouble + DISCARDED_FULL] += 1
    return FULL
  }
}

/** Takes a free slot. @throws RangeError when there is none. */
function takeSlot(buffer: GlobalBuffer, identity: number): number {
  const { maxWriters } = buffer.geometry
  const used = GLOBAL.slotsUsed >> 2
  for (let slot = 0; slot < maxWriters; slot += 1) {
    const word = buffer.slotWord(slot, GLOBAL_SLOT.identity)
    if (Atomics.load(buffer.words, word) !== 0) continue
    // This comes first, so that a thread that looks for records of this slot looks far enough.
    for (;;) {
      const below = Atomics.load(buffer.words, used)
      if (below > slot || Atomics.compareExchange(buffer.words, used, below, slot + 1) === below) break
    }
    // Pairs with: detach, and the reader's recover, Atomics.store of 0 after the previous owner's
    // last store.
    if (Atomics.compareExchange(buffer.words, word, 0, identity) === 0) return slot
  }
  throw new RangeError(`every slot is taken: maxWriters=${maxWriters}`)
}

function viewOf({ memory, dataByteOffset: at, data, geometry }: GlobalBuffer): GlobalView {
  const bytes = geometry.subbufSize * geometry.subbufCount
  return {
    u8: data,
    i8: new Int8Array(memory, at, bytes),
    u16: new Uint16Array(memory, at, bytes >> 1),
    i16: new Int16Array(memory, at, bytes >> 1),
    u32: new Uint32Array(memory, at, bytes >> 2),
    i32: new Int32Array(memory, at, bytes >> 2),
    u64: new BigUint64Array(memory, at, bytes >> 3),
    i64: new BigInt64Array(memory, at, bytes >> 3),
    f32: new Float32Array(memory, at, bytes >> 2),
    f64: new Float64Array(memory, at, bytes >> 3),
  }
}
