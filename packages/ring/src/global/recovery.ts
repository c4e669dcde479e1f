/**
 * Recovery from dead writers of a global buffer: finds their open claims, commits for them, and
 * frees their slots. Runs on the one thread that drains the buffer.
 *
 * A dead writer's phase says how far its claim came, except for the outcome of its last Atomics
 * operation:
 *
 * | phase  | its exchange | its commit | action |
 * | ------ | ------------ | ---------- | ------ |
 * | won    | succeeded    | not done   | a hole, its record is torn; committed for it |
 * | intent | ?            | not done   | if it succeeded as `won`, else nothing |
 * | stored | succeeded    | ?          | the record is whole; committed for it if it had not |
 *
 * Accounting answers the question marks. In a sub-buffer without a claim of a living writer, the
 * units reserved but not committed belong to dead claims. If several sets of claims explain the
 * number, every record from the first doubtful claim on is given up. We read the words of living
 * writers plainly. On arm64 we may see a plain store of theirs before the Atomics operation that it
 * follows. So two calls in a row must see the same.
 */
import { GLOBAL, GLOBAL_SLOT, ORPHAN, type GlobalBuffer } from './buffer.js'
import type { GlobalState } from './state.js'
import { PHASE } from './writer.js'

/** With more unclear claims than this in one sub-buffer, all count as doubtful. */
const MOST_CLAIMS = 10

/** A slot's claim; `from` is in units from the start of the sub-buffer. */
interface Claim {
  readonly slot: number
  readonly sequence: number
  readonly from: number
  readonly units: number
  readonly phase: number
}

/** Cleans up after the dead writers of one buffer. A buffer has one recovery at a time. */
export class GlobalRecovery {
  readonly buffer: GlobalBuffer
  readonly #state: GlobalState
  /** The last observation of each sub-buffer with unclear claims, by sequence. */
  #doubts: ReadonlyMap<number, string> = new Map<number, string>()

  constructor(state: GlobalState) {
    this.buffer = state.buffer
    this.#state = state
  }

  /**
   * Does all that can be done now. A later call decides the claims that are still unclear.
   *
   * @param isDead whether a thread is proven dead: it will not store again, and all its stores are
   * visible.
   * @returns whether slots of dead writers are left: unclear ones, or ones with a hole or a gap
   * that the reader still has to pass.
   */
  run(isDead: (identity: number) => boolean): boolean {
    const { words } = this.buffer
    const dead = new Set<number>()
    const used = this.buffer.slotsUsed()
    for (let slot = 0; slot < used; slot += 1) {
      const identity = Atomics.load(words, this.buffer.slotWord(slot, GLOBAL_SLOT.identity))
      if (identity === ORPHAN || (identity !== 0 && isDead(identity))) dead.add(slot)
    }
    const unclear = new Map<number, Claim[]>()
    for (const slot of dead) {
      const claim = this.#claim(slot)
      const phase = claim.phase & ~PHASE.header
      if (phase === PHASE.won) {
        this.#hole(claim, claim.from, claim.units, recordsOf([claim]))
        this.#commit(claim.sequence, claim.units)
      } else if (phase === PHASE.intent || phase === PHASE.stored) {
        if (this.#mayBeOpen(claim))
          unclear.set(claim.sequence, [...(unclear.get(claim.sequence) ?? []), claim])
        else this.#setPhase(slot, PHASE.idle)
      }
    }
    const doubts = new Map<number, string>()
    for (const [sequence, claims] of unclear) {
      const seen = this.#look(sequence, claims, dead)
      if (seen === undefined) continue
      const key = `${seen.reserved} ${seen.missing} ${claims.map(({ slot }) => slot).join()}`
      if (this.#doubts.get(sequence) === key) this.#decide(sequence, claims, seen)
      else doubts.set(sequence, key)
    }
    this.#doubts = doubts
    let left = 0
    for (const slot of dead) if (!this.#free(slot)) left += 1
    return left > 0
  }

  #claim(slot: number): Claim {
    const { words } = this.buffer
    // Plain reads. A dead thread's words stay as they are. A living thread's words may be of
    // several moments, see #look.
    const low = words[this.buffer.slotWord(slot, GLOBAL_SLOT.claimAt)]
    return {
      slot,
      sequence: this.#state.load().sequenceOf(low),
      from: this.#state.unitsOf(low),
      units: words[this.buffer.slotWord(slot, GLOBAL_SLOT.claimUnits)],
      phase: words[this.buffer.slotWord(slot, GLOBAL_SLOT.phase)],
    }
  }

  /**
   * Whether the claim may be reserved and not committed: its memory was not reused, and the state
   * has passed it.
   */
  #mayBeOpen({ sequence, from }: Claim): boolean {
    const state = this.#state.load()
    if (sequence < 0 || state.lapped(sequence)) return false
    return sequence !== state.started - 1 || state.finalized || from < state.reserved
  }

  /**
   * The units reserved in a sub-buffer, and those of them not committed; undefined while the latter
   * may be a living writer's claim.
   */
  #look(
    sequence: number,
    claims: readonly Claim[],
    dead: ReadonlySet<number>,
  ): { reserved: number; missing: number } | undefined {
    const state = this.#state.load()
    const { started, reserved: current } = state
    if (sequence === started - 1 && state.closed && !state.noteEnd()) return undefined
    // A living writer stores its claim before its exchange. If the state that we loaded has the
    // exchange, we see the claim.
    const used = this.buffer.slotsUsed()
    for (let slot = 0; slot < used; slot += 1) {
      const claim = this.#claim(slot)
      if (dead.has(slot)) continue
      if (claim.phase !== PHASE.idle && claim.sequence === sequence) return undefined
    }
    state.load()
    if (state.started !== started || state.reserved !== current) return undefined
    const open = sequence === started - 1 && !state.closed
    const reserved = open ? current : state.endUnits(sequence)
    const missing = reserved - state.committedUnits(sequence)
    const most = claims.reduce((sum, { units }) => sum + units, 0)
    if (!state.same() || missing < 0 || missing > most) return undefined
    return { reserved, missing }
  }

