/**
 * The watch for buffers that fill: a thread has filled a given share of its buffer since the last
 * snapshot. So each event can be in a snapshot before newer ones overwrite it. It looks in each
 * step, because a thread that fills a sub-buffer rings.
 */
import { BUFFER, GlobalReader, type Geometry } from '@rchan/ring'
import { PLACE, type Arena } from './arena.js'
import { causeOf, NO_THREAD } from './trigger.js'
import type { TakeSnapshot, Watch } from './watch.js'

export class FillWatch implements Watch {
  readonly dueAt = Infinity
  readonly #arena: Arena
  readonly #take: TakeSnapshot
  /** Sub-buffers that may be filled before it fires. */
  readonly #most: number
  readonly #share: number
  /** How many sub-buffers each ring was given so far: of each CPU, or of the one buffer of all. */
  readonly #filled: readonly (() => number)[]
  readonly #isShared: boolean
  /** The same at the last snapshot. */
  readonly #before: number[] = []

  /** @param share of a buffer, above 0 and at most 1. */
  constructor(arena: Arena, share: number, take: TakeSnapshot) {
    this.#arena = arena
    this.#take = take
    this.#share = share
    const { global } = arena
    this.#isShared = global !== undefined
    if (global === undefined) {
      const buffers = Array.from({ length: arena.possibleCpus }, (_, cpu) => arena.channel.buffer(cpu))
      this.#filled = buffers.map(
        ({ counters }) =>
          () =>
            Number(Atomics.load(counters, BUFFER.produced >> 3)),
      )
      this.#most = mostOf(share, buffers[0].geometry)
    } else {
      // It only looks here: the consumer has the reader that delivers.
      const reader = new GlobalReader(global)
      this.#filled = [() => reader.written().sequence]
      this.#most = mostOf(share, global.geometry)
    }
    this.snapshotTaken()
  }

  step(): void {
    const full = this.#filled.findIndex((filled, index) => filled() - this.#before[index] >= this.#most)
    if (full < 0) return
    // The next cause comes after as much again, also when this one is refused.
    this.snapshotTaken()
    this.#take(this.#cause(full))
  }

  look(): void {
    // Never due.
  }

  snapshotTaken(): void {
    this.#filled.forEach((filled, index) => (this.#before[index] = filled()))
  }

  #cause(cpu: number): ReturnType<typeof causeOf> {
    const share = `${Math.round(this.#share * 100)} % of`
    const since = `since the last snapshot (fillShare=${this.#share})`
    if (this.#isShared)
      return causeOf('fill', `${share} the buffer of all threads was filled ${since}`, NO_THREAD)
    const thread = Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, PLACE.threadId))
    const name = this.#arena.threadName(cpu)
    return causeOf('fill', `${share} the buffer of thread ${thread} (${name}) was filled ${since}`, thread)
  }
}

function mostOf(share: number, { subbufCount }: Geometry): number {
  return Math.max(1, Math.floor(share * subbufCount))
}
