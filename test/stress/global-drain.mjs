/**
 * The reader of a global buffer in a round: takes the records that are there, checks each one,
 * cleans up after the dead, and keeps the books.
 *
 * Runs in steps on one thread, the main thread or its own. It never waits. A forbidden outcome (the
 * head of global.mjs lists them) ends the round as an error of `step` or `finish`.
 */
import { GLOBAL_SLOT, GlobalReader } from '@rchan/ring'
import { walkGlobal } from '../global-records.mjs'
import { checkHeader, globalLengths } from './global-records.mjs'
import { DEAD, IDLE, Life, LIFE, LIFE_BYTES, RETIRED } from './life.mjs'
import { Random } from './random.mjs'

/**
 * The values of the word `ending`, which main stores: threads come and go; the buffer is finalized;
 * none is left.
 */
export const GOING_ON = 0
export const FINALIZED = 1
export const ENDED = 2

/** Writers in overwrite mode are faster than we are: let deaths have their turn. */
const SPANS_A_STEP = 200
/** Turns of the reader after the last writer has ended. */
const LAST_TURNS = 1000

export class GlobalDrain {
  #reader
  #buffer
  #lives
  #lengths
  #plan
  #ending
  #random
  #isDead
  #delivered = 0
  #time = 0
  /** The sub-buffer whose header was checked. */
  #headed = -1
  /** The least number that the next record of a writer can have, by identity. */
  #next = new Map()

