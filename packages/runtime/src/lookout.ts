/**
 * The lookout of a flight recording: everything on the consumer thread that finds a cause for a
 * snapshot. Watches look by themselves; other threads tell of what they see (`triggers.ts`,
 * `last-words.ts`).
 */
import { totalmem } from 'node:os'
import { ARENA, PLACE, type Arena } from './arena.js'
import { Door, type DoorOptions } from './door.js'
import { FillWatch } from './fill-watch.js'
import { LevelWatch } from './level-watch.js'
import type { Machine } from './machine.js'
import { registrationName } from './registration.js'
import { StallWatch } from './stall-watch.js'
import type { SnapshotCause } from './trigger.js'
import { Watches, type TakeSnapshot, type Watch } from './watch.js'

/** What to look at. An option that is absent is off. */
export interface LookoutOptions {
  /** Memory of the process in bytes (resident set size). */
  readonly rssBytes?: number | undefined
  /** The same as a share of the memory that it may use. */
  readonly memoryShare?: number | undefined
  /** The heap of the recording thread, as a share of its limit. */
  readonly heapShare?: number | undefined
  /** The part of a buffer that may be filled between two snapshots. */
  readonly fillShare?: number | undefined
  /** Where other processes ask. */
  readonly door?: (Pick<DoorOptions, 'folders'> & { readonly isRequired: boolean }) | undefined
}

const MIB = 2 ** 20

export class Lookout implements Watch {
  readonly #watches: Watches
  readonly #take: (cause: SnapshotCause) => string
  /** Workers whose death was told. Their numbers are never given again. */
  readonly #deadWorkers = new Set<number>()

  /**
   * @param take takes a snapshot, and returns its folder; throws when it can't.
   * @param failed is told why there is none for a cause of a watch.
   * @throws Error when the door is required and can't be opened.
   */
  constructor(
    options: LookoutOptions,
    arena: Arena,
    machine: Machine,
    take: (cause: SnapshotCause) => string,
    failed: (error: unknown) => void,
  ) {
    this.#take = take
    const quiet: TakeSnapshot = (cause) => {
      try {
        take(cause)
      } catch (error) {
        failed(error)
      }
    }
    const watches: Watch[] = [new StallWatch(arena, machine, quiet)]
    const memory = memoryLimit(options)
    if (memory !== undefined) watches.push(memoryWatch(memory, quiet))
    if (options.heapShare !== undefined) watches.push(heapWatch(options.heapShare, arena, quiet))
    if (options.fillShare !== undefined) watches.push(new FillWatch(arena, options.fillShare, quiet))
    const { door } = options
    if (door !== undefined) {
      try {
        const name = registrationName(arena.words[ARENA.recorder >> 2], arena.generation)
        watches.push(new Door({ folders: door.folders, name }, machine, take))
      } catch (error) {
        // A flight recording works without it, in a container without a temporary folder, say.
        if (door.isRequired) throw error
      }
    }
    this.#watches = new Watches(watches)
  }

  get dueAt(): number {
    return this.#watches.dueAt
  }

  look(now: number): void {
    this.#watches.look(now)
  }

  snapshotTaken(): void {
    this.#watches.snapshotTaken()
  }

  close(): void {
    this.#watches.close()
  }

  /**
   * A thread tells of a cause. A worker that dies tells of it, and so does the thread that started
   * it: the first of them counts.
   *
   * @returns the folder of the snapshot; undefined when this death was told before.
   * @throws Error when none can be taken.
   */
  tell(cause: SnapshotCause): string | undefined {
    if (cause.trigger === 'worker') {
      if (this.#deadWorkers.has(cause.thread)) return undefined
      this.#deadWorkers.add(cause.thread)
    }
    return this.#take(cause)
  }
}

interface MemoryLimit {
  readonly bytes: number
  /** Its option, for people. */
  readonly option: string
}

function memoryLimit({ rssBytes, memoryShare }: LookoutOptions): MemoryLimit | undefined {
  const limits: MemoryLimit[] = []
  if (rssBytes !== undefined) limits.push({ bytes: rssBytes, option: `rssBytes=${rssBytes}` })
  if (memoryShare !== undefined) {
    const most = usableMemory()
    const option = `memoryShare=${memoryShare} of ${Math.round(most / MIB)} MiB`
    limits.push({ bytes: most * memoryShare, option })
  }
  return limits.sort((a, b) => a.bytes - b.bytes)[0]
}

/** The memory that this process may use: what its container has, or the machine. */
function usableMemory(): number {
  const machine = totalmem()
  const limit = process.constrainedMemory()
  // Without a limit it is 0, or more than any machine has.
  return limit > 0 && limit < machine ? limit : machine
}

function memoryWatch({ bytes, option }: MemoryLimit, take: TakeSnapshot): LevelWatch {
  return new LevelWatch(
    {
      trigger: 'memory',
      limit: bytes,
      read: () => process.memoryUsage.rss(),
      reason: (rss) => `the process uses ${Math.round(rss / MIB)} MiB of memory (${option})`,
    },
    take,
  )
}

function heapWatch(share: number, arena: Arena, take: TakeSnapshot): LevelWatch {
  // The recording thread has the first place.
  const word = (of: number): number => Atomics.load(arena.words, arena.placeWord(0, of))
  const thread = word(PLACE.threadId)
  return new LevelWatch(
    {
      trigger: 'heap',
      limit: share,
      thread,
      read: () => word(PLACE.heap) / 1000,
      reason: (used) =>
        `the heap of thread ${thread} (${arena.threadName(0)}) is ${Math.round(used * 100)} % of its limit (heapShare=${share})`,
    },
    take,
  )
}
