/**
 * The dead threads of a recording, as the consumer sees them: finds them, cleans up after them in a
 * buffer that all CPUs share, and frees their places. Runs on the consumer thread. It never decides
 * that a thread is dead by itself: the machine proves it, or an `exit` event told of it.
 */
import { isProvable } from '@rchan/threads'
import { ARENA, PLACE, type Arena } from './arena.js'
import type { GlobalRing } from './drain.js'
import type { Machine } from './machine.js'

/** How often, after a death, to look again before the next flush whether all is cleaned up. */
const RETRIES = 3

export class Reaper {
  /** When to look again, in the machine's milliseconds, if that is before the next flush. */
  dueAt = Infinity
  readonly #arena: Arena
  readonly #machine: Machine
  readonly #shared: GlobalRing | undefined
  readonly #graceMs: number
  /** The dead of the last look, and how often more not to wait for the next flush. */
  #dead: ReadonlySet<number> = new Set()
  #retries = 0
  /** When the next look at what dead threads left in a shared buffer may be. */
  #recoverableAt = -Infinity

  /** @param shared the one ring of all CPUs, if they share one. */
  constructor(arena: Arena, machine: Machine, shared: GlobalRing | undefined, graceMs: number) {
    this.#arena = arena
    this.#machine = machine
    this.#shared = shared
    this.#graceMs = graceMs
  }

  /** The CPUs whose threads are dead. */
  findDead(): Set<number> {
    const { words } = this.#arena
    const dead = new Set<number>()
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      const word = (of: number): number => this.#arena.placeWord(cpu, of)
      const owner = Atomics.load(words, word(PLACE.owner))
      if (owner === 0) continue
      // Where no death can be proven, the `exit` event of the worker tells.
      const isGone = isProvable(owner)
        ? this.#machine.isDead(owner, this.#arena.startTicks(cpu))
        : Atomics.load(words, word(PLACE.exited)) === 1
      if (isGone) dead.add(cpu)
    }
    return dead
  }

  /**
   * Cleans up after dead threads in a buffer that they shared. @returns whether there is more to
   * do.
   */
  recover(dead: ReadonlySet<number>): boolean {
    const ring = this.#shared
    if (ring === undefined) return false
    const now = this.#machine.now()
    if (now < this.#recoverableAt) {
      // An unclear case is decided when two looks saw the same of it, so the two must not be too
      // close; threads that need a place have us look each millisecond.
      const mayBeMore = dead.size > 0 || this.#dead.size > 0
      if (mayBeMore) this.dueAt = Math.min(this.dueAt, this.#recoverableAt)
      return mayBeMore
    }
    this.#recoverableAt = now + this.#graceMs
    if ([...dead].some((cpu) => !this.#dead.has(cpu))) this.#retries = RETRIES
    this.#dead = dead
    const left = ring.recover(dead)
    // An unclear case is decided when it has not changed since: soon, because others wait behind
    // it.
    this.dueAt = left && this.#retries > 0 ? this.#recoverableAt : Infinity
    // A slot is free when the sub-buffer of its hole is given back, so that must not stay open till
    // others fill it.
    if (left && this.#retries === RETRIES) ring.flush()
    this.#retries -= 1
    return left
  }

  /** Frees the place of a dead thread. Its words are the consumer's until `owner` is 0. */
  free(cpu: number): void {
    const { words } = this.#arena
    const word = (of: number): number => this.#arena.placeWord(cpu, of)
    Atomics.store(words, word(PLACE.online), 0)
    Atomics.store(words, word(PLACE.exited), 0)
    Atomics.add(words, word(PLACE.generation), 1)
    this.#arena.setStartTicks(cpu, 0)
    // Pairs with: Cpu.#claim, compare-and-exchange from 0.
    Atomics.store(words, word(PLACE.owner), 0)
    Atomics.add(words, ARENA.freed >> 2, 1)
    Atomics.notify(words, ARENA.freed >> 2)
  }

  /** Tells threads that wait for a place of a look. @param leaving the places still to be freed. */
  tellOfLook(leaving: number): void {
    const { words } = this.#arena
    // Pairs with: Cpu.#claimFreed, which has waited for the look, and then sees what is to come.
    Atomics.store(words, ARENA.leaving >> 2, leaving)
    Atomics.add(words, ARENA.looks >> 2, 1)
    Atomics.notify(words, ARENA.looks >> 2)
  }
}
