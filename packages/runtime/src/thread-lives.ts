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
  /** Of threads that are not told of. */
  #untoldTotals = { cut: 0, filtered: 0 }

  constructor(arena: Arena) {
    this.#arena = arena
  }

  /** Notes that the thread of a place is dead. Call it before the place is freed. */
  ended(cpu: number): void {
    if (!this.#isOnline(cpu)) return
    const at = now()
    const life = { ...this.#lifeOf(cpu), went: at }
    if (this.#ended.length >= MOST_TOLD) this.#countUntold(life)
    this.#add(this.#ended, life)
    for (const cut of this.#cutsOf(cpu, at)) this.#add(this.#cuts, cut)
  }

  /** Records in which a value was cut, and records that limits have kept out. */
  get totals(): { readonly cut: number; readonly filtered: number } {
    let { cut, filtered } = this.#untoldTotals
    for (const life of [...this.#ended, ...this.#present()]) {
      cut += life.cut
      filtered += life.filtered
    }
    return { cut, filtered }
  }

  /** Forgets the threads that had a place before a generation, and what they cut off. */
  forget(cpu: number, generation: number): void {
    const isKept = (of: { readonly cpu: number; readonly generation: number }): boolean =>
      of.cpu !== cpu || of.generation >= generation
    for (const life of this.#ended) if (!isKept(life)) this.#countUntold(life)
    keep(this.#ended, isKept)
    keep(this.#cuts, isKept)
  }

  /** The facts of all threads, and of the spans that would be cut if the recording ended now. */
  facts(at: bigint = now()): RecordingFacts {
    const lives = [...this.#ended, ...this.#present()]
    const cuts = [...this.#cuts]
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      if (this.#isOnline(cpu)) cuts.push(...this.#cutsOf(cpu, at))
    }
    const untold = Math.max(0, lives.length - MOST_TOLD) + Math.max(0, cuts.length - MOST_TOLD)
    return {
      lives: lives.slice(0, MOST_TOLD),
      cuts: cuts.slice(0, MOST_TOLD),
      end: at,
      untold: this.#untold + untold,
    }
  }

  /** The threads that have places now. */
  #present(): ThreadLife[] {
    const lives: ThreadLife[] = []
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      if (this.#isOnline(cpu)) lives.push(this.#lifeOf(cpu))
    }
    return lives
  }

  #countUntold({ cut, filtered }: ThreadLife): void {
    this.#untoldTotals.cut += cut
    this.#untoldTotals.filtered += filtered
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
      cut: words[arena.placeWord(cpu, PLACE.cut)] >>> 0,
      filtered: words[arena.placeWord(cpu, PLACE.filtered)] >>> 0,
    }
  }

  #cutsOf(cpu: number, at: bigint): CutSpan[] {
    const arena = this.#arena
    const { generation, threadId } = this.#lifeOf(cpu)
    return arena.openSpans(cpu, at).map(({ id, start }) => ({ cpu, generation, threadId, id, start, at }))
  }
}

/** Removes what is not to be kept, in most cases nothing. */
function keep<T>(list: T[], isKept: (entry: T) => boolean): void {
  if (list.every(isKept)) return
  list.splice(0, list.length, ...list.filter(isKept))
}
