/**
 * A pipe into a Node stream, with back pressure: it takes nothing while the stream is not done with
 * what it has.
 *
 * Runs on the thread that reads the relay file. The stream is given views of the live memory:
 * pieces that adjoin, which is all of a sub-buffer, in one write, and they are released in its
 * callback. Never ends or destroys the stream, and listens to it only while a caller waits.
 *
 * ```text
 *             take                  callback without error
 *   [free] ─────────▶ [under way] ─────────────────────────▶ released; the last one: [free]
 *                       │      ▲
 *      callback with    ▼      │ redirect
 *      an error       [failed] ┘        what was not released is not consumed
 * ```
 *
 * A relay file doesn't look at what is under way: spliced again meanwhile, it would hand out the
 * sub-buffer that is still being written. Hence one hand-over at a time, and one write: a stream
 * that fails at a write may go on with those behind it.
 */
import type { Writable } from 'node:stream'
import type { Piece, Pipe } from '@rchan/relay'
import { runOf } from './run.js'

/** Pieces of one hand-over; with pages of 4 KiB a sub-buffer of up to 4 MiB. */
const PIECES_AT_ONCE = 1024

/** How a stream is given pieces. */
export interface StreamPipeOptions {
  /**
   * Gives the stream copies. Needed when it still has the bytes after the callback of their write,
   * as a `PassThrough` and most `Transform`s that hand chunks on do: the writer may overwrite the
   * live memory by then. Files, sockets, pipes, terminals, compression and hashes don't need it.
   * Default: false.
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
  /** Taken, not released, in order. */
  #underWay: Piece[] = []
  #bytes = 0
  #error: Error | undefined
  /** Counts redirections: callbacks of a stream that was left mean nothing any more. */
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
  /** Bytes that the stream has taken: those in pieces that were released. */
  get bytes(): number {
    return this.#bytes
  }
  /**
   * Bytes that the stream was given and has not taken, or failed to take: they are not consumed.
   */
  get underWayBytes(): number {
    return this.#underWay.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  }
  /** Whether `take` would answer 'again'. */
  get isBusy(): boolean {
    return this.#underWay.length > 0 || this.#stream.writableNeedDrain
  }

  /**
   * Gives all pieces to the stream.
   *
   * @returns their bytes; 'again' until the stream has taken the pieces before, or while it asks to
   * wait for 'drain'.
   * @throws what the stream failed with, or Error when it was ended or destroyed: nothing was taken
   * by this call.
   */
  take(pieces: readonly Piece[]): number | 'again' {
    this.#mustTake()
    if (this.isBusy) return 'again'
    // An empty piece stands for padding, and is alone.
    for (const piece of pieces) {
      if (piece.bytes.byteLength > 0) this.#underWay.push(piece)
      else piece.release()
    }
    this.#write()
    return this.underWayBytes
  }

  /**
   * Waits until the stream would take more. Goes on when the stream fails or is closed, too.
   *
   * @throws (the promise) as {@link take} does.
   */
  async idle(): Promise<void> {
    while (this.#error === undefined && this.isBusy) await this.#change()
    this.#mustTake()
  }

  /**
   * Gives what one stream has not taken to another, from its first byte: nothing is lost, but the
   * first one may have passed on a part of it before it failed. The pipe goes on with the other
   * stream.
   *
   * @throws Error when the other was ended or destroyed.
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

  /** Writes the first pieces that are under way. */
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

  /** Until the last piece is released, one failed, or the stream drained, failed or closed. */
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
        // Kept when the stream failed: it emits its error later than it answers the write.
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
