/**
 * The right to drain a buffer with a `Reader`: one thread at a time has it, and in that thread one
 * consumer. Its words stand in the buffer's head (buffer-head.ts).
 *
 * `reader` is the member that drains. A thread becomes it by compare-and-exchange, while nobody is
 * or a dead member is. What it leaves is what the next one needs: the ring's `consumed`, and how
 * far it got in the sub-buffer after that (`part`). There are two places for the latter, written in
 * turns; the one store of `part` makes a place count. So a reader that dies in between leaves the
 * place before, and the next reader delivers the bytes since then once more. It skips none.
 */
import type { WaitQueue } from '@rchan/sync'
import { HEAD } from './buffer-head.js'
import type { RelayHost } from './host.js'

/** How far a sub-buffer was drained that is not consumed yet. */
export interface Part {
  readonly sequence: number
  /** The buffer's `resets` then. */
  readonly resets: number
  /** Bytes, the header included. */
  readonly bytes: number
  readonly records: number
}

/** The claim of one buffer, seen from one thread. */
export class ReaderClaim {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #queue: WaitQueue
  readonly #relay: RelayHost
  #isCountedIn = false

  /** @param words the head of the buffer. @param queue where its owner wakes sleepers. */
  constructor(
    words: Int32Array<SharedArrayBuffer>,
    doubles: Float64Array<SharedArrayBuffer>,
    queue: WaitQueue,
    relay: RelayHost,
  ) {
    this.#words = words
    this.#doubles = doubles
    this.#queue = queue
    this.#relay = relay
  }

  /** The member that drains the buffer, dead or alive; 0 for none. */
  get reader(): number {
    return Atomics.load(this.#words, HEAD.reader >> 2)
  }

  /**
   * Takes the claim for this thread, if no living thread has it.
   *
   * @returns whether it did. If not, `reader` has it, which may be this thread.
   */
  take(): boolean {
    const { members } = this.#relay
    members.mustTakePart()
    const at = HEAD.reader >> 2
    for (;;) {
      const seen = Atomics.load(this.#words, at)
      if (seen !== 0 && (seen === members.me || !members.isDead(seen))) return false
      // Pairs with: release, Atomics.store. The reader before has stored its part by then.
      if (Atomics.compareExchange(this.#words, at, seen, members.me) === seen) break
    }
    // A switch that still sees the bell before wakes another thread for nothing; this thread has
    // not counted itself in yet.
    Atomics.store(this.#words, HEAD.readerBell >> 2, members.index + 1)
    return true
  }

  /** Gives the claim up, if this thread has it. */
  release(): void {
    this.countOut()
    this.releaseFor(this.#relay.members.me)
  }

  /** Gives up the claim of a member that is known to have ended. Any thread. */
  releaseFor(member: number): void {
    // Pairs with: take.
    if (member !== 0) Atomics.compareExchange(this.#words, HEAD.reader >> 2, member, 0)
  }

  /** From now on each switch rings this thread's bell. */
  countIn(): void {
    if (this.#isCountedIn) return
    this.#isCountedIn = true
    this.#queue.countIn()
  }

  countOut(): void {
    if (!this.#isCountedIn) return
    this.#isCountedIn = false
    this.#queue.countOut()
  }

  /** Owner, after a switch that found a sleeper: rings the bell of the reader. */
  ring(): void {
    const bell = Atomics.load(this.#words, HEAD.readerBell >> 2)
    if (bell !== 0) this.#relay.bells.ring(bell - 1)
  }

  /** How far the reader before got; undefined for nowhere. */
  get part(): Part | undefined {
    const place = Atomics.load(this.#words, HEAD.part >> 2)
    if (place !== 1 && place !== 2) return undefined
    const at = (place === 1 ? HEAD.part1 : HEAD.part2) >> 3
    const [sequence, resets, bytes, records] = this.#doubles.subarray(at, at + 4)
    return { sequence, resets, bytes, records }
  }

  /** Reader: remembers how far it got. */
  set part(part: Part | undefined) {
    const at = HEAD.part >> 2
    const place = this.#words[at] === 1 ? 2 : 1
    if (part !== undefined) {
      const { sequence, resets, bytes, records } = part
      this.#doubles.set([sequence, resets, bytes, records], (place === 1 ? HEAD.part1 : HEAD.part2) >> 3)
    }
    // Pairs with: the getter, in the next reader, after it took the claim.
    Atomics.store(this.#words, at, part === undefined ? 0 : place)
  }
}
