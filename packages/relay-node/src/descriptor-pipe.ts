/**
 * A pipe into a file descriptor: pieces of a relay file go by `writev` from the shared memory
 * itself to the system.
 *
 * Runs on the thread that reads the relay file. Never copies a byte in JavaScript, and never closes
 * the descriptor.
 *
 * ```text
 *   pieces   |  0  |  1  |  2  |       writev takes a part:
 *   taken    ===========▶              the position of the file moves by exactly this
 *   released |  0  |                   and this is consumed; piece 1 is when the rest of it is taken
 * ```
 *
 * The file hands out the rest of a piece as a piece of its own. What is released then is the piece
 * that was begun, not its rest: it counts for both. So no byte is lost or written twice, and
 * consumption lags by less than a page.
 */
import { writevSync } from 'node:fs'
import type { Piece, Pipe } from '@rchan/relay'
import { runOf } from './run.js'

/** A sub-buffer of up to 4 MiB goes in one call of the system. */
const PIECES_AT_ONCE = 1024

/**
 * Writes pieces to a file descriptor: of a file, a pipe, a socket, a terminal.
 *
 * One pipe goes with one relay file: after a short write it must be given the rest, which it
 * checks.
 *
 * @example
 * const pipe = new DescriptorPipe(fs.openSync('cpu0', 'w'))
 * const bytes = file.splice(pipe, 65536) // 0: nothing complete; 'again': the descriptor would block
 */
export class DescriptorPipe implements Pipe {
  readonly capacity = PIECES_AT_ONCE
  /**
   * Where the bytes go. May be changed between calls: the next one gets the byte behind the last
   * that was taken.
   */
  fd: number
  #bytes = 0
  /** A piece of which only `#begunBytes` were taken. */
  #begun: Piece | undefined
  #begunBytes = 0

  constructor(fd: number) {
    this.fd = fd
  }

  /** Bytes taken so far. */
  get bytes(): number {
    return this.#bytes
  }
  /**
   * Bytes that were taken but are not consumed yet: part of a piece; 0 if the last write took all
   * it was given.
   */
  get begunBytes(): number {
    return this.#begunBytes
  }

  /**
   * Writes the pieces with one call of the system, and releases those that are written as a whole.
   *
   * @returns bytes that were written; 'again' if the descriptor would block (EAGAIN); 'interrupted'
   * (EINTR).
   * @throws the error of the system, for example ENOSPC, EPIPE or EBADF: nothing was taken by this
   * call, and it can be tried again; Error for a piece that is not the rest of the one begun.
   */
  take(pieces: readonly Piece[]): number | 'again' | 'interrupted' {
    const views = this.#viewsOf(pieces)
    let written = 0
    if (views.length > 0) {
      try {
        written = writevSync(this.fd, views)
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === 'EAGAIN') return 'again'
        if (code === 'EINTR') return 'interrupted'
        throw error
      }
    }
    this.#bytes += written
    this.#release(pieces, written)
    return written
  }

  /**
   * What to write: all of the pieces, but of the rest of one that was begun no more than was begun.
   */
  #viewsOf(pieces: readonly Piece[]): Uint8Array[] {
    const begun = this.#begun
    if (begun !== undefined && pieces.length > 0) {
      const [{ bytes }] = pieces
      if (
        bytes.buffer !== begun.bytes.buffer ||
        bytes.byteOffset !== begun.bytes.byteOffset + this.#begunBytes
      ) {
        throw new Error('a pipe that has begun a piece was given another')
      }
      const left = begun.bytes.byteLength - this.#begunBytes
      // A longer rest (a `length` had cut the piece) would be counted neither by it nor by what was
      // begun.
      if (bytes.byteLength > left) return [bytes.subarray(0, left)]
    }
    const views: Uint8Array[] = []
    for (let from = 0; from < pieces.length;) {
      const run = runOf(pieces, from)
      if (run.bytes.byteLength > 0) views.push(run.bytes)
      from += run.count
    }
    return views
  }

  #release(pieces: readonly Piece[], written: number): void {
    let left = written
    for (const piece of pieces) {
      const { byteLength } = piece.bytes
      // An empty piece stands for padding: it is passed over when all before it is taken.
      if (left === 0 && byteLength > 0) return
      const part = Math.min(left, byteLength)
      left -= part
      this.#begun ??= piece
      this.#begunBytes += part
      if (this.#begunBytes === this.#begun.bytes.byteLength) {
        this.#begun.release()
        this.#begun = undefined
        this.#begunBytes = 0
      }
      if (part < byteLength) return
    }
  }
}