  /** Commits the missing units, and marks as holes the places that may have no whole records. */
  #decide(
    sequence: number,
    claims: readonly Claim[],
    { reserved, missing }: { reserved: number; missing: number },
  ): void {
    const sets = setsOf(claims, missing)
    const intents = claims.filter(({ phase }) => (phase & ~PHASE.header) === PHASE.intent)
    const same = (one: Claim, other: Claim): boolean => one.from === other.from && one.units === other.units
    const tornIn = (set: readonly Claim[], claim: Claim): boolean =>
      set.some((other) => same(claim, other) && (other.phase & ~PHASE.header) === PHASE.intent)
    // A claim is doubtful if one explanation calls it torn and another doesn't. All are doubtful if
    // there are too many to tell.
    const doubtful = intents.filter(
      (claim) =>
        sets.length === 0 ||
        (sets.some((set) => tornIn(set, claim)) && !sets.every((set) => tornIn(set, claim))),
    )
    const torn = intents.filter((claim) => sets.length > 0 && sets.every((set) => tornIn(set, claim)))
    for (const { slot } of claims) this.#setPhase(slot, PHASE.idle)
    for (const [i, claim] of torn.entries()) {
      // Of several claims that exchanged the same state, one succeeded. It does not matter which.
      if (torn.findIndex((other) => same(claim, other)) === i) {
        this.#hole(claim, claim.from, claim.units, recordsOf([claim]))
      }
    }
    if (doubtful.length > 0) {
      // The reader counts the whole records that are given up here as torn when it does not deliver
      // them.
      const first = doubtful.reduce((least, claim) => (claim.from < least.from ? claim : least))
      this.#hole(first, first.from, reserved - first.from, recordsOf(doubtful))
    }
    this.#commit(sequence, missing)
  }

  #hole({ slot, sequence, phase }: Claim, from: number, units: number, records: number): void {
    const { words, doubles } = this.buffer
    doubles[this.buffer.slotDouble(slot, GLOBAL_SLOT.holeSequence)] = sequence
    words[this.buffer.slotWord(slot, GLOBAL_SLOT.claimAt)] = from
    words[this.buffer.slotWord(slot, GLOBAL_SLOT.claimUnits)] = units
    this.#setPhase(slot, PHASE.hole)
    doubles[GLOBAL.torn >> 3] += records
    // A sub-buffer may never get a record behind its header, and a flush does not close an empty
    // one. Then the reader would never pass the hole. So close it.
    if ((phase & PHASE.header) !== 0) this.#close(sequence)
  }

  /** Closes a sub-buffer if it is still open. */
  #close(sequence: number): void {
    const state = this.#state
    while (state.load().started - 1 === sequence && !state.closed) state.close()
  }

  #commit(sequence: number, units: number): void {
    const word = this.buffer.committedWord(sequence % this.buffer.geometry.subbufCount)
    // Pairs with: GlobalState, Atomics.load of `committed`.
    Atomics.add(this.buffer.words, word, units)
  }

  #setPhase(slot: number, phase: number): void {
    this.buffer.words[this.buffer.slotWord(slot, GLOBAL_SLOT.phase)] = phase
  }

  /** Frees a dead writer's slot once the reader needs nothing in it any more. */
  #free(slot: number): boolean {
    const { words, doubles } = this.buffer
    const state = this.#state.load()
    const phaseWord = this.buffer.slotWord(slot, GLOBAL_SLOT.phase)
    if (words[phaseWord] === PHASE.hole) {
      if (!state.passed(doubles[this.buffer.slotDouble(slot, GLOBAL_SLOT.holeSequence)])) return false
      words[phaseWord] = PHASE.idle
    }
    if (words[phaseWord] !== PHASE.idle) return false
    const gapWord = this.buffer.slotWord(slot, GLOBAL_SLOT.gapUnits)
    if (words[gapWord] !== 0) {
      if (!state.passed(doubles[this.buffer.slotDouble(slot, GLOBAL_SLOT.gapSequence)])) return false
      words[gapWord] = 0
    }
    // Pairs with: GlobalWriter, takeSlot.
    Atomics.store(words, this.buffer.slotWord(slot, GLOBAL_SLOT.identity), 0)
    return true
  }
}

function recordsOf(claims: readonly Claim[]): number {
  return claims.filter(({ phase }) => (phase & PHASE.header) === 0).length
}

/**
 * Every set of claims that together have this many units, and of which no two exchanged the same
 * state.
 */
function setsOf(claims: readonly Claim[], units: number): Claim[][] {
  if (claims.length > MOST_CLAIMS) return []
  const sets: Claim[][] = []
  for (let bits = 0; bits < 2 ** claims.length; bits += 1) {
    const chosen = claims.filter((_, i) => ((bits >> i) & 1) === 1)
    const sum = chosen.reduce((total, claim) => total + claim.units, 0)
    if (
      sum === units &&
      chosen.every((one) => !chosen.some((other) => other !== one && overlaps(one, other)))
    ) {
      sets.push(chosen)
    }
  }
  return sets
}

function overlaps(one: Claim, other: Claim): boolean {
  return one.from < other.from + other.units && other.from < one.from + one.units
}
