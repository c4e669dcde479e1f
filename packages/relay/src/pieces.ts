/**
 * Splicing: pieces of the live memory, handed to a pipe that gives each back when it is done with
 * it.
 *
 * Runs on the thread that reads the relay file; a piece may be released later, on the same thread.
 * No byte is copied. A piece is part of one page, as a pipe's slots are. What is consumed follows
 * from what was released.
 */
import { PAGE_BYTES } from '@rchan/ring'
import type { ThreadBuffer as RelayBuffer } from './buffer.js'

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

/** A pipe is offered this many pieces even if it has room for fewer. */
const LEAST_PIECES = 16

/** Part of one sub-buffer, in pieces. */
export interface SplicePieces {
  readonly pieces: readonly Piece[]
  /** Bytes in the pieces. */
  readonly bytes: number
  /** Padding that is passed over if the pipe takes all of them. */
  readonly padding: number
}

/** The pieces of a sub-buffer from `position` on, at most `length` bytes. */
export function splicePiecesOf(
  buffer: RelayBuffer,
  position: number,
  length: number,
  capacity: number,
): SplicePieces {
  const { subbufSize, subbufCount, pages } = buffer
  const start = position % (subbufSize * subbufCount)
  const index = Math.floor(start / subbufSize)
  const padding = buffer.padding(index)
  const dataEnd = (index + 1) * subbufSize - padding
  const most = Math.min(pages.length / PAGE_BYTES, Math.max(LEAST_PIECES, capacity))
  const pieces: Piece[] = []
  let at = start
  let left = length
  while (pieces.length < most && left > 0) {
    const pageOffset = at % PAGE_BYTES
    const whole = Math.min(left, PAGE_BYTES - pageOffset)
    const isLast = at + whole >= dataEnd
    const bytes = isLast ? Math.max(0, dataEnd - at) : whole
    pieces.push(pieceOf(buffer, at, bytes, isLast ? bytes + padding : bytes))
    at += bytes
    left -= bytes
    if (isLast) break
  }
  return { pieces, bytes: at - start, padding: at === dataEnd ? padding : 0 }
}

function pieceOf(buffer: RelayBuffer, at: number, length: number, consumes: number): Piece {
  let released = false
  return {
    page: Math.floor(at / PAGE_BYTES),
    pageOffset: at % PAGE_BYTES,
    bytes: buffer.pages.subarray(at, at + length),
    consumes,
    release: () => {
      if (released) throw new Error(`piece at=${at} released twice`)
      released = true
      buffer.locked(() => {
        const all = buffer.bytesConsumed + consumes
        if (all >= buffer.subbufSize) buffer.subbufConsumed()
        if (all % buffer.subbufSize > 0) buffer.bytesConsumedTo(all % buffer.subbufSize)
      })
    },
  }
}
