/**
 * A crew: threads that are kept ready and do the same work at the same time. The calling thread
 * blocks meanwhile, so that it takes no core from them.
 */
import { Worker } from 'node:worker_threads'

/** Indices of the words by which a crew is told what to do. */
export const COMMAND = { order: 0, work: 1, count: 2, perMs: 3, ready: 4, stopDraining: 5, words: 6 } as const

/** What a crew can do. 0 ends it. */
export const WORK = {
  end: 0,
  /** Events into a bare ring, with a clock. */
  stores: 1,
  /** `Uint8Array.set` of records. */
  sets: 2,
  /** Events of one tracepoint. */
  trace: 3,
  /** Events of several tracepoints. */
  traceMixed: 4,
  /** The same into a bare ring. */
  storesMixed: 5,
  /** Records into a relay channel, without a clock. */
  relay: 6,
  /** Drains the relay channel; the count is the file's descriptor. */
  drainRelay: 7,
} as const

export interface RelayOfCrew {
  readonly memory: SharedArrayBuffer
  readonly channel: number
}

export interface CrewData {
  readonly index: number
  readonly words: Int32Array<SharedArrayBuffer>
  /** When each thread began and ended. */
  readonly times: BigInt64Array<SharedArrayBuffer>
  readonly ringBytes: number
  readonly relay: RelayOfCrew | undefined
}

/** What is shared by no thread of the crew but the bare ring's size. */
export const RING_BYTES = 4 * 2 ** 20

const PATIENCE_MS = 60_000

export class Crew {
  readonly size: number
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * COMMAND.words))
  readonly #times: BigInt64Array<SharedArrayBuffer>
  readonly #workers: Worker[]
  readonly #exits: Promise<unknown>[]

  /**
   * @param first the number of its first thread. Threads of a relay are numbered by CPU, and its
   * consumer comes behind them.
   */
  constructor(size: number, relay?: RelayOfCrew, first = 0) {
    this.size = size
    this.#times = new BigInt64Array(new SharedArrayBuffer(16 * (first + size)))
    this.#workers = Array.from({ length: size }, (_, i) => {
      const data: CrewData = {
        index: first + i,
        words: this.#words,
        times: this.#times,
        ringBytes: RING_BYTES,
        relay,
      }
      return new Worker(new URL('crew-thread.js', import.meta.url), { workerData: data })
    })
    this.#exits = this.#workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          worker.once('exit', resolve)
          worker.once('error', reject)
        }),
    )
  }

  /** Returns when all threads are ready. Its event loop goes on. */
  async ready(): Promise<void> {
    const failed = Promise.all(this.#exits)
    while (Atomics.load(this.#words, COMMAND.ready) < this.size) {
      await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, 1))])
    }
  }

  /**
   * Has each thread do `count` pieces of work.
   *
   * @param perMs how many pieces of it each thread does in a millisecond; 0 for as many as it can.
   * @returns milliseconds from the begin of the first to the end of the last.
   */
  run(work: number, count: number, perMs = 0): number {
    this.begin(work, count, perMs)
    const words = this.#words
    for (;;) {
      const ready = Atomics.load(words, COMMAND.ready)
      if (ready === this.size) break
      if (Atomics.wait(words, COMMAND.ready, ready, PATIENCE_MS) === 'timed-out') {
        throw new Error(`a crew of ${this.size} is not done with work=${work} count=${count}`)
      }
    }
    const times = this.#times.slice(-2 * this.size)
    let begun = times[0]
    let ended = times[1]
    for (let i = 1; i < this.size; i += 1) {
      if (times[2 * i] < begun) begun = times[2 * i]
      if (times[2 * i + 1] > ended) ended = times[2 * i + 1]
    }
    return Number(ended - begun) / 1e6
  }

  /** Like {@link run}, but does not wait. */
  begin(work: number, count: number, perMs = 0): void {
    const words = this.#words
    words[COMMAND.work] = work
    words[COMMAND.count] = count
    words[COMMAND.perMs] = perMs
    words[COMMAND.stopDraining] = 0
    Atomics.store(words, COMMAND.ready, 0)
    Atomics.add(words, COMMAND.order, 1)
    Atomics.notify(words, COMMAND.order)
  }

  /** Ends a draining that was begun. It drains what is left before. */
  stopDraining(): void {
    const words = this.#words
    Atomics.store(words, COMMAND.stopDraining, 1)
    Atomics.notify(words, COMMAND.stopDraining)
    while (Atomics.load(words, COMMAND.ready) < this.size) {
      Atomics.wait(words, COMMAND.ready, Atomics.load(words, COMMAND.ready), 10)
    }
  }

  async end(): Promise<void> {
    this.begin(WORK.end, 0)
    await Promise.all(this.#exits)
  }
}
