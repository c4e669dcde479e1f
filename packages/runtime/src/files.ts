/**
 * Relay files on disk: one for each CPU, which only grow, by whole packets. Runs on the consumer thread.
 *
 * Never leaves half a packet behind: what could be written only in part is cut off again.
 */
import { closeSync, ftruncateSync, openSync, writevSync } from 'node:fs'

/** A file for its owner alone. */
const FILE_MODE = 0o600

/** The file of one CPU. */
export class RelayFile {
  readonly path: string
  readonly #fd: number
  /** Bytes of whole packets in it. */
  #wholeBytes = 0
  /** Whether there may be something behind them. */
  #dirty = false

  /** Makes the file. @throws the error of the file system; an existing file is one (EEXIST). */
  constructor(path: string) {
    this.path = path
    this.#fd = openSync(path, 'wx', FILE_MODE)
  }

  get bytes(): number {
    return this.#wholeBytes
  }

  /**
   * Appends one packet, given as pieces, from wherever they stand: shared memory is not copied on the way.
   *
   * @throws the error of the file system; then the file ends where it ended before.
   */
  append(pieces: readonly Uint8Array[]): void {
    let rest = pieces.filter((piece) => piece.byteLength > 0)
    let at = this.#wholeBytes
    this.#dirty = true
    try {
      while (rest.length > 0) {
        const written = writevSync(this.#fd, rest, at)
        at += written
        rest = after(rest, written)
      }
    } catch (error) {
      this.#cut()
      throw error
    }
    this.#wholeBytes = at
    this.#dirty = false
  }

  close(): void {
    if (this.#dirty) this.#cut()
    closeSync(this.#fd)
  }

  #cut(): void {
    try {
      ftruncateSync(this.#fd, this.#wholeBytes)
      this.#dirty = false
    } catch {
      // Tried again at the next append, which starts at the same place, or at close.
    }
  }
}

/** What is left of the pieces behind the first `bytes` bytes. */
function after(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const rest: Uint8Array[] = []
  for (const piece of pieces) {
    if (skip >= piece.byteLength) {
      skip -= piece.byteLength
    } else {
      rest.push(piece.subarray(skip))
      skip = 0
    }
  }
  return rest
}
