/**
 * The door of a flight recording: takes requests of other processes of the same user. Runs on the
 * consumer thread, so it also opens when the main thread hangs. It uses files, and no socket,
 * because this thread has no event loop; `registration.ts` says which.
 *
 * Everything that is read here was written by a process of the same user. It is bounded all the
 * same, and used as text for people only.
 */
import type { Machine } from './machine.js'
import { PrivateFolder } from './private-folder.js'
import { reasonOf } from './reason.js'
import { answerName, FILES, REQUEST_BYTES, registeredIn, requestId, type Answer } from './registration.js'
import { causeOf, type SnapshotCause } from './trigger.js'
import type { Watch } from './watch.js'

/** How often to look for requests, in milliseconds. A look takes 10 µs. */
const LOOK_MS = 100
/** How often to try to get a place again, after something has removed it. */
const RETRY_MS = 5000
/** The most requests served in one look. */
const MOST_SERVED = 8
/** How long an answer stays that nobody takes. */
const ANSWER_MS = 60_000

/** Where a recording registers. */
export interface DoorOptions {
  /** Folders to register in: the first that can be used. Each is made if it is not there. */
  readonly folders: readonly string[]
  /** The name of the recording's own folder there. */
  readonly name: string
}

export class Door implements Watch {
  dueAt = 0
  readonly #options: DoorOptions
  readonly #machine: Machine
  readonly #take: (cause: SnapshotCause) => string
  #folder: PrivateFolder | undefined
  /** The latest answers, and when they are removed if they are still there; the oldest first. */
  readonly #answers = new Map<string, number>()

  /**
   * Registers.
   *
   * @param take takes a snapshot, and returns its folder; throws when it can't.
   * @throws Error when no folder can be used; it names them.
   */
  constructor(options: DoorOptions, machine: Machine, take: (cause: SnapshotCause) => string) {
    this.#options = options
    this.#machine = machine
    this.#take = take
    this.#folder = register(options)
  }

  look(now: number): void {
    this.dueAt = now + LOOK_MS
    const wasOpen = this.#folder !== undefined
    let names: string[]
    try {
      // Programs that clean temporary folders remove what is old.
      this.#folder ??= register(this.#options)
      names = this.#folder.names()
    } catch {
      // At once only where that may help: a new folder that can't be read won't be in a moment.
      this.dueAt = now + (wasOpen ? 0 : RETRY_MS)
      this.#folder = undefined
      return
    }
    const ids = names.map(requestId).filter((id) => id !== undefined)
    for (const id of ids.slice(0, MOST_SERVED)) this.#serve(this.#folder, id)
    if (ids.length > MOST_SERVED) this.dueAt = now
    for (const [name, until] of this.#answers) {
      if (now < until) break
      this.#folder.remove(name)
      this.#answers.delete(name)
    }
  }

  close(): void {
    this.#folder?.removeAll(FILES)
    this.#folder = undefined
  }

  #serve(folder: PrivateFolder, id: string): void {
    try {
      const name = `request-${id}`
      const text = folder.read(name, REQUEST_BYTES) ?? ''
      // An asker that gave up has removed it. One that can't be removed would be served for ever.
      if (!folder.remove(name)) return
      const answer = answerName(id)
      folder.write(answer, JSON.stringify(this.#answer(text)))
      this.#answers.set(answer, this.#machine.now() + ANSWER_MS)
    } catch {
      // The asker is told by its patience.
    }
  }

  #answer(reason: string): Answer {
    try {
      return { path: this.#take(causeOf('request', reason === '' ? 'asked for by another process' : reason)) }
    } catch (error) {
      return { error: reasonOf(error) }
    }
  }
}

function register({ folders, name }: DoorOptions): PrivateFolder {
  const problems: string[] = []
  for (const path of folders) {
    try {
      const registry = PrivateFolder.make(path)
      // What ended processes left.
      registeredIn(registry)
      return registry.makeFolder(name)
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  throw new Error(`no folder for requests of other processes: ${problems.join('; ')}`)
}
