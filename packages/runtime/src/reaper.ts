/**
 * The reaper of a recording's dead threads: finds them, cleans up after them in a shared buffer,
 * and frees their places. Runs on the consumer thread. It never decides by itself that a thread is
 * dead: the machine proves it, or an `exit` event reports it.
 */
import { isProvable } from '@rchan/threads'
import { ARENA, PLACE, type Arena } from './arena.js'
import type { GlobalRing } from './drain.js'
import type { Machine } from './machine.js'

/** How often to look again after a death, before the next flush, until all is cleaned up. */
const RETRIES = 3

export class Reaper {
  /** When to look again, in the machine's milliseconds, if that is before the next flush. */
  dueAt = Infinity
  readonly #arena: Arena
  readonly #machine: Machine
  readonly #shared: GlobalRing | undefined
  readonly #graceMs: number
  /** The dead threads of the last look, and the number of looks left before the next flush. */
  #dead: ReadonlySet<number> = new Set()
  #retries = 0
  /** The earliest time of the next clean-up in a shared buffer. */
  #recoverableAt = -Infinity

  /** @param shared the shared ring of all CPUs, if they share one. */
  constructor(arena: Arena, machine: Machine, shared: GlobalRing | undefined, graceMs: number) {
    this.#arena = arena
    this.#machine = machine
    this.#shared = shared
    this.#graceMs = graceMs
  }

  /** Finds the CPUs whose threads are dead. */
  findDead(): Set<number> {
    const { words } = this.#arena
    const dead = new Set<number>()
    // The consumer ends with the thread that records, so that one lives.
    const recorder = words[ARENA.recorder >> 2]
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      const word = (of: number): number => this.#arena.placeWord(cpu, of)
      const owner = Atomics.load(words, word(PLACE.owner))
      if (owner === 0 || owner === recorder) continue
      // If no death can be proven, the `exit` event of the worker decides.
      const isGone = isProvable(owner)
        ? this.#machine.isDead(owner, this.#arena.startTicks(cpu))
        : Atomics.load(words, word(PLACE.exited)) === 1
      if (isGone) dead.add(cpu)
    }
    return dead
  }

  /** Cleans up after dead threads in a shared buffer. @returns whether there is more to do. */
  recover(dead: ReadonlySet<number>): boolean {
    const ring = this.#shared
    if (ring === undefined) return false
    const now = this.#machine.now()
    if (now < this.#recoverableAt) {
      // An unclear case is decided when two looks saw the same, so the two must not be too close.
      // Threads that need a place make us look each millisecond.
      const mayBeMore = dead.size > 0 || this.#dead.size > 0
      if (mayBeMore) this.dueAt = Math.min(this.dueAt, this.#recoverableAt)
      return mayBeMore
    }
    this.#recoverableAt = now + this.#graceMs
    if ([...dead].some((cpu) => !this.#dead.has(cpu))) this.#retries = RETRIES
    this.#dead = dead
    const left = ring.recover(dead)
    // An unclear case is decided when it has not changed at the next look. Look soon, because other
    // records wait behind it.
    this.dueAt = left && this.#retries > 0 ? this.#recoverableAt : Infinity
    // A slot gets free when the sub-buffer of its hole is given back. So that sub-buffer must not
    // stay open until others fill it.
    if (left && this.#retries === RETRIES) ring.flush()
    this.#retries -= 1
    return left
  }

  /** Frees the place of a dead thread. The consumer owns the place's words until `owner` is 0. */
  free(cpu: number): void {
    const { words } = this.#arena
    const word = (of: number): number => this.#arena.placeWord(cpu, of)
    Atomics.store(words, word(PLACE.online), 0)
    Atomics.store(words, word(PLACE.exited), 0)
    Atomics.store(words, word(PLACE.stallMs), 0)
    Atomics.store(words, word(PLACE.heap), 0)
    Atomics.add(words, word(PLACE.generation), 1)
    this.#arena.setStartTicks(cpu, 0)
    // Pairs with: PlaceClaim.#claim, compare-and-exchange from 0.
    Atomics.store(words, word(PLACE.owner), 0)
    Atomics.add(words, ARENA.freed >> 2, 1)
    Atomics.notify(words, ARENA.freed >> 2)
  }

  /**
   * Tells the threads that wait for a place that a look is done. @param leaving the places still to
   * be freed.
   */
  tellOfLook(leaving: number): void {
    const { words } = this.#arena
    // Pairs with: PlaceClaim.#claimFreed, which waits for the look and then loads `leaving`.
    Atomics.store(words, ARENA.leaving >> 2, leaving)
    Atomics.add(words, ARENA.looks >> 2, 1)
    Atomics.notify(words, ARENA.looks >> 2)
  }
}
