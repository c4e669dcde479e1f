/**
 * The arenas of recordings that are over, so that the next recording of the same shape takes the
 * memory of one. Else their memory stays until each thread that traced has had a major collection,
 * which may be never. Of the thread that records.
 *
 * An arena that is over goes through these states:
 *
 * ```text
 *             its consumer thread has ended             nobody is in it, or joins
 *   recording ─────────────────────────────▶ ended ─────────────────────────────▶ free ──▶ laid out anew
 *                      generation := 0
 * ```
 *
 * These may still touch it when it has ended. Each of them is known to be gone in its own way:
 *
 * - *A thread that has a place*: `owner` is its identity. It leaves (`left` := 1) when it comes
 *   online in another recording, on its way there; before, it has let go of views, writer and
 *   encoders, and it never touches the memory again. Or it is proven dead. A thread that is stopped
 *   in the middle of a record has done neither, however long it is.
 * - *A thread that is about to take one*: it has been sent the arena, and was stopped before it
 *   took a place. It counts `joining` up, looks at `generation`, and counts down when it has its
 *   place or has found that there is none:
 *
 *   ```text
 *   thread   joining += 1      (1)        this thread   generation := 0      (3)
 *            load generation   (2)                      load joining         (4)
 *   ```
 *
 *   All are sequentially consistent. If (4) comes before (1), (2) finds another generation than its
 *   own, and the thread goes away without a store to anything but `joining`; which is therefore
 *   never reset. If (4) comes after (1) it finds that somebody joins, or the place that he has
 *   taken by then. A thread that died in between keeps the arena for good.
 * - *A thread that found no place* reads `freed`, and may ask for a look (`wanted`, `requests`).
 *   The next consumer then looks for dead threads once more, and answers a ticket that nobody
 *   waits for.
 * - *The consumer thread* has ended: an arena is added when its `exit` event has come.
 * - *This thread* has left, like any other.
 *
 * What such threads stored comes before their `left`, their `joining` or their death, and so before
 * what is laid out anew.
 */
import { ARENA, PLACE, type Arena, type ArenaOptions } from './arena.js'
import { isProvable } from '@rchan/threads'
import { nodeMachine, type Machine } from './machine.js'

/**
 * The most arenas that are kept. The one of the recording before and one more are enough for
 * threads that trace in each. More stay where threads idle in older ones, or where no death can be
 * proven; what a living thread is in stays in memory anyway.
 */
const MOST_KEPT = 4
/** The most free ones of shapes that were not wanted last. */
const MOST_FREE = 1

interface Ended {
  readonly shape: string
  readonly arena: Arena
}

export class ArenaPool {
  readonly #machine: Machine
  /** The newest first. */
  #ended: Ended[] = []

  get size(): number {
    return this.#ended.length
  }

  constructor(machine: Machine = nodeMachine) {
    this.#machine = machine
  }

  /** Takes an arena whose consumer thread has ended, or never was. */
  add(options: ArenaOptions, arena: Arena): void {
    // Pairs with: Cpu.#claim, which counts `joining` up and then loads `generation`.
    Atomics.store(arena.words, ARENA.generation >> 2, 0)
    this.#ended.unshift({ shape: shapeOf(options), arena })
    if (this.#ended.length > MOST_KEPT) this.#ended.pop()
  }

  /**
   * Gives the memory of an arena of this shape that nobody touches any more; undefined when there
   * is none.
   */
  take(options: ArenaOptions): SharedArrayBuffer | undefined {
    const shape = shapeOf(options)
    const found = this.#ended.find((ended) => ended.shape === shape && isFree(ended.arena, this.#machine))
    let free = 0
    this.#ended = this.#ended.filter((ended) => {
      if (ended === found) return false
      // Those that somebody is in stay in memory anyway.
      if (ended.shape === shape || !isFree(ended.arena, this.#machine)) return true
      free += 1
      return free <= MOST_FREE
    })
    return found?.arena.memory
  }
}

function shapeOf(options: ArenaOptions): string {
  const { subbufSize, subbufCount, mode, headerBytes, possibleCpus, global = false } = options
  return [subbufSize, subbufCount, mode, headerBytes, possibleCpus, global].join(' ')
}

/** Whether nobody touches an ended arena any more. Stays so. */
function isFree(arena: Arena, machine: Machine): boolean {
  const { words } = arena
  // First: a thread that had joined by then has its place by now.
  if (Atomics.load(words, ARENA.joining >> 2) !== 0) return false
  for (let cpu = 0; cpu < arena.possibleCpus; cpu += 1) {
    const word = (of: number): number => Atomics.load(words, arena.placeWord(cpu, of))
    const owner = word(PLACE.owner)
    // Pairs with: Cpu.#leave, Atomics.store of `left`, its last of this memory.
    if (owner === 0 || word(PLACE.left) === 1) continue
    const isGone = isProvable(owner) ? machine.isDead(owner, arena.startTicks(cpu)) : word(PLACE.exited) === 1
    if (!isGone) return false
  }
  return true
}
