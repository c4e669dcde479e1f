/**
 * The watch for a level that comes near a limit: the memory of the process, or the heap of a
 * thread. It fires once, and again only after the level has fallen clearly below the limit.
 */
import { NO_THREAD, causeOf, type Trigger } from './trigger.js'
import type { TakeSnapshot, Watch } from './watch.js'

/** How often to look, in milliseconds. A look at the memory of a process takes 20 µs. */
const LOOK_MS = 500
/** Below this share of the limit the level has fallen. */
const FALLEN = 0.9

/** A level and its limit, in the same unit. */
export interface Level {
  readonly trigger: Trigger
  readonly limit: number
  /** Node's number of the thread that it is about. */
  readonly thread?: number
  /** The level now. */
  read(): number
  /** Says a level in words. */
  reason(level: number): string
}

export class LevelWatch implements Watch {
  dueAt = 0
  readonly #level: Level
  readonly #take: TakeSnapshot
  #isAbove = false

  constructor(level: Level, take: TakeSnapshot) {
    this.#level = level
    this.#take = take
  }

  look(now: number): void {
    this.dueAt = now + LOOK_MS
    const { trigger, limit, thread = NO_THREAD } = this.#level
    let level: number
    try {
      level = this.#level.read()
    } catch {
      // No descriptor is left to read it. The next look may find one.
      return
    }
    if (level < limit * FALLEN) this.#isAbove = false
    if (level < limit || this.#isAbove) return
    this.#isAbove = true
    this.#take(causeOf(trigger, this.#level.reason(level), thread))
  }
}
