/**
 * The sink that writes a folder. A stream is one or more files (`stream-file.ts`). A document is a
 * file that is replaced by rename, so that a reader finds it whole at any time. Runs on the
 * consumer thread.
 */
import { closeSync, renameSync, writeFileSync } from 'node:fs'
import { isSame, OpenFolder, removeDraft, stateOfDescriptor, type FileState } from './folder.js'
import type { Sink, SinkStream } from './sink.js'
import { StreamFile } from './stream-file.js'

/** Writes the folder at a path, which must exist. @throws the error of the file system. */
export class FileSink implements Sink {
  readonly #folder: OpenFolder
  /** The documents that we wrote, by name. */
  readonly #documents = new Map<string, FileState>()
  readonly #streams: StreamFile[] = []

  constructor(path: string) {
    this.#folder = new OpenFolder(path)
  }

  stream(name: string): SinkStream {
    const stream = new StreamFile(this.#folder, name)
    this.#streams.push(stream)
    return stream
  }

  document(name: string, text: string): void {
    const { fd, path } = this.#folder.draft(name)
    try {
      let state: FileState
      try {
        writeFileSync(fd, text)
        state = stateOfDescriptor(fd)
      } finally {
        closeSync(fd)
      }
      renameSync(path, this.#folder.at(name))
      this.#documents.set(name, state)
    } catch (error) {
      removeDraft(path)
      throw error
    }
  }

  /**
   * The problem if the folder, or a document in it, is no longer ours; undefined if there is none.
   */
  problem(): string | undefined {
    const problem = this.#folder.problem()
    if (problem !== undefined) return problem
    for (const [name, state] of this.#documents) {
      const path = `${this.#folder.path}/${name}`
      const found = this.#folder.find(name)
      if (found === undefined)
        return `${path} was removed while it was recorded into: nobody can read the trace`
      if (!isSame(found, state) || found.bytes !== state.bytes)
        return `${path} was changed by somebody else while it was recorded into: the trace can't be relied on`
    }
    return undefined
  }

  /**
   * Closes the folder, and the streams that a failed consumer left open. Node does not close them
   * with the thread, so each recording would leave descriptors behind in the process.
   */
  close(): void {
    for (const stream of this.#streams) stream.release()
    this.#folder.close()
  }
}
