/**
 * Splicing: pieces of the live memory, handed to a pipe that gives each back when it is done.
 *
 * Runs on the thread that reads the relay file. Pieces are made in a splice, and released in it or
 * later. Owns nothing but what a piece remembers. It must never copy a byte, nor count as
 * consumed what the pipe has not released.
 */
import { PAGE_BYTES } from '@rchan/ring'
import type { ThreadBuffer } from './buffer.js'

/** Part of one page of a buffer. */
export interface Piece {
  /** Index of the page in the buffer. */
  readonly page: number
  /** Where the piece starts in the page, in bytes. */
  readonly pageOffset: number
  /** The live memory; valid until it is released. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /**
   * Bytes that count as consumed when it is released: its own, and the padding behind the last one.
   */
  readonly consumes: number
  /** The pipe is done with it. Call once, in the order of the pieces. */
  release(): void
}

/** Where pieces go. */
export interface Pipe {
  /** How many pieces it has room for when empty. */
  readonly capacity: number
  /**
   * Takes pieces in order, as many as it can, and releases each when it was used.
   *
   * @returns bytes in those it took; 'again' or 'interrupted' if it can take none.
   */
  take(pieces: readonly Piece[]): number | 'again' | 'interrupted'
}

/** Bytes spliced, or why none were. */
export type SpliceResult = number | 'again' | 'interrupted'

/** What one sub-buffer has to hand over. Offsets are bytes from the start of the buffer's data. */
export interface Stretch {
  /** Which sub-buffer it is of. */
  readonly sequence: number
  readonly from: number
  /** The first byte behind it; not before `from`. */
  readonly to: number
  /** Padding that directly follows and goes with its last piece, in bytes. */
  readonly padding: number
  /** Which life of the buffer it belongs to. */
  readonly resets: number
}

/**
 * Cuts a stretch at the ends of pages. One without bytes is one piece without bytes: a pipe gets it
 * all the same, because the padding counts when that piece is released.
 *
 * @param most how many pieces to make; what does not fit in them is left out.
 */
export function piecesOf(buffer: ThreadBuffer, stretch: Stretch, most: number): Piece[] {
  const pieces: Piece[] = []
  let at = stretch.from
  while (pieces.length < most) {
    const pageEnd = (Math.floor(at / PAGE_BYTES) + 1) * PAGE_BYTES
    const end = Math.min(pageEnd, stretch.to)
    pieces.push(pieceOf(buffer, stretch, at, end))
    at = end
    if (at === stretch.to) break
  }
  return pieces
}

function pieceOf(buffer: ThreadBuffer, stretch: Stretch, at: number, end: number): Piece {
  // Padding is left out of what is handed over, and is charged to the last piece before it.
  const consumes = end - at + (end === stretch.to ? stretch.padding : 0)
  let isReleased = false
  return {
    page: Math.floor(at / PAGE_BYTES),
    pageOffset: at % PAGE_BYTES,
    bytes: buffer.memory.data.subarray(at, end),
    consumes,
    release: () => {
      // A second release would give back bytes that nobody has had.
      if (isReleased) return
      isReleased = true
      consume(buffer, consumes, stretch.resets)
    },
  }
}

/**
 * Counts bytes as consumed. The file may have been released since they were handed over, and then
 * the memory may be another buffer's: so the buffer is held meanwhile, if it is still there.
 */
function consume(buffer: ThreadBuffer, bytes: number, resets: number): void {
  const holder = { leave: () => undefined }
  try {
    buffer.hold(holder)
  } catch {
    // The buffer is gone, and with it what there was to count.
    return
  }
  try {
    buffer.locked(() => {
      // After a reset the counters say nothing of these bytes: the new life is unread.
      if (buffer.resets === resets) count(buffer, bytes)
    })
  } finally {
    buffer.letGo(holder)
  }
}

/**
 * A sub-buffer is consumed when as many bytes are as it has. What exceeds it counts for the next
 * one, modulo the size; never more than one sub-buffer is given back for a piece. Locked.
 */
function count(buffer: ThreadBuffer, bytes: number): void {
  const sum = buffer.bytesConsumed + bytes
  if (sum < buffer.subbufSize) {
    buffer.bytesConsumedTo(sum)
    return
  }
  buffer.subbufConsumed()
  // After it: a reader that dies in between leaves the carried bytes to be read again.
  if (sum % buffer.subbufSize > 0) buffer.bytesConsumedTo(sum % buffer.subbufSize)
}
