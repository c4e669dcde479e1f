/**
 * The lives of the threads of a recording, and the spans that their ends cut off. Pure bookkeeping;
 * runs on the consumer thread.
 */
import { PLACE, type Arena } from './arena.js'
import { now } from './clock.js'
import type { CutSpan, RecordingFacts, ThreadLife } from './packet-format.js'

/** The most lives and cut spans that a trace tells of. */
const MOST_TOLD = 4096

export class ThreadLives {
  readonly #arena: Arena
  readonly #ended: ThreadLife[] = []
  readonly #cuts: CutSpan[] = []
  #untold = 0

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Notes that the thread of a place is dead. Call it before the place is freed. */
  ended(cpu: number): void {
    if (!this.#isOnline(cpu)) return
    const at = now()
    this.#add(this.#ended, { ...this.#lifeOf(cpu), went: at })
    for (const cut of this.#cutsOf(cpu, at)) this.#add(this.#cuts, cut)
  }

  /** The facts of all threads, and of the spans that would be cut if the recording ended now. */
  facts(at: bigint = now()): RecordingFacts {
    const lives = [...this.#ended]
    const cuts = [...this.#cuts]
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      if (!this.#isOnline(cpu)) continue
      this.#add(lives, this.#lifeOf(cpu))
      for (const cut of this.#cutsOf(cpu, at)) this.#add(cuts, cut)
    }
    return { lives, cuts, end: at, untold: this.#untold }
  }

  #isOnline(cpu: number): boolean {
    // Pairs with: Cpu.#take, Atomics.store of `online`, after the words of the place.
    return Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, PLACE.online)) === 1
  }

  #add<T>(list: T[], entry: T): void {
    if (list.length < MOST_TOLD) list.push(entry)
    else this.#untold += 1
  }

  #lifeOf(cpu: number): ThreadLife {
    const arena = this.#arena
    const { words } = arena
    return {
      cpu,
      generation: Atomics.load(words, arena.placeWord(cpu, PLACE.generation)),
      threadId: words[arena.placeWord(cpu, PLACE.threadId)],
      threadName: arena.threadName(cpu),
      runs: arena.strings.textOf(words[arena.placeWord(cpu, PLACE.runs)]),
      came: arena.came(cpu),
      went: undefined,
    }
  }

  #cutsOf(cpu: number, at: bigint): CutSpan[] {
    const arena = this.#arena
    const { generation, threadId } = this.#lifeOf(cpu)
    return arena.openSpans(cpu, at).map(({ id, start }) => ({ cpu, generation, threadId, id, start, at }))
  }
}
