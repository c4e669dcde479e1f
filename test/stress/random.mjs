/**
 * Random choices that a seed repeats. On any thread; nothing is shared.
 */

/** Spreads the bits of a 32-bit number. */
export function mix(value) {
  let bits = value | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** Derives the seed of a part from `seed`: the same parts give the same seed. */
export function derive(seed, ...parts) {
  let derived = mix(seed)
  for (const part of parts) {
    for (const character of String(part)) derived = mix(derived ^ character.codePointAt(0))
    derived = mix(derived + 0x9e3779b9)
  }
  return derived
}

export class Random {
  #state

  constructor(seed) {
    this.#state = seed | 0
  }

  /** From 0 to below 1. */
  next() {
    this.#state = (this.#state + 0x9e3779b9) | 0
    return mix(this.#state) / 2 ** 32
  }

  /** A whole number from `least` to `most`. */
  whole(least, most) {
    return least + Math.floor(this.next() * (most - least + 1))
  }

  /** From `least` to `most`, small ones as often as large ones, by magnitude. */
  scaled(least, most) {
    return least * (most / least) ** this.next()
  }

  chance(probability) {
    return this.next() < probability
  }

  pick(choices) {
    return choices[Math.floor(this.next() * choices.length)]
  }
}
