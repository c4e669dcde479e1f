/** Keeps the largest of many values: a heap with the smallest that is kept on top. */
export class Largest<T> {
  readonly #keys: number[] = []
  readonly #values: T[] = []
  #most: number

  constructor(most: number) {
    this.#most = most
  }

  add(key: number, value: T): void {
    const keys = this.#keys
    if (keys.length < this.#most) {
      keys.push(key)
      this.#values.push(value)
      this.#up(keys.length - 1)
    } else if (this.#most > 0 && key > keys[0]) {
      keys[0] = key
      this.#values[0] = value
      this.#down()
    }
  }

  /** How many are kept. */
  get count(): number {
    return this.#keys.length
  }

  /** Keeps the larger half only, from now on. */
  shrink(): void {
    const order = [...this.#keys.keys()].sort((a, b) => this.#keys[b] - this.#keys[a])
    const kept = order.slice(0, order.length >> 1)
    // Falling keys would be the heap upside down.
    kept.reverse()
    const [keys, values] = [kept.map((index) => this.#keys[index]), kept.map((index) => this.#values[index])]
    this.#keys.splice(0, Infinity, ...keys)
    this.#values.splice(0, Infinity, ...values)
    this.#most = kept.length
  }

  /** Returns the values, the largest first. */
  sorted(): T[] {
    return this.#values
      .map((value, index) => ({ value, key: this.#keys[index] }))
      .sort((a, b) => b.key - a.key)
      .map(({ value }) => value)
  }

  #up(from: number): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#keys[parent] <= this.#keys[index]) return
      this.#swap(parent, index)
      index = parent
    }
  }

  #down(): void {
    let index = 0
    for (;;) {
      let least = index
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#keys.length && this.#keys[child] < this.#keys[least]) least = child
      }
      if (least === index) return
      this.#swap(least, index)
      index = least
    }
  }

  #swap(one: number, other: number): void {
    const [keys, values] = [this.#keys, this.#values]
    ;[keys[one], keys[other]] = [keys[other], keys[one]]
    ;[values[one], values[other]] = [values[other], values[one]]
  }
}