  /**
   * @param lengths of the records, for each chain of writers: that of a thread is its identity
   * modulo their number.
   */
  constructor(buffer, { lives, lengths, plan, ending, seed }) {
    this.#buffer = buffer
    this.#reader = new GlobalReader(buffer)
    const most = lives.byteLength / LIFE_BYTES
    this.#lives = Array.from({ length: most }, (_, identity) => new Life(lives, identity))
    this.#lengths = lengths.map(globalLengths)
    this.#plan = plan
    this.#ending = ending
    this.#random = new Random(seed)
    this.#isDead = (identity) => {
      const { state } = this.#lives[identity]
      return state === DEAD || state === RETIRED
    }
  }

  /** One turn. @returns how much there was to do. */
  step() {
    const { finalizes, flushChance, partChance } = this.#plan
    if (finalizes && Atomics.load(this.#ending, 0) !== GOING_ON) this.#reader.finalize()
    if (this.#random.chance(flushChance)) this.#reader.flush()
    let spans = 0
    while (spans < SPANS_A_STEP && this.#take(this.#reader.next())) spans += 1
    if (spans < SPANS_A_STEP && this.#random.chance(partChance) && this.#take(this.#reader.newest())) {
      spans += 1
    }
    return spans + this.#clean()
  }

  /** Takes the records that are there if a thread has died, otherwise only now and then. */
  buryDead() {
    if (this.#random.chance(0.03) || this.#lives.some(({ state }) => state === DEAD)) this.step()
  }

  /**
   * All threads have ended: takes the rest.
   * @returns the sums.
   * @throws Error for a forbidden outcome.
   */
  finish() {
    const reader = this.#reader
    for (let turn = 0; ; turn += 1) {
      if (turn === LAST_TURNS) {
        this.#forbidden(`stuck: records remain after the last thread, remaining=${reader.remaining()}`)
      }
      reader.flush()
      while (this.#take(reader.next()));
      this.#take(reader.newest())
      if (!reader.recover(this.#isDead) && reader.remaining() === 0) break
    }
    this.#clean()
    return this.#books()
  }

  /** @returns how many threads were retired: nothing in the buffer is theirs any more. */
  #clean() {
    // Its answer is about threads that are dead now: another may die meanwhile.
    this.#reader.recover(this.#isDead)
    const { maxWriters } = this.#buffer.geometry
    let retired = 0
    for (const [identity, life] of this.#lives.entries()) {
      if (life.state !== DEAD) continue
      let isThere = false
      for (let slot = 0; slot < maxWriters; slot += 1) {
        const word = this.#buffer.slotWord(slot, GLOBAL_SLOT.identity)
        if (Atomics.load(this.#buffer.words, word) === identity) isThere = true
      }
      if (isThere) continue
      life.enter(RETIRED)
      retired += 1
    }
    return retired
  }

  #take(span) {
    if (span === undefined) return false
    const { unitBytes, headerBytes } = this.#buffer.geometry
    const where = `sub-buffer ${span.sequence}, ${span.from}…${span.end}, holes ${JSON.stringify(span.holes)}`
    let records
    try {
      this.#checkHeader(span)
      const end = this.#partEnd(span, unitBytes)
      records = walkGlobal({ ...span, end }, unitBytes)
      for (const record of records) this.#check(record)
      this.#delivered += records.length
      if (span.complete) {
        const lost = span.records - records.length
        if (lost < 0 || (lost > 0 && !this.#plan.killsAtOnce)) {
          throw new Error(`${records.length} records are where there are said to be ${span.records}`)
        }
      }
      this.#reader.delivered(span, records.length, end)
    } catch (error) {
      this.#forbidden(`${error.message}, in ${where}, complete=${span.complete}, header=${headerBytes}`)
    }
    return true
  }

  #checkHeader(span) {
    const { headerBytes } = this.#buffer.geometry
    if (headerBytes === 0 || !span.headed || span.sequence === this.#headed) return
    this.#headed = span.sequence
    let time
    try {
      time = checkHeader(span.bytes, headerBytes)
    } catch (error) {
      throw new Error(`header: ${error.message}`, { cause: error })
    }
    if (time === undefined || span.from > headerBytes) return
    if (time < this.#time) throw new Error(`a header of time ${time} came after ${this.#time}`)
    this.#time = time
  }

  /** Of a part now and then less is taken: its first record. */
  #partEnd({ bytes, from, end, complete, holes }, unitBytes) {
    if (complete || holes.length > 0 || !this.#random.chance(0.3)) return end
    const length = bytes[from] | (bytes[from + 1] << 8)
    return Math.min(end, from + Math.ceil(length / unitBytes) * unitBytes)
  }

  #check({ writer, number, time }) {
    const next = this.#next.get(writer) ?? 0
    if (number < next) throw new Error(`record ${number} of thread ${writer} came where ${next} should`)
    if (this.#isGapless) this.#onlyEmpty(writer, next, number)
    this.#next.set(writer, number + 1)
    if (time < this.#time) throw new Error(`time ${time} came after ${this.#time}`)
    this.#time = time
  }

  /** Nothing may be missing but records without bytes. */
  #onlyEmpty(writer, from, end) {
    const lengthOf = this.#lengths[writer % this.#lengths.length]
    for (let number = from; number < end; number += 1) {
      const length = lengthOf(number)
      if (length > 0) throw new Error(`record ${number} of thread ${writer}, of ${length} bytes, is missing`)
    }
  }

  /**
   * Whether an accepted record can't be lost: with several dead at once some may have to be given
   * up.
   */
  get #isGapless() {
    return this.#buffer.geometry.mode === 'discard' && !this.#plan.killsAtOnce
  }

  #books() {
    const known = { attempted: 0, accepted: 0, refused: 0, tooBig: 0, killed: 0 }
    for (const [identity, life] of this.#lives.entries()) {
      if (life.state === IDLE) continue
      const accepted = life.count(LIFE.accepted)
      known.attempted += life.count(LIFE.attempted)
      known.accepted += accepted
      known.refused += life.count(LIFE.refused)
      known.tooBig += life.count(LIFE.tooBig)
      const killed = life.flag(LIFE.killed) ? 1 : 0
      known.killed += killed
      const next = this.#next.get(identity) ?? 0
      if (next > accepted + killed) {
        this.#forbidden(`record ${next - 1} of thread ${identity} was delivered, of ${accepted}`)
      }
      if (this.#isGapless) this.#onlyEmpty(identity, next, accepted)
    }
    const reader = this.#reader
    const { full, tooBig, bad } = this.#buffer.discarded()
    const { overwritten, torn } = reader
    const empty = this.#buffer.empty()
    const written = this.#buffer.written()
    const { attempted, killed } = known
    const delivered = this.#delivered + empty
    const discarded = full + tooBig + bad
    const traceless = attempted - delivered - overwritten - discarded - torn
    const check = (holds, rule) => {
      if (!holds)
        this.#forbidden(
          `${rule}: ${JSON.stringify({ ...known, delivered, empty, overwritten, full, tooBig, bad, torn, written, traceless })}`,
        )
    }
    // One attempt of each was under way when it was killed, and each of these may have come of it.
    const within = (counted, least) => counted >= least && counted <= least + killed
    const others = attempted - known.accepted - known.refused - known.tooBig
    check(reader.remaining() === 0, 'records remain')
    check(traceless >= 0 && traceless <= killed, 'the books are not exact')
    check(within(full, known.refused), 'the records refused as full are not those counted')
    check(within(tooBig, known.tooBig), 'the records refused as too big are not those counted')
    check(within(written, known.accepted), 'the records written are not those accepted')
    // One that was killed may have given one up, and not found it yet, with the next under way.
    check(bad <= others && bad >= others - 2 * killed, 'the records given up are not those counted')
    check(this.#buffer.geometry.mode === 'overwrite' || overwritten === 0, 'overwritten in discard mode')
    check(torn <= killed || this.#plan.killsAtOnce, 'more was torn than what was under way')
    check(delivered + overwritten + torn >= known.accepted, 'a record is missing whose write had returned')
    return { attempted, delivered, overwritten, discarded, torn, traceless }
  }

  #forbidden(what) {
    throw new Error(what)
  }
}
