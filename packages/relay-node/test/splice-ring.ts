/** A relay buffer to splice, which remembers its accepted records. For tests only. */
import { plainMachine, Relay, RelayFile, type RelayBuffer, type RelayOptions } from '@rchan/relay'

/** A small seeded generator of whole numbers below `limit`. */
export function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

export class Ring {
  readonly buffer: RelayBuffer
  readonly file: RelayFile
  /** Records refused. */
  refused = 0
  readonly #accepted: Uint8Array[] = []
  #next = 0

  constructor(options: Partial<RelayOptions> = {}) {
    const channel = new Relay(plainMachine(1)).open({ subbufSize: 10_000, subbufCount: 4, ...options })
    const buffer = channel.buffer(0)
    if (buffer === undefined) throw new Error('a channel without a buffer')
    this.buffer = buffer
    this.file = new RelayFile(buffer)
  }

  /** All bytes of the records that were accepted. */
  get accepted(): Buffer {
    return Buffer.concat(this.#accepted)
  }
  /** Sub-buffers that are complete and not consumed. */
  get ready(): number {
    return this.buffer.produced - this.buffer.consumed
  }

  /**
   * Writes a record whose bytes no other record has in this order. @returns whether it was
   * accepted.
   */
  write(length: number): boolean {
    this.#next += 1
    const bytes = new Uint8Array(length).map((_, index) => Math.imul(this.#next, 31 + index) >>> 3)
    const accepted = this.buffer.write(bytes)
    if (accepted) this.#accepted.push(bytes)
    else this.refused += 1
    return accepted
  }

  /** Writes records of `length` bytes until `count` more sub-buffers are complete. */
  fill(count: number, length = 700): void {
    const goal = this.buffer.produced + count
    while (this.buffer.produced < goal) {
      if (!this.write(length)) throw new Error(`full: produced=${this.buffer.produced}`)
    }
  }

  /** Completes the sub-buffer that is open. */
  flush(): void {
    this.buffer.switch(0)
  }
}
