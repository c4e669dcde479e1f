/**
 * A writer's view of its buffer, with which an encoder places records inline. It belongs to the
 * thread that owns the buffer. The writer changes it at each switch.
 */

/**
 * The current sub-buffer and views of the data, for an encoder that places records inline. All
 * offsets are bytes from the start of the buffer's data.
 *
 * To place a record of `n` bytes: take `p = words[end]`. If `p + n > limit`, take `p =
 * writer.room(n)`, and give up if that is negative. Store the record in a straight line of plain
 * stores. Then `words[end + 1] += 1`, and last `words[end] = p + n`. Read `end` again after `room`,
 * which changes it.
 *
 * The arrays of a view belong to one buffer, and never change while its writer lives. A fast
 * encoder holds the arrays as constants, and has the path through `room` in a separate function. It
 * costs about half as much as an encoder that reads the arrays from the view each time.
 *
 * @example
 * const { words, u32, f64 } = view
 * function store(id, value) {
 *   const p = words[view.end]
 *   if (p + 16 > view.limit) return storeInRoom(id, value) // writer.room(16), then the same again
 *   u32[p >> 2] = id
 *   f64[(p + 8) >> 3] = value
 *   words[view.end + 1] += 1
 *   words[view.end] = p + 16
 * }
 */
export interface WriterView {
  /**
   * The caller's number of the memory that this view writes to; −1 at first. The writer leaves it
   * alone.
   */
  generation: number
  /** The buffer's words, 4 bytes an element. */
  words: Uint32Array
  /** Index in `words` of the open sub-buffer's `end`; the next word is its `count`. */
  end: number
  /**
   * The first byte after the open sub-buffer; −1 while none is open, which sends every record to
   * `room`.
   */
  limit: number
  u8: Uint8Array
  i8: Int8Array
  u16: Uint16Array
  i16: Int16Array
  u32: Uint32Array
  i32: Int32Array
  u64: BigUint64Array
  i64: BigInt64Array
  f32: Float32Array
  f64: Float64Array
}

/**
 * Makes an empty view, which sends every record to `room`. A thread has it before it owns a buffer.
 */
export function emptyView(): WriterView {
  // This is one literal, so that the hot path always finds every field at the same place inside the
  // object.
  return {
    generation: -1,
    words: new Uint32Array(2),
    end: 0,
    limit: -1,
    u8: new Uint8Array(0),
    i8: new Int8Array(0),
    u16: new Uint16Array(0),
    i16: new Int16Array(0),
    u32: new Uint32Array(0),
    i32: new Int32Array(0),
    u64: new BigUint64Array(0),
    i64: new BigInt64Array(0),
    f32: new Float32Array(0),
    f64: new Float64Array(0),
  }
}
