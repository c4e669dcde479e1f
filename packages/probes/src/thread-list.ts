/**
 * The list of threads: shared memory in which the threads of a process stand with their kernel
 * thread ids and the heartbeats of their event loops. The sampler thread reads it. All words are
 * hints: no other store depends on their order.
 *
 * ```text
 *     at   type      word      written by
 *      0   u32       tasks     any thread        tasks that were handled, for the line of progress
 *      4   u32       failed    any thread        of them, failed
 *      8   i32       used      any thread        entries that were ever used: the rest is free
 *     16   …         entries   512 of 16 bytes, one for each thread:
 *     +0   i32       owner     thread, sampler   0: free; else Node's thread id + 1
 *     +4   i32       tid       thread            the kernel's thread id; 0: not known
 *     +8   u32       beats     thread            counts up while its event loop turns
 *    +12   i32       limitMs   thread            how long its loop may stand still; 0: any time
 * ```
 */
import { viewOfProcess } from './shared-memory.js'

/** Byte offsets in the list, and in an entry. A test holds them to the picture above. */
export const LIST = { tasks: 0, failed: 4, used: 8, entries: 16 } as const
export const LIST_ENTRY = { owner: 0, tid: 4, beats: 8, limitMs: 12 } as const

const ENTRIES = 512
const HEAD_WORDS = LIST.entries >> 2
const ENTRY_WORDS = 4
const BYTES = (HEAD_WORDS + ENTRIES * ENTRY_WORDS) * 4
const TASKS = LIST.tasks >> 2
const FAILED = LIST.failed >> 2
const USED = LIST.used >> 2
const OWNER = LIST_ENTRY.owner >> 2
const TID = LIST_ENTRY.tid >> 2
const BEATS = LIST_ENTRY.beats >> 2
const LIMIT_MS = LIST_ENTRY.limitMs >> 2

/** A thread, as the list has it. */
export interface ListedThread {
  /** Where it stands. */
  readonly slot: number
  readonly threadId: number
  readonly tid: number
  readonly beats: number
  readonly limitMs: number
}

/** The list of a process. Any thread. */
export class ThreadList {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array<SharedArrayBuffer>
  /** The word at which this thread's entry begins; 0 when it has none. */
  #mine = 0

  /** @param memory of another thread's list; made if undefined. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    if (memory.byteLength !== BYTES) throw new RangeError(`a list of threads of ${memory.byteLength} bytes`)
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  /** Enters the calling thread. If 512 threads stand there already, it is left out. */
  enter(threadId: number, tid: number): void {
    for (let slot = 0; slot < ENTRIES; slot += 1) {
      const at = HEAD_WORDS + slot * ENTRY_WORDS
      if (Atomics.compareExchange(this.#words, at + OWNER, 0, threadId + 1) !== 0) continue
      this.#use(slot + 1)
      Atomics.store(this.#words, at + BEATS, 0)
      Atomics.store(this.#words, at + LIMIT_MS, 0)
      Atomics.store(this.#words, at + TID, tid)
      this.#mine = at
      return
    }
  }

  /** Removes the calling thread. */
  leave(): void {
    if (this.#mine !== 0) {
      // An entry without an owner has no kernel thread id, so the next owner begins with none.
      Atomics.store(this.#words, this.#mine + TID, 0)
      Atomics.store(this.#words, this.#mine + OWNER, 0)
    }
    this.#mine = 0
  }

  /** Removes a thread that has ended without leaving. */
  remove({ slot, threadId, tid }: ListedThread): void {
    const at = HEAD_WORDS + slot * ENTRY_WORDS
    // It may have left meanwhile, and another one have come.
    if (Atomics.compareExchange(this.#words, at + TID, tid, 0) !== tid) return
    Atomics.compareExchange(this.#words, at + OWNER, threadId + 1, 0)
  }

  /** The calling thread's event loop turns. @param limitMs how long it may stand still. */
  beat(limitMs: number): void {
    if (this.#mine === 0) return
    Atomics.store(this.#words, this.#mine + LIMIT_MS, limitMs)
    Atomics.add(this.#words, this.#mine + BEATS, 1)
  }

  /** The calling thread's event loop is not watched any more. */
  rest(): void {
    if (this.#mine !== 0) Atomics.store(this.#words, this.#mine + LIMIT_MS, 0)
  }

  /** A task was handled. */
  countTask(hasFailed: boolean): void {
    Atomics.add(this.#words, TASKS, 1)
    if (hasFailed) Atomics.add(this.#words, FAILED, 1)
  }

  /** Tasks so far. */
  get tasks(): { handled: number; failed: number } {
    return {
      handled: Atomics.load(this.#words, TASKS) >>> 0,
      failed: Atomics.load(this.#words, FAILED) >>> 0,
    }
  }

  /** The threads that stand in it. */
  entries(): ListedThread[] {
    const found: ListedThread[] = []
    const used = Math.min(ENTRIES, Atomics.load(this.#words, USED))
    for (let slot = 0; slot < used; slot += 1) {
      const at = HEAD_WORDS + slot * ENTRY_WORDS
      const owner = Atomics.load(this.#words, at + OWNER)
      if (owner === 0) continue
      const thread = {
        slot,
        threadId: owner - 1,
        tid: Atomics.load(this.#words, at + TID),
        beats: Atomics.load(this.#words, at + BEATS),
        limitMs: Atomics.load(this.#words, at + LIMIT_MS),
      }
      // Else these are the words of two threads.
      if (Atomics.load(this.#words, at + OWNER) === owner) found.push(thread)
    }
    return found
  }

  /** Notes that so many entries were used. */
  #use(count: number): void {
    for (;;) {
      const used = Atomics.load(this.#words, USED)
      if (used >= count || Atomics.compareExchange(this.#words, USED, used, count) === used) return
    }
  }
}

/** The list of this process. */
export function listOfProcess(): ThreadList {
  return viewOfProcess('rchan:probes', ThreadList)
}
