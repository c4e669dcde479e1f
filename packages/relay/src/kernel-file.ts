/**
 * A relay file with what only the kernel's system calls have: it may be open without the right to
 * read, and a seek fails. The conformance vectors need it; users open a {@link RelayFile}.
 */
import { RelayFile, type PollState } from './file.js'
import type { RelayBuffer } from './relay-buffer.js'

/** A relay file as a system call opens it. */
export class KernelFile extends RelayFile {
  readonly #isReadable: boolean

  /** @param isReadable whether it was opened for reading; else `poll` tells only of a close. */
  constructor(buffer: RelayBuffer, isReadable: boolean) {
    super(buffer)
    this.#isReadable = isReadable
  }

  override poll(wake?: () => void): PollState {
    const found = super.poll(this.#isReadable ? wake : undefined)
    return found === 'readable' && !this.#isReadable ? 'nothing' : found
  }

  /** A relay file can't be sought. @throws always. */
  seek(offset: number): never {
    throw new Error(`a relay file can't be sought, offset=${offset}`)
  }
}
