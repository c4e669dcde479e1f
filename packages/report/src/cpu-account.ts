/**
 * When a thread was on a CPU, and when it waited for one, of the kernel's sums: in bounded memory.
 * Of too many samples every second is dropped; as they are sums, what is left is exact.
 */
import type { CpuBand } from './page-data.js'

const MOST = 4096
const LEAST = 16
/**
 * The sampler looks at least so often, and tells of a thread only if it ran. So of a longer time
 * between two samples, the first part was idle.
 */
const LOOK_NS = 50_000_000

/** Samples of one thread. Times are ns. */
export class CpuAccount {
  readonly #times: number[] = []
  readonly #onCpu: number[] = []
  readonly #waiting: number[] = []

  add(time: number, onCpu: number, waiting: number): void {
    const last = this.#times.length - 1
    if (last >= 0) {
      const took = onCpu - this.#onCpu[last] + waiting - this.#waiting[last]
      const idleUntil = time - Math.max(LOOK_NS * 1.5, took)
      if (idleUntil > this.#times[last]) this.#push(idleUntil, this.#onCpu[last], this.#waiting[last])
    }
    this.#push(time, onCpu, waiting)
    if (this.#times.length > MOST) this.#halve()
  }

  get length(): number {
    return this.#times.length
  }

  /** Few samples stay as they are. */
  get canShrink(): boolean {
    return this.length > LEAST
  }

  /** Keeps half of the samples. */
  shrink(): void {
    this.#halve()
  }

  band(): CpuBand {
    const part = (sums: readonly number[]) => (_: unknown, index: number) => {
      if (index + 1 >= sums.length) return 0
      const ns = Math.max(1, this.#times[index + 1] - this.#times[index])
      return Math.max(0, Math.min(1000, Math.round(((sums[index + 1] - sums[index]) / ns) * 1000)))
    }
    const { length } = this.#times
    return {
      times: Float64Array.from(this.#times, Math.round),
      onCpu: Float64Array.from({ length }, part(this.#onCpu)),
      waiting: Float64Array.from({ length }, part(this.#waiting)),
    }
  }

  #push(time: number, onCpu: number, waiting: number): void {
    this.#times.push(time)
    this.#onCpu.push(onCpu)
    this.#waiting.push(waiting)
  }

  #halve(): void {
    for (const column of [this.#times, this.#onCpu, this.#waiting]) {
      // The last one stays: it is the sum so far.
      const last = column[column.length - 1]
      let kept = 0
      for (let index = 0; index < column.length - 1; index += 2) column[kept++] = column[index]
      column[kept++] = last
      column.length = kept
    }
  }
}
