/**
 * The lengths of records, by their number. So a reader that knows a record's number knows its end:
 * records of 0 to 5 bytes have no room for their length. For tests, on any thread.
 */
import { mix } from './random.mjs'

/** How long records are: mostly of that kind, now and then as long as can be. */
export const LENGTH_KINDS = ['any', 'tiny', 'middling', 'long', 'brimful']

export class Lengths {
  #kind
  #seed
  #capacity

  /** @param capacity bytes of the longest record that fits. */
  constructor({ kind, seed, capacity }) {
    this.#kind = kind
    this.#seed = seed
    this.#capacity = capacity
  }

  /** Bytes of the record of this number, from 0 to the capacity. */
  of(number) {
    const bits = mix(number + this.#seed)
    const capacity = this.#capacity
    if (bits % 61 === 0) return capacity
    switch (this.#kind) {
      case 'tiny':
        return Math.min(capacity, (bits >>> 8) % 9)
      case 'middling':
        return Math.min(capacity, 6 + ((bits >>> 8) % 35))
      case 'long':
        return capacity - ((bits >>> 8) % (1 + (capacity >> 1)))
      case 'brimful':
        return capacity
      default:
        return (bits >>> 8) % (1 + Math.min(capacity, 200))
    }
  }
}
