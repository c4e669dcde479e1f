/**
 * The files that `blktrace` would leave, `NAME.blktrace.CPU`: each CPU's relay file, drained into
 * one on disk.
 *
 * Runs on the file thread, where relay makes files, whichever thread needs one. Owns the relay
 * files and the descriptors.
 */
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { RelayFile, type RelayCallbacks } from 'rchan/relay'

/** More than a sub-buffer: a file is read as far as there is something in it. */
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
  /** For {@link Relay.open}: it adds the CPU to the name. */
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
   * Removes what an earlier run left under this name: blkparse would take it for CPUs of this one.
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
   * Appends what was written so far, also of sub-buffers that are not complete: all of it when
   * nobody writes any more, else what was published or has aged.
   *
   * @returns how many bytes.
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

  /** Lets go of the relay files and closes those on disk. */
  close(): void {
    for (const { relay, fd } of this.#files.splice(0)) {
      relay.release()
      closeSync(fd)
    }
  }
}
