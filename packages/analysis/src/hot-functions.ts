/** In which functions time went, by samples of stacks. */
import type { HotFunction, Sampled } from './model.js'
import type { SampledFunction, Stack } from './stacks.js'

/** Functions that are told apart. */
const MOST = 16_384
/** Of those with the most own time, and of those with the most time in all, so many are shown. */
const SHOWN = 25
const IDLE = '(idle)'

interface Time {
  self: number
  total: number
  /** The last sample that it was charged with: a function may stand in a stack twice. */
  sample: number
}

/** Adds up the time of functions. */
export class HotFunctions {
  readonly #times = new Map<SampledFunction, Time>()
  #samples = 0
  #ns = 0
  #idleNs = 0
  #charges = 0

  /** Charges the functions of a stack with a time. @param count how often V8 has looked. */
  charge(stack: Stack, ns: number, count: number): void {
    this.#samples += count
    if (stack.function.name === IDLE) {
      this.#idleNs += ns
      return
    }
    this.#ns += ns
    this.#charges += 1
    let self = ns
    for (let each: Stack | undefined = stack; each !== undefined; each = each.caller) {
      const time = this.#timeOf(each.function)
      if (time === undefined) continue
      time.self += self
      self = 0
      if (time.sample === this.#charges) continue
      time.sample = this.#charges
      time.total += ns
    }
  }

  #timeOf(called: SampledFunction): Time | undefined {
    let time = this.#times.get(called)
    if (time === undefined && this.#times.size < MOST) {
      this.#times.set(called, (time = { self: 0, total: 0, sample: 0 }))
    }
    return time
  }

  result(): Sampled {
    const all = [...this.#times].map(([called, { self, total }]): HotFunction => {
      const { name, file, line, column } = called
      return { name, file, line, column, selfNs: self, totalNs: total }
    })
    const byTotal = new Set(all.toSorted((a, b) => b.totalNs - a.totalNs).slice(0, SHOWN))
    const bySelf = all.toSorted((a, b) => b.selfNs - a.selfNs)
    return {
      samples: Math.round(this.#samples),
      ns: this.#ns,
      idleNs: this.#idleNs,
      functions: bySelf.filter((each, index) => index < SHOWN || byTotal.has(each)),
    }
  }
}
