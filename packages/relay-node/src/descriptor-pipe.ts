/**
 * A pipe into a file descriptor. `writev` hands pieces of a relay file from the shared memory
 * itself to the system.
 *
 * It runs on the thread that reads the relay file. It never copies a byte in JavaScript, and never
 * closes the descriptor.
 *
 * ```text
 *   pieces   |  0  |  1  |  2  |       writev takes a part:
 *   taken    ===========▶              the position of the file moves by exactly this
 *   released |  0  |                   and this is consumed; piece 1 is when the rest of it is taken
 * ```
 *
 * The file hands out the rest of a begun piece as a new piece. The pipe then releases the begun
 * piece, not the new one: its release counts for both. So no byte is lost or written twice, and
 * consumption lags by less than a page.
 */
import { writevSync } from 'node:fs'
import type { Piece, Pipe } from '@rchan/relay'
import { runOf } from './run.js'

/** Enough for a sub-buffer of up to 4 MiB in one system call. */
const PIECES_AT_ONCE = 1024

/**
 * Writes pieces to the file descriptor of a file, a pipe, a socket or a terminal.
 *
 * Use one pipe for one relay file. After a short write the pipe must get the rest of the piece; it
 * checks this.
 *
 * @example
 * const pipe = new DescriptorPipe(fs.openSync('cpu0', 'w'))
 * const bytes = file.splice(pipe, 65536) // 0: nothing complete; 'again': the descriptor would block
 */
export class DescriptorPipe implements Pipe {
  readonly capacity = PIECES_AT_ONCE
  /**
   * Where the bytes go. It may be changed between calls: the new descriptor gets the first byte
   * that was not taken yet.
   */
  fd: number
  #bytes = 0
  /** A piece of which only `#begunBytes` bytes were taken. */
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
   * Bytes taken but not consumed yet, which are part of a piece; 0 if the last write took all its
   * bytes.
   */
  get begunBytes(): number {
    return this.#begunBytes
  }

  /**
   * Writes the pieces with one system call, and releases the pieces that are written completely.
   *
   * @returns bytes written; 'again' if the descriptor would block (EAGAIN); 'interrupted' (EINTR).
   * @throws the system's error, for example ENOSPC, EPIPE or EBADF: this call took nothing, and it
   * can be tried again; Error when the first piece is not the rest of the begun one.
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
   * The views to write: all pieces. If the first is the rest of a begun piece, no more than that
   * rest.
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
      // A longer rest (a `length` had cut the begun piece) would count in neither of the two
      // pieces.
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
      // An empty piece stands for padding. It is passed once all bytes before it are taken.
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
