/** What a probe has replaced in the program's objects, and how it comes back. */

export type Method = (this: object, ...args: unknown[]) => unknown

/** Replaced methods, and whatever else is taken back with them, the last one first. */
export class Patches {
  readonly #owners = new WeakSet<object>()
  readonly #undo: (() => void)[] = []

  /** Adds what takes something back. */
  add(undo: () => void): void {
    this.#undo.push(undo)
  }

  /**
   * Replaces methods of an object, at the first call for that object. What it hasn't is left out.
   *
   * @param owner may be no object, if the program gives something else.
   */
  replace(owner: unknown, names: readonly string[], make: (original: Method, name: string) => Method): void {
    if (!isObject(owner) || this.#owners.has(owner)) return
    this.#owners.add(owner)
    for (const name of names) this.#replace(owner as Record<string, unknown>, name, make)
  }

  end(): void {
    for (const undo of this.#undo.splice(0).toReversed()) undo()
  }

  #replace(
    owner: Record<string, unknown>,
    name: string,
    make: (original: Method, name: string) => Method,
  ): void {
    const original = owner[name]
    if (typeof original !== 'function') return
    const replacement = alike(make(original as Method, name), original as Method)
    owner[name] = replacement
    this.#undo.push(() => {
      if (owner[name] === replacement) owner[name] = original
    })
  }
}

/** Whether it is an object, of any realm. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** Gives a function the name and the length of another. */
export function alike<F extends (...args: never[]) => unknown>(made: F, original: F): F {
  for (const key of ['name', 'length'] as const) {
    Object.defineProperty(made, key, { value: original[key], configurable: true })
  }
  return made
}
