/**
 * A run: adjoining pieces of a relay file, as one view. The pieces of a sub-buffer always adjoin.
 */
import type { Piece } from '@rchan/relay'

export interface Run {
  /** The live memory of its pieces. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /** How many pieces it has. */
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
