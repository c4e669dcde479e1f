/**
 * Tenures: which thread had a place when, counted in sub-buffers of its ring. So it is known which
 * thread wrote a sub-buffer that stays in the ring after its writer has died. Runs on the consumer
 * thread, which alone frees places, so no tenure is missed.
 */
import { PLACE, type Arena } from './arena.js'
import type { Named } from './ledger.js'
import type { ThreadTotals } from './packet-format.js'

/** The time that a thread has a place. */
export interface Tenure {
  readonly cpu: number
  /** Its name may change. */
  readonly thread: ThreadTotals
  /** The first sub-buffer of its own ring; of a shared ring, 0. */
  readonly firstSequence: number
  /** The first sub-buffer after it; Infinity while it lasts. */
  endSequence: number
}

export class Tenures {
  readonly #arena: Arena
  readonly #byCpu: Tenure[][]

  constructor(arena: Arena) {
    this.#arena = arena
    this.#byCpu = Array.from({ length: arena.possibleCpus }, () => [])
  }

  /** Finds the threads that have come online since the last call. */
  findNew(): void {
    const { words } = this.#arena
    for (let cpu = 0; cpu < this.#byCpu.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`. The place's words about its thread are
      // stored before, and do not change until the consumer, which is this thread, frees the place.
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      const last = this.#byCpu[cpu].at(-1)
      if (last?.endSequence === Infinity) continue
      const thread = {
        generation: words[this.#arena.placeWord(cpu, PLACE.generation)],
        threadId: words[this.#arena.placeWord(cpu, PLACE.threadId)],
        threadName: this.#arena.threadName(cpu),
      }
      this.#byCpu[cpu].push({ cpu, thread, firstSequence: last?.endSequence ?? 0, endSequence: Infinity })
    }
  }

  /** Reads the names of the threads again that have places now. */
  readNames(): void {
    for (let cpu = 0; cpu < this.#byCpu.length; cpu += 1) this.#readName(cpu)
  }

  #readName(cpu: number): void {
    const last = this.#byCpu[cpu].at(-1)
    if (last?.endSequence === Infinity) (last.thread as Named).threadName = this.#arena.threadName(cpu)
  }

  /**
   * Ends the tenure of a dead thread, before its place is freed.
   *
   * @param endSequence the first sub-buffer that the next thread in this place can write.
   */
  end(cpu: number, endSequence: number): void {
    this.findNew()
    this.#readName(cpu)
    const last = this.#byCpu[cpu].at(-1)
    if (last?.endSequence === Infinity) last.endSequence = endSequence
  }

  /** Forgets the threads that wrote no sub-buffer of a ring from `oldest` on. */
  forget(cpu: number, oldest: number): void {
    const tenures = this.#byCpu[cpu]
    // The last one stays: the next one begins where it ended.
    while (tenures.length > 1 && tenures[0].endSequence <= oldest) tenures.shift()
  }

  /** The tenure in which a sub-buffer was written. */
  at(cpu: number, sequence: number): Tenure | undefined {
    return this.#byCpu[cpu].find((tenure) => sequence < tenure.endSequence)
  }

  /** The tenures of a place that are remembered, in their order. */
  of(cpu: number): readonly Tenure[] {
    return this.#byCpu[cpu] ?? []
  }

  /** Whether a place was ever taken. */
  has(cpu: number): boolean {
    return this.#byCpu[cpu].length > 0
  }

  /** All that are remembered, in the order of places. */
  all(): Tenure[] {
    return this.#byCpu.flat()
  }
}
