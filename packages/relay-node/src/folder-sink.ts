/**
 * A sink that writes a folder: one file for each buffer, which holds its bytes in order. It runs on
 * the consumer thread.
 *
 * A file only grows. A write that fails half-way is taken back, so that whoever delivers the bytes
 * again goes on at the right place.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { SinkModule, SinkSubbuf } from './sink.js'

/** What a folder sink is made with. */
export interface FolderInit {
  readonly dir: string
  /** Files are named by this and the CPU. */
  readonly baseFilename: string
  /** The CPUs whose files are made at once. */
  readonly cpus: readonly number[]
}

interface OpenFile {
  readonly fd: number
  readonly path: string
  bytes: number
}

/** The files of one channel. */
export class FolderSink implements SinkModule {
  readonly #init: FolderInit
  readonly #files = new Map<number, OpenFile>()
  /** Folders that were made here, the innermost first. */
  readonly #madeFolders: string[] = []

  constructor(init: FolderInit) {
    this.#init = init
  }

  /** Makes the folder and the files. @throws the system's error; then nothing is left of them. */
  start(): void {
    try {
      this.#makeFolder()
      for (const cpu of this.#init.cpus) this.#open(cpu)
    } catch (error) {
      this.#undo()
      throw error
    }
  }

  write({ cpu, bytes }: SinkSubbuf): void {
    const file = this.#files.get(cpu) ?? this.#open(cpu)
    let written = 0
    try {
      while (written < bytes.length)
        written += writeSync(file.fd, bytes, written, bytes.length - written, file.bytes + written)
    } catch (error) {
      if (written > 0) ftruncateSync(file.fd, file.bytes)
      throw error
    }
    file.bytes += written
  }

  end(): void {
    for (const { fd } of this.#files.values()) closeSync(fd)
    this.#files.clear()
  }

  #makeFolder(): void {
    const missing: string[] = []
    for (let path = this.#init.dir; !existsSync(path); path = dirname(path)) missing.unshift(path)
    // Not `recursive`: with it Node loops for ever if a parent exists but takes no folder (as in
    // /proc).
    for (const path of missing) {
      mkdirSync(path)
      this.#madeFolders.unshift(path)
    }
  }

  #open(cpu: number): OpenFile {
    const path = join(this.#init.dir, `${this.#init.baseFilename}${cpu}`)
    const file = { fd: openSync(path, 'wx'), path, bytes: 0 }
    this.#files.set(cpu, file)
    return file
  }

  #undo(): void {
    for (const { fd, path } of this.#files.values()) {
      closeSync(fd)
      unlinkSync(path)
    }
    for (const folder of this.#madeFolders) {
      try {
        rmdirSync(folder)
      } catch {
        // Something else was put there meanwhile.
      }
    }
  }
}
