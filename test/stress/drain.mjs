/**
 * The reader of all buffers of a round: takes the records that are there, checks each one, and
 * keeps the books of each life.
 *
 * Runs in steps on one thread, the main thread or its own. It never waits. A forbidden outcome ends
 * the round as an error of `step`.
 */
import { checkRecord, MIN_RECORD_BYTES } from '../records.mjs'
import { checkHeader } from './headers.mjs'
import { Lengths } from './lengths.mjs'
import { DEAD, Life, LIFE, RETIRED, WRITING } from './life.mjs'

/** Age of a sample before it may be read; the consumer's default. */
const GRACE_MS = 10
/**
 * A writer in overwrite mode is faster than we are: let other buffers and deaths have their turn.
 */
const SPANS_A_STEP = 200

/** One buffer. The records of a buffer are numbered 0, 1, 2 … over all its writers. */
class Delivery {
  /** Sums over all lives that have ended. */
  attempted = 0
  torn = 0
  discarded = 0
  traceless = 0
  delivered = 0
  #reader
  #life
  #lengths
  #plan
  #cpu
  #deliveredBefore = 0
  #next = 0
  /** Sums when the last life ended. */
  #foundBefore = 0
  #refusedBefore = { full: 0, tooBig: 0, bad: 0 }
  #sampledAtMs = -Infinity

  constructor(cpu, reader, life, lengths, plan) {
    this.#cpu = cpu
    this.#reader = reader
    this.#life = life
    this.#lengths = lengths
    this.#plan = plan
  }

  get overwritten() {
    return this.#reader.overwritten
  }

  get state() {
    return this.#life.state
  }

