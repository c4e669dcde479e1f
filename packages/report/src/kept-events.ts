/** Events that a page shows: of too many, every second, every fourth, and so on. */

/** An event on its thread. */
export interface KeptEvent {
  readonly thread: number
  readonly name: number
  readonly time: number
  readonly text: string
}

/** Takes events, and keeps some of them, spread over all. */
export class KeptEvents {
  #most: number
  #kept: KeptEvent[] = []
  #every = 1
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  get kept(): readonly KeptEvent[] {
    return this.#kept
  }

  /** Of the events every so many is kept. */
  get every(): number {
    return this.#every
  }

  /** @param make is called only for an event that is kept. */
  add(make: () => KeptEvent): void {
    if (this.#count % this.#every === 0) this.#kept.push(make())
    this.#count += 1
    if (this.#kept.length > this.#most) this.#halve()
  }

  /** Keeps half as many from now on. */
  shrink(): void {
    this.#most >>= 1
    while (this.#kept.length > this.#most) this.#halve()
  }

  #halve(): void {
    this.#kept = this.#most === 0 ? [] : this.#kept.filter((_, index) => index % 2 === 0)
    this.#every *= 2
  }
}
