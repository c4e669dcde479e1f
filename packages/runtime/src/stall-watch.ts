/**
 * The watch for event loops that stand still: sees that a thread's heartbeat (`heartbeat.ts`) stays
 * away, while it does. One stall gives one cause.
 *
 * What counts is time in which this thread ran and the other one didn't. A process that was
 * stopped, or a machine that slept, looks like a long time between two looks of this thread: then
 * the other thread may not have run, either, and the count starts again.
 */
import { PLACE, type Arena } from './arena.js'
import { MAX_STALL_MS, MIN_STALL_MS } from './heartbeat.js'
import type { Machine } from './machine.js'
import { causeOf } from './trigger.js'
import type { TakeSnapshot, Watch } from './watch.js'

/** Looks within the shortest limit. */
const LOOKS = 4
/** The longest time between two looks: how long a thread that begins to be watched may wait. */
const MAX_LOOK_MS = 100

/** What is known of a place's thread. */
interface Beat {
  readonly generation: number
  readonly beats: number
  /** How long the beats have not changed, in milliseconds. */
  readonly stillMs: number
  /** Whether this stall was told. */
  readonly told: boolean
}

export class StallWatch implements Watch {
  dueAt = 0
  readonly #arena: Arena
  readonly #machine: Machine
  readonly #take: TakeSnapshot
  readonly #beats: (Beat | undefined)[] = []
  #lookedAt = -Infinity

  constructor(arena: Arena, machine: Machine, take: TakeSnapshot) {
    this.#arena = arena
    this.#machine = machine
    this.#take = take
  }

  look(now: number): void {
    const passed = now - this.#lookedAt
    this.#lookedAt = now
    let lookMs = MAX_LOOK_MS
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      // Untrusted: from another thread.
      const limit = this.#word(cpu, PLACE.stallMs)
      if (limit < MIN_STALL_MS || limit > MAX_STALL_MS) {
        this.#beats[cpu] = undefined
        continue
      }
      lookMs = Math.min(lookMs, limit / LOOKS)
      this.#beats[cpu] = this.#next(cpu, limit, passed)
    }
    this.dueAt = this.#machine.now() + lookMs
  }

  #next(cpu: number, limit: number, passed: number): Beat {
    const generation = this.#word(cpu, PLACE.generation)
    // Pairs with: Heartbeat.#beat, Atomics.add of `beats`.
    const beats = this.#word(cpu, PLACE.beats)
    const before = this.#beats[cpu]
    if (before?.generation !== generation || before.beats !== beats)
      return { generation, beats, stillMs: 0, told: false }
    if (passed > limit) return { ...before, stillMs: 0 }
    // No single gap is half of the proof: this thread may have been stopped in it.
    const stillMs = before.stillMs + Math.min(passed, limit / 2)
    if (stillMs <= limit || before.told) return { ...before, stillMs }
    // A thread that has just ended beats no more. That is no stall.
    const owner = this.#word(cpu, PLACE.owner)
    const isGone = owner === 0 || this.#machine.isDead(owner, this.#arena.startTicks(cpu))
    if (!isGone) this.#tell(cpu, stillMs, limit)
    return { ...before, stillMs, told: true }
  }

  #tell(cpu: number, stillMs: number, limit: number): void {
    const thread = this.#word(cpu, PLACE.threadId)
    const name = this.#arena.threadName(cpu)
    this.#take(
      causeOf(
        'stall',
        `the event loop of thread ${thread} (${name}) has stood still for ${Math.round(stillMs)} ms so far (stallMs=${limit})`,
        thread,
      ),
    )
  }

  #word(cpu: number, word: number): number {
    return Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, word))
  }
}
