/**
 * Remarks on tracepoints: for each tracepoint one short text in a recording, the first of any
 * thread. They are a part of the arena, which is laid out anew for each recording.
 *
 * ```text
 *      at  type      word     written by
 *       0  i32       taken    any thread   slots that were taken; goes on when there are no more
 *       8  u32[64]   said     any thread   a bit for each tracepoint: a thread has remarked on it
 *     264  …         slots    any thread   256 bytes each:
 *      +0  i32       id       thread       the tracepoint's id + 1; stored last; 0: not written
 *      +4  i32       length   thread       bytes of the text
 *      +8  u8[248]   text     thread       in UTF-8
 * ```
 *
 * Only the thread that sets the bit of a tracepoint remarks on it. It takes a slot of its own,
 * where no other thread stores. A thread that ends in between leaves a slot without an id, which
 * readers pass over. When all slots are taken, further remarks are dropped.
 */
import { MAX_ENTRIES } from './control-page.js'
import { decodeShared, encodeInto } from './process.js'

/** Byte offsets of the parts. A test holds them to the picture above. */
export const REMARKS = { taken: 0, said: 8, slots: 264 } as const
/** Byte offsets of the words of a slot. */
export const REMARK = { id: 0, length: 4, text: 8 } as const
const SLOT_BYTES = 256
/** The most remarks in a recording. */
export const MAX_REMARKS = 64
/** Bytes of the longest text. */
export const REMARK_BYTES = SLOT_BYTES - REMARK.text
/** Bytes of all remarks. */
export const REMARKS_BYTES = REMARKS.slots + MAX_REMARKS * SLOT_BYTES

/** A remark on a tracepoint. */
export interface Remark {
  readonly id: number
  readonly text: string
}

export class Remarks {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>

  /** @param at a multiple of 8. */
  constructor(memory: SharedArrayBuffer, at: number) {
    this.#words = new Int32Array(memory, at, REMARKS_BYTES >> 2)
    this.#bytes = new Uint8Array(memory, at, REMARKS_BYTES)
  }

  /**
   * Any thread: remarks on a tracepoint, unless a thread already has. Never throws.
   *
   * @param make makes the text; called only for the first remark. A text that is too long is cut.
   */
  say(id: number, make: () => string): void {
    const words = this.#words
    const said = (REMARKS.said >> 2) + (id >> 5)
    const bit = 1 << (id & 31)
    if ((Atomics.load(words, said) & bit) !== 0) return
    try {
      // This comes first: with a full stack it throws, and the next call may have more stack.
      const text = new Uint8Array(REMARK_BYTES)
      const { written } = encodeInto(make(), text)
      // Only one thread finds the bit unset.
      if ((Atomics.or(words, said, bit) & bit) !== 0) return
      const index = Atomics.add(words, REMARKS.taken >> 2, 1)
      if (index < 0 || index >= MAX_REMARKS) return
      const slot = REMARKS.slots + index * SLOT_BYTES
      for (let i = 0; i < written; i += 1) this.#bytes[slot + REMARK.text + i] = text[i]
      words[(slot + REMARK.length) >> 2] = written
      // This store comes last: before it there is no remark. Pairs with: all, Atomics.load of `id`.
      Atomics.store(words, (slot + REMARK.id) >> 2, id + 1)
    } catch {
      // The record is counted all the same. A lost remark must not harm the program.
    }
  }

  /**
   * Consumer: reads all remarks. The bytes are untrusted, so each tracepoint is taken only once.
   */
  all(): Remark[] {
    const remarks = new Map<number, Remark>()
    for (let index = 0; index < MAX_REMARKS; index += 1) {
      const slot = REMARKS.slots + index * SLOT_BYTES
      // Pairs with: say, Atomics.store of `id`, after length and text.
      const id = Atomics.load(this.#words, (slot + REMARK.id) >> 2) - 1
      if (id < 0 || id >= MAX_ENTRIES || remarks.has(id)) continue
      const length = Math.min(REMARK_BYTES, Math.max(0, this.#words[(slot + REMARK.length) >> 2]))
      const at = slot + REMARK.text
      remarks.set(id, { id, text: decodeShared(this.#bytes.subarray(at, at + length)) })
    }
    return [...remarks.values()].sort((a, b) => a.id - b.id)
  }
}
