/**
 * The place that a thread has in the arena of a recording: it takes a free one, has the consumer
 * free those of dead threads if there is none, and leaves it. Runs on every thread that traces,
 * when it comes online and when it leaves a recording. It waits only as `cpu.ts` says.
 */
import { ENOUGH_LOOKS, LOOK_SLICE_MS } from '@rchan/sync/look-again'
import { ARENA, CONSUMER_STATE, PLACE, type Arena } from './arena.js'
import type { Control } from './control.js'
import { request, WANT } from './request.js'

/**
 * How long a thread that needs a place waits for a busy consumer, in slices of a millisecond: about
 * 1 s.
 */
const MOST_PLACE_SLICES = 1000

export class PlaceClaim {
  readonly #control: Control
  /** The arena that had no place for this thread, and its count of freed places at that time. */
  #fullArena: Arena | undefined
  #freedCount = 0
  /**
   * The last place that this thread claimed, and its recording. Known even if an exception cut off
   * the rest.
   */
  #arena: Arena | undefined
  #cpu = -1
  #generation = 0

  constructor(control: Control) {
    this.#control = control
  }

  /** The recording of the place that this thread has; undefined if it has none. */
  get generation(): number | undefined {
    return this.#arena?.generation
  }

  /**
   * Whether a place has become free since this thread found none. A plain read, because a slightly
   * stale value does no harm.
   */
  get hasFreed(): boolean {
    return this.#fullArena !== undefined && this.#fullArena.words[ARENA.freed >> 2] !== this.#freedCount
  }

  /** The thread tries again: what was found of a full arena counts no more. */
  tryAnew(): void {
    this.#fullArena = undefined
  }

  /**
   * Takes a place.
   *
   * @param identity the calling thread's.
   * @param waits whether the thread may wait for the consumer to free one.
   * @returns the place's CPU; undefined if there is none.
   */
  take(arena: Arena, identity: number, waits: boolean): number | undefined {
    return this.#claim(arena, identity) ?? this.#claimFreed(arena, identity, waits)
  }

  /** Leaves the place. The thread never touches the memory again. */
  leave(): void {
    const arena = this.#arena
    if (arena === undefined) return
    // Last. Pairs with: ArenaPool, Atomics.load of `left`.
    Atomics.store(arena.words, arena.placeWord(this.#cpu, PLACE.left), 1)
    this.#arena = undefined
  }

  /**
   * Takes a free place by storing this thread's identity in it. CPU 0 is for the recording thread.
   */
  #claim(arena: Arena, identity: number): number | undefined {
    if (this.#generation === arena.generation) return this.#cpu
    const { words } = arena
    // Pairs with: ArenaPool, which stores `generation` when the recording is over and then loads
    // `joining`. So either the memory is not laid out anew until we have counted down, or we see
    // that it may have been.
    Atomics.add(words, ARENA.joining >> 2, 1)
    try {
      if (Atomics.load(words, ARENA.generation >> 2) !== arena.generation) return undefined
      const first = words[ARENA.recorder >> 2] === identity ? 0 : 1
      for (let cpu = first; cpu < arena.possibleCpus; cpu += 1) {
        const owner = arena.placeWord(cpu, PLACE.owner)
        // Pairs with: Reaper.free, Atomics.store of 0 once the previous thread is dead and its
        // buffer is drained.
        if (Atomics.compareExchange(words, owner, 0, identity) !== 0) continue
        this.#generation = arena.generation
        this.#arena = arena
        this.#cpu = cpu
        return cpu
      }
      return undefined
    } finally {
      // From here on our place keeps the memory as it is.
      Atomics.sub(words, ARENA.joining >> 2, 1)
    }
  }

  /**
   * Asks the consumer for looks for dead threads, again and again, and takes a place that they
   * free.
   *
   * The wait ends with a place, or when enough looks found all threads alive (see sync's
   * `look-again`). Here the consumer looks, and all waiting threads share its looks. A look that
   * found dead threads whose places are not free yet does not count, because those places will be
   * free. The wait also ends with the recording, and when a busy consumer does not look for about a
   * second.
   */
  #claimFreed(arena: Arena, identity: number, waits: boolean): number | undefined {
    const { words } = arena
    // Without a consumer no thread would answer. And with one place only, the living recording
    // thread has it, so it is never free.
    const isHopeless = arena.possibleCpus === 1
    const mayWait = waits && !isHopeless && Atomics.load(words, ARENA.state >> 2) === CONSUMER_STATE.running
    let looksLeft = mayWait ? ENOUGH_LOOKS : 1
    for (let slices = 0; looksLeft > 0 && slices < MOST_PLACE_SLICES; slices += 1) {
      const looks = Atomics.load(words, ARENA.looks >> 2)
      request(arena, this.#control, WANT.places)
      // Pairs with: Reaper.tellOfLook, Atomics.add of `looks` after the owner of each place that it
      // freed is 0.
      const isAnswered =
        mayWait && this.#control.machine.waitAtLeast(words, ARENA.looks >> 2, looks + 1, LOOK_SLICE_MS)
      // Load this before the claim: a place that is freed later changes the count, and the next
      // record sees that.
      this.#freedCount = Atomics.load(words, ARENA.freed >> 2)
      const cpu = this.#claim(arena, identity)
      if (cpu !== undefined) return cpu
      if (!mayWait || this.#control.generation !== arena.generation) break
      if (!isAnswered) continue
      if (Atomics.load(words, ARENA.leaving >> 2) === 0) looksLeft -= 1
      slices += 1
      // Pairs with: Reaper.free, Atomics.add of `freed`.
      this.#control.machine.waitAtLeast(words, ARENA.freed >> 2, this.#freedCount + 1, LOOK_SLICE_MS)
    }
    this.#fullArena = arena
    return undefined
  }
}
