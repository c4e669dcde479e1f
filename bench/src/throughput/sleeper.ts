/** A thread that sleeps until it is woken, and says how long that took. */
import { Worker } from 'node:worker_threads'
import { Doorbell, DOORBELL_WORDS } from '@rchan/sync'
import { quantile } from '../harness.js'

/** Indices of the words: the doorbell, or the word of the bare wait; and 1 before each sleep. */
export const SLEEPER = { bell: 0, goesToSleep: 4, words: 5 } as const

export interface SleeperData {
  readonly kind: 'bare' | 'doorbell'
  readonly words: Int32Array<SharedArrayBuffer>
  readonly wokenAt: BigInt64Array<SharedArrayBuffer>
}

const WAKES = 40
/** How long after its announcement a thread surely sleeps. */
const FALL_ASLEEP_MS = 0.2

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const now = process.hrtime.bigint
const pause = new Int32Array(new SharedArrayBuffer(4))

/** A thread that sleeps and is woken. */
export class Sleeper {
  readonly words = new Int32Array(new SharedArrayBuffer(4 * SLEEPER.words))
  readonly #wokenAt = new BigInt64Array(new SharedArrayBuffer(8))
  readonly #worker: Worker
  readonly #wake: () => void

  constructor(kind: SleeperData['kind']) {
    const data: SleeperData = { kind, words: this.words, wokenAt: this.#wokenAt }
    this.#worker = new Worker(new URL('sleeper-thread.js', import.meta.url), { workerData: data })
    const { words } = this
    const bell = new Doorbell(words.subarray(SLEEPER.bell, SLEEPER.bell + DOORBELL_WORDS))
    this.#wake =
      kind === 'doorbell'
        ? () => bell.ring()
        : () => {
            Atomics.add(words, SLEEPER.bell, 1)
            Atomics.notify(words, SLEEPER.bell)
          }
  }

  /** @returns milliseconds from a ring until the thread runs, in the median. */
  wake(): number {
    const times: number[] = []
    const { words } = this
    for (let i = 0; i < WAKES; i += 1) {
      while (Atomics.load(words, SLEEPER.goesToSleep) !== 1) Atomics.wait(pause, 0, 0, FALL_ASLEEP_MS)
      Atomics.wait(pause, 0, 0, FALL_ASLEEP_MS)
      Atomics.store(words, SLEEPER.goesToSleep, 0)
      const rungAt = now()
      this.#wake()
      Atomics.wait(words, SLEEPER.goesToSleep, 0)
      times.push(Number(this.#wokenAt[0] - rungAt) / 1e6)
    }
    return quantile(times, 0.5)
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}
