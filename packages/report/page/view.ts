/** Which part of the time is shown. */

/** No shorter time is shown, in ns. */
const SHORTEST = 50

/** A part of the time. Times are ns. */
export class View {
  from: number
  to: number
  readonly #first: number
  readonly #last: number

  constructor(first: number, last: number) {
    this.#first = this.from = first
    this.#last = this.to = last
  }

  get span(): number {
    return this.to - this.from
  }

  get isAll(): boolean {
    return this.from <= this.#first && this.to >= this.#last
  }

  show(from: number, to: number): void {
    const span = Math.min(this.#last - this.#first, Math.max(SHORTEST, to - from))
    const middle = (from + to) / 2
    this.from = Math.min(this.#last - span, Math.max(this.#first, middle - span / 2))
    this.to = this.from + span
  }

  showAll(): void {
    this.show(this.#first, this.#last)
  }

  /** Shows something, with some of the time around it. */
  showAround(from: number, to: number): void {
    const margin = Math.max((to - from) * 0.15, SHORTEST)
    this.show(from - margin, to + margin)
  }

  pan(by: number): void {
    this.show(this.from + by, this.to + by)
  }

  /** Shows `factor` times as long a time. What is at `at` stays where it is. */
  zoom(factor: number, at: number): void {
    const span = Math.min(this.#last - this.#first, Math.max(SHORTEST, this.span * factor))
    const from = at - ((at - this.from) / this.span) * span
    this.show(from, from + span)
  }
}
