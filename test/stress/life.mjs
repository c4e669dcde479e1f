/**
 * The words that a writer shares with the reader of its buffer and with the thread that starts and
 * ends it: for one writer's life, then for the next one's. For tests.
 *
 * ```text
 *   at   type  word          written by
 *    0   i32   state         main: WRITING, DEAD; reader: RETIRED; IDLE at first
 *    4   i32   stop          main          1: the writer is to end by itself
 *    8   i32   begun         writer        1 when it has the buffer, before its first attempt
 *   12   i32   killed        main          1 if it was terminated, before DEAD
 *   16   f64   attempted     writer        before each attempt
 *   24   f64   accepted      writer        after each attempt that succeeded
 *   32   f64   refused       writer        after each that did not although it could fit
 *   40   f64   tooBig        writer        after each that could not fit
 *   48   f64   firstNumber   reader        number of the next record, before RETIRED
 * ```
 *
 * The writer's words are plain, and read when its thread has ended. The states:
 *
 * ```text
 *            main: starts a thread         main: the thread has ended       reader: took all, retired
 *   IDLE ────────────────────────▶ WRITING ────────────────────────▶ DEAD ────────────────────────▶ RETIRED
 *                                     ▲                                                                │
 *                                     └────────────────── main: starts the next thread ────────────────┘
 * ```
 */
export const IDLE = 0
export const WRITING = 1
export const DEAD = 2
export const RETIRED = 3

export const LIFE = {
  state: 0,
  stop: 4,
  begun: 8,
  killed: 12,
  attempted: 16,
  accepted: 24,
  refused: 32,
  tooBig: 40,
  firstNumber: 48,
}
export const LIFE_BYTES = 64

/** Memory for the lives of `cpus` writers. */
export function lifeMemory(cpus) {
  return new SharedArrayBuffer(cpus * LIFE_BYTES)
}

export class Life {
  #ints
  #doubles

  constructor(memory, cpu) {
    this.#ints = new Int32Array(memory, cpu * LIFE_BYTES, LIFE_BYTES / 4)
    this.#doubles = new Float64Array(memory, cpu * LIFE_BYTES, LIFE_BYTES / 8)
  }

  get state() {
    return Atomics.load(this.#ints, LIFE.state >> 2)
  }

  /** A thread that finds this state sees everything that was stored before. */
  enter(state) {
    Atomics.store(this.#ints, LIFE.state >> 2, state)
  }

  flag(word) {
    return Atomics.load(this.#ints, word >> 2) === 1
  }

  raise(word) {
    Atomics.store(this.#ints, word >> 2, 1)
    Atomics.notify(this.#ints, word >> 2)
  }

  /** Writer: sleeps, until it is to stop at most. */
  sleep(ms) {
    Atomics.wait(this.#ints, LIFE.stop >> 2, 0, ms)
  }

  count(word) {
    return this.#doubles[word >> 3]
  }

  add(word) {
    this.#doubles[word >> 3] += 1
  }

  get firstNumber() {
    return this.#doubles[LIFE.firstNumber >> 3]
  }

  set firstNumber(number) {
    this.#doubles[LIFE.firstNumber >> 3] = number
  }

  /** Main: a new life begins, whose thread is about to start. */
  begin() {
    for (const word of [LIFE.stop, LIFE.begun, LIFE.killed]) Atomics.store(this.#ints, word >> 2, 0)
    for (const word of [LIFE.attempted, LIFE.accepted, LIFE.refused, LIFE.tooBig])
      this.#doubles[word >> 3] = 0
    this.enter(WRITING)
  }
}
