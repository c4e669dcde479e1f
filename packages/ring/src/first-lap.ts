/**
 * The first lap of a buffer: memory that nobody has touched yet. The system gives a page to the
 * process when a thread first stores into it, which takes that thread 2 to 3 µs: for small records,
 * half of what they cost. So the consumer touches the pages ahead of the writers. It runs on the
 * one thread that drains the buffer.
 *
 * ```text
 *   written       near           touched            lead
 *   ├──────────────┼───────────────┼─────────────────┤
 *   │ the writer's │ touched, or   │ to be touched   │ not yet
 *   │              │ the writer's  │ now             │
 * ```
 *
 * Memory that no thread needs stays untouched: the lead is as long as what was written so far, and
 * two sub-buffers of a default recording at the most. So a thread that wrote 40 KiB has at most 80
 * KiB.
 *
 * A touch is a compare-and-exchange of 0 for 0, in the first word of a page. It stores only a 0,
 * and only where a 0 is. Processors do that as one step: x64 holds the cache line from the load to
 * the store, and on arm64 the exclusive store fails, or the operation is done in one place, when
 * another core stores into that line. So a record that the writer stores plainly in the same
 * instant is either seen, and left alone, or stored after the 0. This is an assumption about
 * hardware; the language doesn't promise it for plain stores. So a touch also keeps its distance:
 * it looks where the writer is right before each page, and leaves the near pages to it. The
 * assumption matters only if the touching thread is stopped between that look and the exchange,
 * while the writer goes on for {@link NEAR_BYTES}.
 */
import { BUFFER, PAGE_BYTES, type BufferMemory } from './buffer.js'

/** The pages that are left to the writer, in bytes from where it is: 40 µs for a fast writer. */
export const NEAR_BYTES = 32 * 1024
/** The longest lead, in bytes: half a millisecond for a fast writer. */
export const MOST_LEAD_BYTES = 512 * 1024

/** Touches the pages of one buffer ahead of its writers. */
export class FirstLap {
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #bytes: number
  readonly #written: () => number
  /** Pages before it are touched, or were left to the writer. */
  #touched = 0

  /**
   * @param data of the buffer, from the start of a page.
   * @param written says how far the buffer is written: bytes since its first sub-buffer was begun,
   * as far as is known. It may be wrong if another thread has damaged the memory.
   */
  constructor(data: Uint8Array<SharedArrayBuffer>, written: () => number) {
    this.#bytes = data.byteLength
    this.#words = new Int32Array(data.buffer, data.byteOffset, data.byteLength >> 2)
    this.#written = written
  }

  /** Whether all pages are touched. */
  get isOver(): boolean {
    return this.#touched >= this.#bytes
  }

  /** Touches the pages that the writers will need next. Call it at each look at the buffer. */
  stayAhead(): void {
    if (this.isOver) return
    const written = this.#written()
    const end = Math.min(this.#bytes, written + Math.min(written, MOST_LEAD_BYTES))
    for (;;) {
      const near = this.#written() + NEAR_BYTES
      const at = Math.max(this.#touched, Math.ceil(near / PAGE_BYTES) * PAGE_BYTES)
      // Also for a place that is no number.
      if (!(at < end)) break
      Atomics.compareExchange(this.#words, at >> 2, 0, 0)
      this.#touched = at + PAGE_BYTES
    }
    if (written >= this.#bytes) this.#touched = this.#bytes
  }
}

/** How far a CPU's buffer is written in its first lap; for {@link FirstLap}. Any thread. */
export function firstLapBytes(buffer: BufferMemory): number {
  const { subbufSize, subbufCount } = buffer.geometry
  const produced = Number(Atomics.load(buffer.counters, BUFFER.produced >> 3))
  // Also for what is no count, in damaged memory.
  if (!(produced >= 0 && produced < subbufCount)) return subbufSize * subbufCount
  const start = produced * subbufSize
  // The entry may not be begun yet.
  const end = Atomics.load(buffer.words, buffer.endWord(produced))
  return end > start && end <= start + subbufSize ? end : start
}
