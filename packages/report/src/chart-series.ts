/**
 * A number over time, in bounded memory: of too many samples, the larger one of each two is kept.
 */

const MOST = 2048

/** Samples of one series. Times are ns. */
export class ChartSeries {
  readonly times: number[] = []
  readonly values: number[] = []

  add(time: number, value: number): void {
    this.times.push(time)
    this.values.push(value)
    if (this.times.length >= MOST * 2) this.#halve()
  }

  #halve(): void {
    const { times, values } = this
    for (let index = 0; index < MOST; index += 1) {
      const first = index * 2
      times[index] = times[first]
      values[index] = Math.max(values[first], values[first + 1])
    }
    times.length = values.length = MOST
  }
}
