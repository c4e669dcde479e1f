/**
 * The names of threads in the metadata. They are an enumeration: its values are Node's thread ids,
 * its labels are the names. So every reader shows the name beside the number.
 *
 * Pure functions, callable on any thread.
 */

/** Threads with consecutive ids and the same name. */
export interface ThreadRange {
  /** Any text without NUL. */
  readonly name: string
  readonly first: number
  /** Not less than {@link first}. */
  readonly last: number
}

/** The part of a thread's id that a record of a global trace holds. */
const GLOBAL_THREAD_MASK = 0xffff
const MAX_THREAD_ID = 0xffffffff

/** Returns the number of a thread in a trace. */
export function threadNumber(threadId: number, global: boolean): number {
  return global ? threadId & GLOBAL_THREAD_MASK : threadId >>> 0
}

/**
 * Sorts threads by number, and joins neighbours with the same name to ranges.
 *
 * @param threads names by number.
 */
export function threadRanges(threads: ReadonlyMap<number, string>): ThreadRange[] {
  const ranges: { name: string; first: number; last: number }[] = []
  for (const [number, name] of [...threads].sort(([a], [b]) => a - b)) {
    const before = ranges.at(-1)
    if (before !== undefined && before.name === name && before.last + 1 === number) before.last = number
    else ranges.push({ name, first: number, last: number })
  }
  return ranges
}

/**
 * Checks that ranges can be in the metadata: the numbers are in order, and none is there twice.
 *
 * @returns what is wrong with them; undefined if nothing is.
 */
export function wrongThreadRange(ranges: readonly ThreadRange[], global: boolean): string | undefined {
  const most = global ? GLOBAL_THREAD_MASK : MAX_THREAD_ID
  let least = 0
  for (const { name, first, last } of ranges) {
    const areWhole = Number.isInteger(first) && Number.isInteger(last)
    if (!areWhole || first < least || last < first || last > most) {
      return `thread ${JSON.stringify(name)} has numbers ${first} to ${last}, expected them in order, from ${least} to ${most}`
    }
    if (name.includes('\0')) return `thread name=${JSON.stringify(name)}: NUL is not possible`
    least = last + 1
  }
  return undefined
}

/** Finds the name of a thread by its number. */
export class ThreadNames {
  readonly #ranges: readonly ThreadRange[]

  constructor(ranges: readonly ThreadRange[]) {
    this.#ranges = ranges
  }

  /** @returns undefined if the metadata doesn't name it. */
  get(number: number): string | undefined {
    const ranges = this.#ranges
    let from = 0
    let to = ranges.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (ranges[middle].last < number) from = middle + 1
      else to = middle
    }
    return from < ranges.length && ranges[from].first <= number ? ranges[from].name : undefined
  }
}
