/**
 * Watches of a flight recorder: what the consumer thread looks at now and then, to find a cause for
 * a snapshot. Each watch says when it is due, so an idle consumer sleeps until then.
 */
import type { SnapshotCause } from './trigger.js'

/** Something to look at. Its times are the machine's milliseconds. */
export interface Watch {
  /** When to look next; Infinity for never. */
  readonly dueAt: number
  /** Looks. Called when it is due. Must not throw. */
  look(now: number): void
  /**
   * The consumer does a step: it was due, or a thread has rung because it filled a sub-buffer. Must
   * not throw.
   */
  step?(): void
  /** A snapshot was taken, for whatever cause. */
  snapshotTaken?(): void
  /** Releases what it holds. Must not throw. */
  close?(): void
}

/** Takes a snapshot. Never throws: where it can't, that is counted and reported elsewhere. */
export type TakeSnapshot = (cause: SnapshotCause) => void

/** All watches of a recording, as one. */
export class Watches implements Watch {
  dueAt = Infinity
  readonly #watches: readonly Watch[]

  constructor(watches: readonly Watch[]) {
    this.#watches = watches
    this.#schedule()
  }

  /** Call it in each step. */
  look(now: number): void {
    for (const watch of this.#watches) watch.step?.()
    if (now < this.dueAt) return
    for (const watch of this.#watches) if (now >= watch.dueAt) watch.look(now)
    this.#schedule()
  }

  snapshotTaken(): void {
    for (const watch of this.#watches) watch.snapshotTaken?.()
  }

  close(): void {
    this.dueAt = Infinity
    for (const watch of this.#watches) watch.close?.()
  }

  #schedule(): void {
    this.dueAt = Math.min(...this.#watches.map((watch) => watch.dueAt))
  }
}
