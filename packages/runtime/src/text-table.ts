/**
 * A table of texts in shared memory, to which any thread adds: the tracepoints of a process, the
 * interned strings of a recording. A text gets a number, the same in all threads. Needs no message,
 * lock or event loop.
 *
 * The table is a list of entries without gaps, each on a multiple of 8. The id of an entry is its
 * place in the list. An entry belongs to the thread that claimed it:
 *
 * ```text
 *   +0   i32   bytes       of the whole entry; claimed by compare-and-exchange from 0, so a dead claimer leaves an
 *                          entry of known size that is passed over
 *   +4   i32   ready       1 when the text is there, stored by the claimer; −1 when another declarer gave up waiting
 *                          for it (both by compare-and-exchange from 0): then the entry is void for ever
 *   +8   u32   textBytes
 *  +12   …     text        UTF-8
 * ```
 */
import type { Waits } from './waits.js'
import { decodeShared, encode } from './process.js'

const ENTRY_READY = 4
const ENTRY_TEXT_BYTES = 8
const ENTRY_TEXT = 12
const READY = 1
const VOID = -1
/**
 * How long a declarer waits for another thread's half-written entry. Only a dead or stopped thread
 * takes longer.
 */
const PATIENCE_MS = 50

/** An entry of a table. */
export interface Entry {
  readonly id: number
  readonly text: string
}

/** A point of a table: the next entry's id, and its place in bytes from the table's start. */
export interface TableCursor {
  readonly id: number
  readonly at: number
}

/** Where a table starts. */
export const TABLE_START: TableCursor = { id: 0, at: 0 }

/** A table, as the calling thread sees it. */
export class TextTable {
  readonly #waits: Waits
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>
  readonly #maxEntries: number
  readonly #tableBytes: number

  /**
   * @param at where the table starts, a multiple of 8.
   * @param bytes of the table, a multiple of 8.
   */
  constructor(waits: Waits, memory: SharedArrayBuffer, at: number, bytes: number, maxEntries: number) {
    this.#waits = waits
    this.#words = new Int32Array(memory, at, bytes >> 2)
    this.#bytes = new Uint8Array(memory, at, bytes)
    this.#tableBytes = bytes
    this.#maxEntries = maxEntries
  }

  /**
   * Enters a text, or finds it, from a point on.
   *
   * @returns its entry, whose id is the same for the same text in all threads (that start at the
   * same point). Undefined when the table is full.
   * @throws RangeError when the table is damaged.
   */
  declare(text: string, from: TableCursor = TABLE_START): number | undefined {
    const encoded = encode(text)
    const bytes = (ENTRY_TEXT + encoded.length + 7) & -8
    const pending: TableCursor[] = []
    let { at } = from
    for (let { id } = from; id < this.#maxEntries && at + bytes <= this.#tableBytes; id += 1) {
      const taken = Atomics.compareExchange(this.#words, at >> 2, 0, bytes)
      if (taken === 0) {
        this.#bytes.set(encoded, at + ENTRY_TEXT)
        this.#words[(at + ENTRY_TEXT_BYTES) >> 2] = encoded.length
        // The text is there. Pairs with: textAt, Atomics.load of `ready`.
        if (Atomics.compareExchange(this.#words, (at + ENTRY_READY) >> 2, 0, READY) === 0) {
          Atomics.notify(this.#words, (at + ENTRY_READY) >> 2)
          return this.#sameBefore(pending, text) ?? id
        }
        // We were stopped for so long that another thread gave up this entry. It may have entered
        // the text behind it.
        at += bytes
        continue
      }
      if (taken < ENTRY_TEXT || taken % 8 !== 0 || at + taken > this.#tableBytes) {
        throw new RangeError(`the table is damaged: entry ${id} at=${at} has bytes=${taken}`)
      }
      if (taken === bytes && this.textAt(at) === text) return this.#sameBefore(pending, text) ?? id
      if (Atomics.load(this.#words, (at + ENTRY_READY) >> 2) === 0) pending[pending.length] = { id, at }
      at += taken
    }
    return undefined
  }

  /**
   * Reads the entries from a point on, up to the first that is unclaimed or damaged.
   *
   * @returns the complete entries, the point from which to go on, and the entries that are still
   * being written.
   */
  entries(from: TableCursor = TABLE_START): { found: Entry[]; next: TableCursor; waiting: TableCursor[] } {
    const found: Entry[] = []
    const waiting: TableCursor[] = []
    let { id, at } = from
    for (; id < this.#maxEntries && at + ENTRY_TEXT <= this.#tableBytes; id += 1) {
      const bytes = Atomics.load(this.#words, at >> 2)
      if (bytes < ENTRY_TEXT || bytes % 8 !== 0 || at + bytes > this.#tableBytes) break
      const text = this.textAt(at)
      if (text !== undefined) found[found.length] = { id, text }
      else if (!this.#isVoid(at)) waiting[waiting.length] = { id, at }
      at += bytes
    }
    return { found, next: { id, at }, waiting }
  }

  /** The text of the entry at `at`, if it is ready. Any thread. */
  textAt(at: number): string | undefined {
    // Pairs with: declare, compare-and-exchange of `ready`, which comes after the text.
    if (Atomics.load(this.#words, (at + ENTRY_READY) >> 2) !== READY) return undefined
    const room = this.#words[at >> 2] - ENTRY_TEXT
    const length = Math.max(0, Math.min(room, this.#words[(at + ENTRY_TEXT_BYTES) >> 2]))
    // Decode a copy, because TextDecoder takes no shared memory.
    return decodeShared(this.#bytes.subarray(at + ENTRY_TEXT, at + ENTRY_TEXT + length))
  }

  /** Empties a table that no other thread touches any more. */
  clear(): void {
    this.#words.fill(0, 0, this.entries().next.at >> 2)
  }

  #isVoid(at: number): boolean {
    return Atomics.load(this.#words, (at + ENTRY_READY) >> 2) === VOID
  }

  /**
   * The id of the same text in an earlier entry that was half-written when we passed it. An entry
   * that does not get ready is made void, so that its text can't have two ids, and no thread waits
   * for it again.
   */
  #sameBefore(pending: TableCursor[], text: string): number | undefined {
    for (let index = 0; index < pending.length; index += 1) {
      const { id, at } = pending[index]
      const ready = (at + ENTRY_READY) >> 2
      if (this.#waits.wait(this.#words, ready, 0, PATIENCE_MS) === 'timed-out') {
        Atomics.compareExchange(this.#words, ready, 0, VOID)
      }
      if (this.textAt(at) === text) return id
    }
    return undefined
  }
}
