/**
 * The list of threads: shared memory in which the threads of a process stand with their kernel
 * thread ids and the heartbeats of their event loops. The sampler thread reads it. All words are
 * hints: no other store depends on their order.
 *
 * ```text
 *   +0     i32  tasks     any thread   tasks that were handled, for the line of progress
 *   +4     i32  failed    any thread   of them, failed
 *   +8     i32  used      any thread   entries that were ever used: the rest is free
 *   +12    i32  pad
 *   +16    entry [512]                 one for each thread
 *
 *   entry  +0   i32  owner     thread, sampler   0: free; else Node's thread id + 1
 *          +4   i32  tid       thread            the kernel's thread id; 0: not known
 *          +8   i32  beats     thread            counts up while its event loop turns
 *          +12  i32  limitMs   thread            how long its loop may stand still; 0: any time
 * ```
 */

const ENTRIES = 512
const HEAD_WORDS = 4
const ENTRY_WORDS = 4
const BYTES = (HEAD_WORDS + ENTRIES * ENTRY_WORDS) * 4
const TASKS = 0
const FAILED = 1
const USED = 2
const OWNER = 0
const TID = 1
const BEATS = 2
const LIMIT_MS = 3

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
    if (this.#mine !== 0) Atomics.store(this.#words, this.#mine + OWNER, 0)
    this.#mine = 0
  }

  /** Removes a thread that has ended without leaving. */
  remove({ slot, threadId }: ListedThread): void {
    Atomics.compareExchange(this.#words, HEAD_WORDS + slot * ENTRY_WORDS + OWNER, threadId + 1, 0)
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
      found.push({
        slot,
        threadId: owner - 1,
        tid: Atomics.load(this.#words, at + TID),
        beats: Atomics.load(this.#words, at + BEATS),
        limitMs: Atomics.load(this.#words, at + LIMIT_MS),
      })
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
