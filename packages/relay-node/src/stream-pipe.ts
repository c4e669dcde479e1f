/**
 * A pipe into a Node stream, with back pressure: it takes nothing while the stream is busy with
 * earlier bytes.
 *
 * It runs on the thread that reads the relay file. It gives the stream views of the live memory.
 * Adjoining pieces, such as all pieces of a sub-buffer, go in one write, and its callback releases
 * them. The pipe never ends or destroys the stream, and listens to it only while a caller waits.
 *
 * ```text
 *             take                  callback without error
 *   [free] ─────────▶ [under way] ─────────────────────────▶ released; the last one: [free]
 *                       │      ▲
 *      callback with    ▼      │ redirect
 *      an error       [failed] ┘        what was not released is not consumed
 * ```
 *
 * A relay file doesn't know which pieces are under way: spliced again meanwhile, it would hand out
 * the sub-buffer that is still being written. So there is one hand-over at a time. There is also
 * one write at a time, because a stream that fails at a write may go on with the writes behind it.
 */
import type { Writable } from 'node:stream'
import type { Piece, Pipe } from '@rchan/relay'
import { runOf } from './run.js'

/** Pieces of one hand-over. With pages of 4 KiB this is enough for a sub-buffer of 4 MiB. */
const PIECES_AT_ONCE = 1024

/** How a pipe gives pieces to its stream. */
export interface StreamPipeOptions {
  /**
   * Gives the stream copies. Needed for a stream that still has the bytes after the callback of
   * their write, as a `PassThrough` and most `Transform`s that hand on chunks do: the writer may
   * overwrite the live memory by then. Files, sockets, pipes, terminals, compression and hashes
   * don't need it. Default: false.
   */
  readonly copy?: boolean
}

/**
 * Writes pieces to a Node stream.
 *
 * @example
 * const pipe = new StreamPipe(socket)
 * file.splice(pipe, 65536, true) // 'again': nothing complete, or the stream is not done
 * await pipe.idle()
 */
export class StreamPipe implements Pipe {
  readonly capacity = PIECES_AT_ONCE
  readonly #copy: boolean
  #stream: Writable
  /** Pieces taken and not released, in order. */
  #underWay: Piece[] = []
  #bytes = 0
  #error: Error | undefined
  /** Counts redirections, because callbacks of an earlier stream no longer matter. */
  #turn = 0
  #waiting: (() => void)[] = []

  constructor(stream: Writable, { copy = false }: StreamPipeOptions = {}) {
    this.#stream = stream
    this.#copy = copy
  }

  /** Where the bytes go. */
  get stream(): Writable {
    return this.#stream
  }
  /** Bytes that the stream has taken, which are the bytes of released pieces. */
  get bytes(): number {
    return this.#bytes
  }
  /** Bytes given to the stream that it has not taken, or failed to take. They are not consumed. */
  get underWayBytes(): number {
    return this.#underWay.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  }
  /** Whether `take` would return 'again'. */
  get isBusy(): boolean {
    return this.#underWay.length > 0 || this.#stream.writableNeedDrain
  }

  /**
   * Gives all pieces to the stream.
   *
   * @returns the number of bytes in them; 'again' until the stream has taken the earlier pieces, or
   * while it asks to wait for 'drain'.
   * @throws the stream's error, or Error when it was ended or destroyed: this call took nothing.
   */
  take(pieces: readonly Piece[]): number | 'again' {
    this.#mustTake()
    if (this.isBusy) return 'again'
    // An empty piece stands for padding, and comes alone.
    for (const piece of pieces) {
      if (piece.bytes.byteLength > 0) this.#underWay.push(piece)
      else piece.release()
    }
    this.#write()
    return this.underWayBytes
  }

  /**
   * Waits until the stream would take more. The wait also ends when the stream fails or is closed.
   *
   * @throws (the promise) as {@link take} does.
   */
  async idle(): Promise<void> {
    while (this.#error === undefined && this.isBusy) await this.#change()
    this.#mustTake()
  }

  /**
   * Replaces the stream. The new stream gets all pieces that the old one has not taken, from their
   * first byte. Nothing is lost, but the old stream may have passed on a part of them before it
   * failed.
   *
   * @throws Error when the new stream was ended or destroyed.
   */
  redirect(stream: Writable): void {
    if (!stream.writable) throw streamError(stream)
    this.#turn += 1
    this.#stream = stream
    this.#error = undefined
    this.#write()
    this.#wake()
  }

  #mustTake(): void {
    if (this.#error !== undefined) throw this.#error
    if (!this.#stream.writable) throw streamError(this.#stream)
  }

  /** Writes the first run of pieces under way. */
  #write(): void {
    if (this.#underWay.length === 0) return
    const turn = this.#turn
    const { bytes, count } = runOf(this.#underWay, 0)
    this.#stream.write(this.#copy ? bytes.slice() : bytes, (error) => this.#written(turn, count, error))
  }

  #written(turn: number, count: number, error: Error | null | undefined): void {
    if (turn !== this.#turn || this.#error !== undefined) return
    if (error === null || error === undefined) {
      for (const piece of this.#underWay.splice(0, count)) {
        this.#bytes += piece.bytes.byteLength
        piece.release()
      }
      this.#write()
      if (this.#underWay.length > 0) return
    } else {
      this.#error = error
    }
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /**
   * Waits until the last piece is released, a write failed, or the stream drained, failed or
   * closed.
   */
  #change(): Promise<void> {
    const stream = this.#stream
    return new Promise((resolve) => {
      const ended = (error?: Error): void => {
        // A write that was under way when the stream closed may never be answered.
        this.#error ??= error ?? stream.errored ?? streamError(stream)
        done()
      }
      const done = (): void => {
        stream.off('drain', done).off('close', ended)
        // Keep the error listener when a write failed: the stream emits its error after it answers
        // the write.
        if (this.#error === undefined) stream.off('error', ended)
        resolve()
      }
      if (stream.destroyed) {
        ended()
        return
      }
      stream.on('drain', done).on('close', ended).on('error', ended)
      this.#waiting.push(done)
    })
  }
}

function streamError(stream: Writable): Error {
  return stream.errored ?? new Error(`the stream was ${stream.destroyed ? 'destroyed' : 'ended'}`)
}
