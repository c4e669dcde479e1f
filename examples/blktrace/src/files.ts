/**
 * Makes the files that `blktrace` would make, `NAME.blktrace.CPU`. Each CPU's relay file is drained
 * into one on disk.
 *
 * Runs on the file thread, because relay makes all files there. Owns the relay files and the
 * descriptors.
 */
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { RelayFile, type RelayCallbacks } from 'rchan/relay'

/** More than a sub-buffer, so that one read takes everything that is there. */
const READ_BYTES = 2 ** 20

interface CpuFile {
  readonly relay: RelayFile
  readonly fd: number
}

/**
 * The files of one channel.
 *
 * @example
 * const files = new BlktraceFiles('out/io')
 * const channel = relay.open({ ...files.names, callbacks: files.callbacks, subbufSize: 16384, subbufCount: 4 })
 * files.drain()
 * files.close()
 */
export class BlktraceFiles {
  /** For {@link Relay.open}, which adds the CPU to the name. */
  readonly names: { readonly baseFilename: string; readonly parent: string }
  /** For {@link Relay.open}. */
  readonly callbacks: RelayCallbacks = {
    createBufFile: (filename, parent, _mode, buffer) => {
      if (filename === undefined) return undefined
      const file = { fd: openSync(join(parent as string, filename), 'w'), relay: new RelayFile(buffer) }
      this.#files.push(file)
      return file
    },
  }
  readonly #files: CpuFile[] = []
  #bytes = 0

  /**
   * Removes the files of an earlier run with this name. blkparse would take them for CPUs of this
   * run.
   */
  constructor(name: string) {
    const parent = dirname(name)
    const baseFilename = `${basename(name)}.blktrace.`
    for (const file of readdirSync(parent)) {
      if (file.startsWith(baseFilename) && /^\d+$/.test(file.slice(baseFilename.length)))
        rmSync(join(parent, file))
    }
    this.names = { baseFilename, parent }
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Appends the records written so far, including those in sub-buffers that are not complete. Once
   * no thread writes any more that is everything; before, it is what was published or has aged.
   *
   * @returns the number of bytes.
   */
  drain(): number {
    const before = this.#bytes
    for (const { relay, fd } of this.#files) {
      const append = (bytes: Uint8Array): boolean => {
        // Straight from the shared memory. A file takes all of it, or fails.
        for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
        this.#bytes += bytes.length
        return true
      }
      while (relay.read(READ_BYTES, append) > 0) {}
    }
    return this.#bytes - before
  }

  /** Releases the relay files and closes the files on disk. */
  close(): void {
    for (const { relay, fd } of this.#files.splice(0)) {
      relay.release()
      closeSync(fd)
    }
  }
}
