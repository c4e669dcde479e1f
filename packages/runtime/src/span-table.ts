/**
 * The open spans of the threads of a recording: a part of the arena, with slots for each place. The
 * thread of the place writes it, and the consumer reads it when that thread is dead, or the
 * recording is over: then each slot that is open is a span that was cut off.
 *
 * ```text
 *   for each place 1024 slots of 16 bytes:
 *      +0  i64   start    thread: ns of the trace's clock
 *      +8  i32   class    thread: the tracepoint's id + 1, stored after the start; 0 when the span has ended
 *     +12        nothing
 * ```
 *
 * The place has the number of slots that its thread has ever used (`spans`). A slot beyond it means
 * nothing.
 *
 * The consumer also looks at the slots of a living thread, for a snapshot. It loads the class, the
 * start, and the class again. A thread that reuses the slot for a span of the same class in between
 * gives a start that is one of the two.
 */

/** Bytes of a slot, and byte offsets in it. */
export const SPAN_SLOT = { start: 0, class: 8, bytes: 16 } as const
/** The most spans of a thread that can be open at once. */
export const MAX_OPEN_SPANS = 1024
/** Bytes of the slots of one place. Memory that no span needs is not used. */
export const PLACE_SPANS_BYTES = MAX_OPEN_SPANS * SPAN_SLOT.bytes

/** A span that is open. */
export interface OpenSpan {
  /** The id of its tracepoint. */
  readonly id: number
  /** When it began, in ns of the trace's clock. */
  readonly start: bigint
}

/**
 * Consumer: reads the open spans of a place. The bytes are untrusted.
 *
 * @param words the slots of the place.
 * @param count the slots that were ever used.
 * @param now no span began later.
 */
export function openSpans(words: Int32Array<SharedArrayBuffer>, count: number, now: bigint): OpenSpan[] {
  const starts = new BigInt64Array(words.buffer, words.byteOffset, words.length >> 1)
  const spans: OpenSpan[] = []
  for (let slot = 0; slot < count && slot < MAX_OPEN_SPANS; slot += 1) {
    const at = (slot * SPAN_SLOT.bytes) >> 2
    // Pairs with: trace's `open-spans`, which stores the start before the class. They are plain
    // stores: of a dead thread all are there; of a living one they are a grace period old.
    const id = Atomics.load(words, at + (SPAN_SLOT.class >> 2)) - 1
    const start = Atomics.load(starts, at >> 1)
    const again = Atomics.load(words, at + (SPAN_SLOT.class >> 2)) - 1
    if (id >= 0 && id === again && start > 0n && start <= now) spans.push({ id, start })
  }
  return spans
}
