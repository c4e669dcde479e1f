/**
 * Decides when a reader takes its turns and when it sleeps: at random, by one of several kinds of
 * pace.
 */
import { Random } from './random.mjs'

export const READER_PACES = ['eager', 'steady', 'lazy', 'fitful', 'only the dead']

export class ReaderPace {
  #kind
  #random
  #idle = new Int32Array(new SharedArrayBuffer(4))

  constructor(kind, seed) {
    this.#kind = kind
    this.#random = new Random(seed)
  }

  /** One turn of the reader's, and the sleep after it. */
  turn(drain) {
    if (this.#kind === 'only the dead') {
      drain.buryDead()
      this.#sleep(1)
      return
    }
    const work = drain.step(performance.now())
    switch (this.#kind) {
      case 'eager':
        if (work === 0) this.#sleep(0.02)
        break
      case 'steady':
        this.#sleep(0.2)
        break
      case 'lazy':
        this.#sleep(this.#random.scaled(0.1, 10))
        break
      default:
        if (this.#random.chance(0.02)) this.#sleep(this.#random.scaled(0.1, 20))
    }
  }

  #sleep(ms) {
    Atomics.wait(this.#idle, 0, 0, ms)
  }
}
