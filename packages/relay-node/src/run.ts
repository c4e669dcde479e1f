/**
 * A run: pieces of a relay file that adjoin in memory, as one view. Those of a sub-buffer always
 * do.
 */
import type { Piece } from '@rchan/relay'

export interface Run {
  /** The live memory of its pieces. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /** How many pieces are in it. */
  readonly count: number
}

/** The run that starts with the piece at index `from`, which must exist. */
export function runOf(pieces: readonly Piece[], from: number): Run {
  const { buffer, byteOffset } = pieces[from].bytes
  let end = from
  let length = 0
  while (end < pieces.length) {
    const { bytes } = pieces[end]
    if (bytes.buffer !== buffer || bytes.byteOffset !== byteOffset + length) break
    length += bytes.byteLength
    end += 1
  }
  return { bytes: new Uint8Array(buffer, byteOffset, length), count: end - from }
}