  /**
   * Takes complete sub-buffers, and the aged part of incomplete ones. @returns the number of spans.
   */
  poll(nowMs) {
    let spans = 0
    while (spans < SPANS_A_STEP && this.#take(this.#reader.next())) spans += 1
    // A part comes after all that is complete.
    if (spans === SPANS_A_STEP || !this.#plan.samples) return spans
    if (nowMs - this.#sampledAtMs > GRACE_MS) {
      if (this.#take(this.#reader.aged())) spans += 1
      this.#sampledAtMs = this.#reader.sample() ? nowMs : -Infinity
    }
    return spans
  }

  #take(span) {
    if (span === undefined) return false
    const { bytes, from, end, complete, records } = span
    if (complete && this.#plan.fillsHeaders) checkHeader(bytes, this.#plan.headerBytes, end)
    let number = this.delivered + this.#reader.overwritten
    if (number < this.#next) this.#forbidden(`record ${number} comes again: the next one is ${this.#next}`)
    const first = number
    let at = from
    while (at < end) {
      const length = this.#lengths.of(number)
      if (at + length > end) {
        this.#forbidden(`record ${number} at=${at} has length=${length}, its span ends at ${end}`)
      }
      try {
        checkRecord(bytes, at, length, number)
      } catch (error) {
        const there = [...bytes.subarray(at, Math.min(end, at + MIN_RECORD_BYTES))].join(' ')
        this.#forbidden(
          `${error.message} (there is ${there}), in the span ${from}…${end} that starts with record ${first}`,
        )
      }
      at += length
      number += 1
    }
    // Those without bytes at the end of a part are met when the sub-buffer is complete.
    if (complete) while (number - first < records && this.#lengths.of(number) === 0) number += 1
    this.delivered += number - first
    this.#next = number
    const found = this.delivered - this.#deliveredBefore
    if (complete && records !== found) this.#forbidden(`a span of ${found} records says records=${records}`)
    this.#deliveredBefore = this.delivered
    this.#reader.delivered(span, found)
    return true
  }

  /**
   * The writer's thread has ended, one way or the other: takes the rest, and closes the books of
   * its life.
   */
  bury() {
    while (this.#take(this.#reader.next()));
    this.#take(this.#reader.newest())
    const life = this.#life
    const reader = this.#reader
    // One that died before it had the buffer has written nothing, and rchan's consumer does not
    // retire it.
    const torn = life.flag(LIFE.begun) || this.#plan.retiresAll ? reader.retire() : 0
    reader.settle()
    const total = this.delivered + reader.overwritten
    const found = total - this.#foundBefore
    const { full, tooBig, bad } = reader.buffer.discarded()
    const killed = life.flag(LIFE.killed) ? 1 : 0
    const attempted = life.count(LIFE.attempted)
    const accepted = life.count(LIFE.accepted)
    const now = {
      attempted,
      accepted,
      found,
      torn,
      full: full - this.#refusedBefore.full,
      tooBig: tooBig - this.#refusedBefore.tooBig,
      bad: bad - this.#refusedBefore.bad,
      refused: life.count(LIFE.refused),
      refusedTooBig: life.count(LIFE.tooBig),
      remaining: reader.remaining(),
      killed,
    }
    const traceless = attempted - found - torn - now.full - now.tooBig - now.bad
    const check = (holds, rule) => {
      if (!holds) this.#forbidden(`${rule}: ${JSON.stringify({ ...now, traceless })}`)
    }
    // One attempt was under way when the thread was killed, and each of these may have come of it.
    const within = (counted, known) => counted === known || counted === known + killed
    check(this.#next <= total, `record ${this.#next - 1} was delivered, of ${total}`)
    check(now.remaining === 0, 'records remain after the death')
    check(traceless >= 0 && traceless <= killed, 'the books are not exact')
    check(within(now.full, now.refused), 'the records refused as full are not those counted')
    check(within(now.tooBig, now.refusedTooBig), 'the records refused as too big are not those counted')
    check(now.bad === 0, 'records were counted as bad')
    check(
      this.#plan.mode === 'overwrite' ? now.full === 0 : reader.overwritten === 0,
      'lost by the other mode’s cause',
    )
    // Records without bytes behind the last one with bytes leave no trace but their count, which
    // makes them torn.
    let empty = 0
    while (empty < accepted - found && this.#lengths.of(total + empty) === 0) empty += 1
    check(found + empty >= accepted, 'a record is missing whose write had returned')
    check(found <= accepted + killed, 'there are more records than were accepted')
    check(torn <= killed + empty, 'more was torn than what was under way')
    this.attempted += attempted
    this.torn += torn
    this.traceless += traceless
    this.discarded += now.full + now.tooBig + now.bad
    this.#refusedBefore = { full, tooBig, bad }
    this.#foundBefore = total
    this.#sampledAtMs = -Infinity
    life.firstNumber = total
    life.enter(RETIRED)
  }

  #forbidden(what) {
    throw new Error(`cpu=${this.#cpu}: ${what}`)
  }
}

export class Drain {
  #deliveries

  /** @param channel a `Channel` of `@rchan/relay`. */
  constructor(channel, { lives, lengths, plan }) {
    this.#deliveries = lengths.map(
      (kind, cpu) => new Delivery(cpu, channel.reader(cpu), new Life(lives, cpu), new Lengths(kind), plan),
    )
  }

  /** One turn. @returns how much there was to do. */
  step(nowMs) {
    let work = 0
    for (const delivery of this.#deliveries) {
      const { state } = delivery
      if (state === DEAD) {
        delivery.bury()
        work += 1
      } else if (state === WRITING) {
        work += delivery.poll(nowMs)
      }
    }
    return work
  }

  /** Buries the dead, and takes nothing else. */
  buryDead() {
    for (const delivery of this.#deliveries) if (delivery.state === DEAD) delivery.bury()
  }

  /** Whether no writer is there any more. */
  get isDone() {
    return this.#deliveries.every(({ state }) => state !== WRITING && state !== DEAD)
  }

  sums() {
    const sums = { attempted: 0, delivered: 0, overwritten: 0, discarded: 0, torn: 0, traceless: 0 }
    for (const delivery of this.#deliveries) for (const key of Object.keys(sums)) sums[key] += delivery[key]
    return sums
  }
}
