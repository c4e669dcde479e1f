/** Results or messages that lay too long: how many, how long together, and which one longest. */
import { Coverage } from './coverage.js'
import type { Late } from './model.js'

/** Adds them up. Times are ns since a base. */
export class LateModel {
  readonly #times = new Coverage()
  #count = 0
  #longest = 0
  #from = 0
  #to = 0

  /** @param lay how long it lay of this time. */
  add(from: number, to: number, lay: number): void {
    this.#times.add(from, to)
    this.#count += 1
    this.#take(from, to, lay)
  }

  addAll(other: LateModel): void {
    this.#times.addAll(other.#times)
    this.#count += other.#count
    this.#take(other.#from, other.#to, other.#longest)
  }

  /** @param base what times count from. */
  result(base: bigint): Late {
    const at = (time: number): bigint => base + BigInt(Math.round(time))
    return {
      count: this.#count,
      ns: this.#times.length,
      longest: this.#longest,
      ...(this.#count === 0 ? {} : { at: { from: at(this.#from), to: at(this.#to) } }),
    }
  }

  #take(from: number, to: number, lay: number): void {
    if (lay <= this.#longest) return
    this.#longest = lay
    this.#from = from
    this.#to = to
  }
}
