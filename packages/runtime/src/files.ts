/**
 * Relay files on disk: one for each CPU, which only grow, by whole packets. Runs on the consumer thread.
 *
 * Never leaves half a packet behind: what could be written only in part is cut off again.
 */
import { closeSync, fchmodSync, fstatSync, ftruncateSync, openSync, writevSync } from 'node:fs'

/** A file for its owner alone. */
const FILE_MODE = 0o600

/** The file of one CPU. */
export class RelayFile {
  readonly path: string
  readonly #fd: number
  /** Bytes of whole packets in it. */
  #wholeBytes = 0
  /** Whether there may be something behind them that could not be cut off yet. */
  #dirty = false

  /** Makes the file. @throws the error of the file system; an existing file is one (EEXIST). */
  constructor(path: string) {
    this.path = path
    this.#fd = openSync(path, 'wx', FILE_MODE)
    // A strict umask takes rights of its owner away.
    if ((fstatSync(this.#fd).mode & FILE_MODE) !== FILE_MODE) fchmodSync(this.#fd, FILE_MODE)
  }

  get bytes(): number {
    return this.#wholeBytes
  }

  /**
   * Appends one packet, given as pieces, from wherever they stand: shared memory is not copied on the way.
   *
   * @throws the error of the file system; then the file ends where it ended before, or will when that can be done.
   */
  append(pieces: readonly Uint8Array[]): void {
    let rest = pieces.filter((piece) => piece.byteLength > 0)
    let at = this.#wholeBytes
    // A shorter packet would not cover what is left of a longer one.
    if (this.#dirty) this.#cut()
    try {
      while (rest.length > 0) {
        const written = writevSync(this.#fd, rest, at)
        if (written <= 0) throw new Error(`no bytes of a packet could be written to ${this.path}`)
        at += written
        rest = after(rest, written)
      }
    } catch (error) {
      this.#dirty = true
      try {
        this.#cut()
      } catch {
        // Tried again at the next append, or at close. The first error matters more.
      }
      throw error
    }
    this.#wholeBytes = at
  }

  /**
   * Ends the file.
   *
   * @returns whether it is still there; not when it was removed meanwhile, so that nobody will find what was written.
   * @throws the error of the file system. It is closed all the same.
   */
  close(): boolean {
    try {
      if (this.#dirty) this.#cut()
      return fstatSync(this.#fd).nlink > 0
    } finally {
      closeSync(this.#fd)
    }
  }

  #cut(): void {
    ftruncateSync(this.#fd, this.#wholeBytes)
    this.#dirty = false
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
