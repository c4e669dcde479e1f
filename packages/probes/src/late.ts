/** Declarations of tracepoints that many threads never use. */

const all: (() => unknown)[] = []

/**
 * Puts a declaration off to its first use: it takes a thread 0.1 ms, and a worker of a program may
 * live for 20.
 *
 * @returns a function that returns what is declared.
 */
export function late<T>(declare: () => T): () => T {
  let made: T | undefined
  const get = (): T => (made ??= declare())
  all.push(get)
  return get
}

/** Declares them all: then their names can be compared with the rules of a recording. */
export function declareAll(): void {
  for (const declare of all) declare()
}
