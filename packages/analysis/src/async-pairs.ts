/**
 * Finds for the end of an asynchronous span its begin, which may be of another thread. A span is
 * known by its process, its name and its id.
 *
 * Keeps what is open; of each name at most {@link MOST_OPEN}, so that begins that never end don't
 * fill the memory.
 */
import type { AsyncItem, TraceProcess } from '@rchan/ctf/reader'

/** How many spans of one name can be open. More cut off the oldest. */
export const MOST_OPEN = 65_536

/** An asynchronous span that has begun. */
export interface OpenAsync<T> {
  readonly begin: AsyncItem
  /** What the caller keeps with it. */
  readonly value: T
}

/** The pairs of begins and ends. */
export class AsyncPairs<T> {
  readonly #families = new Map<TraceProcess, Map<string, Map<bigint, OpenAsync<T>>>>()
  readonly #most: number

  constructor(most = MOST_OPEN) {
    this.#most = most
  }

  /**
   * Notes a begin.
   *
   * @param makeValue is called after `cut`, so what a span had that was cut off is free then.
   * @param cut is called with a span that is open under the same id, or is one too many: it will
   * have no end.
   */
  begin(item: AsyncItem, makeValue: () => T, cut: (open: OpenAsync<T>) => void): T {
    const family = this.#family(item)
    const same = family.get(item.id)
    if (same !== undefined) {
      family.delete(item.id)
      cut(same)
    } else if (family.size >= this.#most) {
      const [[id, oldest]] = family
      family.delete(id)
      cut(oldest)
    }
    const value = makeValue()
    family.set(item.id, { begin: item, value })
    return value
  }

  /** Returns the begin of an end; undefined if it isn't in the trace. */
  end(item: AsyncItem): OpenAsync<T> | undefined {
    const family = this.#family(item)
    const open = family.get(item.id)
    if (open !== undefined) family.delete(item.id)
    return open
  }

  /** Returns what is open. */
  *open(): IterableIterator<OpenAsync<T>> {
    for (const names of this.#families.values()) {
      for (const family of names.values()) yield* family.values()
    }
  }

  #family({ thread: { process }, name }: AsyncItem): Map<bigint, OpenAsync<T>> {
    let names = this.#families.get(process)
    if (names === undefined) this.#families.set(process, (names = new Map()))
    let family = names.get(name)
    if (family === undefined) names.set(name, (family = new Map()))
    return family
  }
}
