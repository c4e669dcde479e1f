/**
 * The messages from one thread to another, so far. Times are ns, counted from wherever the caller
 * likes.
 */
import { LateModel } from './late.js'
import type { Traffic } from './model.js'
import { quantilesOf } from './quantiles.js'
import { Sketch } from './sketch.js'

/** A message that lay for so long before anybody took it was late. */
const LATE_NS = 50_000_000
/** Unless the thread that should have taken it waited for a CPU in so much of this time. */
const STARVED = 0.7
/** Reading a message takes at most so many times what writing it took. The rest is waiting. */
const READ_PER_POST = 2

/** What is known of a message when it has come. */
export interface Received {
  /** When it was posted: it was serialized until then. */
  readonly posted: number
  readonly postNs: number
  readonly time: number
  /** Since when the thread could take it. */
  readonly freeFrom: number
  /** For how long the thread had waited for a CPU when it was posted, in all. */
  readonly waitedBefore: number
  readonly isTaken: boolean
}

/** A message that lay. */
interface Late {
  readonly posted: number
  readonly time: number
  readonly lay: number
  readonly waitedBefore: number
}

/** Follows one route, or several together. */
export class RouteModel {
  /** Without those of which nobody knows where they went. */
  messages = 0
  unhandled = 0
  readNs = 0
  readonly post = new Sketch()
  #taken = 0
  readonly #wait = new Sketch()
  readonly #handle = new Sketch()
  readonly #late = new LateModel()
  /** Late ones of which the receiver's own wait for a CPU is not known yet. */
  readonly #unsettled: Late[] = []

  /** How many late messages wait for {@link settle}. */
  get unsettled(): number {
    return this.#unsettled.length
  }

  /** @returns how long reading it took at most. */
  received({ posted, postNs, time, freeFrom, waitedBefore, isTaken }: Received): number {
    this.messages += 1
    const wait = Math.max(0, time - posted)
    this.#wait.add(wait)
    if (isTaken) this.#taken += 1
    const read = Math.min(Math.max(0, time - Math.max(posted, freeFrom)), READ_PER_POST * postNs)
    this.readNs += read
    const lay = wait - read
    // A message that is taken is one that its thread has looked for.
    if (!isTaken && lay >= LATE_NS) this.#unsettled.push({ posted, time, lay, waitedBefore })
    return read
  }

  /**
   * Leaves out messages that lay because their receiver had no CPU.
   *
   * @param waited for how long it has waited for one, in all.
   */
  settle(waited: number): void {
    for (const { posted, time, lay, waitedBefore } of this.#unsettled.splice(0)) {
      if (waited - waitedBefore >= STARVED * lay) continue
      this.#late.add(posted, time, lay)
    }
  }

  handled(ns: number): void {
    this.#handle.add(ns)
  }

  /** Nobody has taken it. */
  neverReceived(): void {
    this.messages += 1
    this.unhandled += 1
  }

  /** Takes in what is known of another route. */
  add(other: RouteModel): void {
    this.messages += other.messages
    this.unhandled += other.unhandled
    this.readNs += other.readNs
    this.#taken += other.#taken
    this.post.addAll(other.post)
    this.#wait.addAll(other.#wait)
    this.#handle.addAll(other.#handle)
    this.#late.addAll(other.#late)
  }

  /** @param base what times count from. */
  result(base: bigint): Traffic {
    return {
      messages: this.messages,
      unhandled: this.unhandled,
      taken: this.#taken,
      post: quantilesOf(this.post),
      wait: quantilesOf(this.#wait),
      handle: quantilesOf(this.#handle),
      readNs: this.readNs,
      late: this.#late.result(base),
    }
  }
}
