/**
 * Keeps the arenas of recordings that are over. The next recording of the same shape reuses the
 * memory of one. Else their memory stays until each thread that traced has had a major collection,
 * which may be never. The pool belongs to the recording thread.
 *
 * An arena that is over goes through these states:
 *
 * ```text
 *             its consumer thread has ended             no thread is in it, or joins
 *   recording ─────────────────────────────▶ ended ─────────────────────────────▶ free ──▶ laid out anew
 *                      generation := 0
 * ```
 *
 * These threads may still touch an ended arena. For each of them the pool knows in a different way
 * that it is gone:
 *
 * - *A thread with a place*: `owner` is its identity. On its way online in another recording it
 *   lets go of views, writer and encoders, and then leaves (`left` := 1). After that it never
 *   touches the memory again. Otherwise it must be proven dead. A thread that is stopped in the
 *   middle of a record has done neither, for however long it is stopped.
 * - *A thread that is about to take a place*: it got the arena, and was stopped before it took a
 *   place. It counts up `joining`, loads `generation`, and counts down once it has a place or has
 *   found none:
 *
 *   ```text
 *   thread   joining += 1      (1)        this thread   generation := 0      (3)
 *            load generation   (2)                      load joining         (4)
 *   ```
 *
 * All operations are sequentially consistent. If (4) comes before (1), (2) finds a generation other
 * than the thread's own. The thread then goes away, and stores only into `joining`, so `joining` is
 * never reset. If (4) comes after (1), it finds that a thread joins, or the place that the thread
 * has taken by then. A thread that died in between keeps the arena for good.
 * - *A thread that found no place* reads `freed`, and may ask for a look (`wanted`, `requests`).
 *   Then the next consumer looks for dead threads once more, and answers a ticket without a waiter.
 * - *The consumer thread* has ended: an arena is added after its `exit` event.
 * - *This thread* has left, like any other.
 *
 * The stores of such threads come before their `left`, their `joining` or their death, and so
 * before the new layout.
 */
import { ARENA, PLACE, type Arena, type ArenaOptions } from './arena.js'
import { isProvable } from '@rchan/threads'
import { nodeMachine, type Machine } from './machine.js'

/**
 * The most arenas that are kept. The previous recording's arena and one more are enough for threads
 * that trace in each recording. More stay if threads idle in older ones, or if no death can be
 * proven. The arena of a living thread stays in memory anyway.
 */
const MOST_KEPT = 4
/** The most free arenas of other shapes than the one wanted last. */
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

  /** Adds an arena whose consumer thread has ended, or never existed. */
  add(options: ArenaOptions, arena: Arena): void {
    // Pairs with: PlaceClaim.#claim, which counts `joining` up and then loads `generation`.
    Atomics.store(arena.words, ARENA.generation >> 2, 0)
    this.#ended.unshift({ shape: shapeOf(options), arena })
    if (this.#ended.length > MOST_KEPT) this.#ended.pop()
  }

  /**
   * Takes the memory of an arena of this shape that no thread touches any more; undefined when
   * there is none.
   */
  take(options: ArenaOptions): SharedArrayBuffer | undefined {
    const shape = shapeOf(options)
    const found = this.#ended.find((ended) => ended.shape === shape && isFree(ended.arena, this.#machine))
    let free = 0
    this.#ended = this.#ended.filter((ended) => {
      if (ended === found) return false
      // Arenas in use by a thread stay in memory anyway.
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

/** Whether no thread touches an ended arena any more. Once true, it stays true. */
function isFree(arena: Arena, machine: Machine): boolean {
  const { words } = arena
  // This load comes first: a thread that joined before it has its place by now.
  if (Atomics.load(words, ARENA.joining >> 2) !== 0) return false
  for (let cpu = 0; cpu < arena.possibleCpus; cpu += 1) {
    const word = (of: number): number => Atomics.load(words, arena.placeWord(cpu, of))
    const owner = word(PLACE.owner)
    // Pairs with: PlaceClaim.leave, Atomics.store of `left`, the thread's last store into this
    // memory.
    if (owner === 0 || word(PLACE.left) === 1) continue
    const isGone = isProvable(owner) ? machine.isDead(owner, arena.startTicks(cpu)) : word(PLACE.exited) === 1
    if (!isGone) return false
  }
  return true
}
