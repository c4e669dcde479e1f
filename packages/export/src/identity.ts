/**
 * Who is who for viewers: process ids, thread ids and names that are unique in what is exported.
 *
 * Node counts its threads from 0 in each process, but viewers know a thread by its id alone, and
 * take the one whose id is the process's for the main thread. So the main thread has the process's
 * id, and another thread {@link TIDS} × (the number of its process + 1) + Node's id: no pid is that
 * large. If two processes of a trace have the same pid, the later one gets a free number.
 */
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'

const TIDS = 10_000_000
/** Processes that have a range of ids, so that they fit into 31 bits. */
const RANGES = 200
const LARGEST = 2 ** 31 - 1

/** A process as viewers know it. */
export interface ProcessIdentity {
  readonly pid: number
  readonly name: string
}

/** A thread as viewers know it. */
export interface ThreadIdentity {
  readonly process: ProcessIdentity
  readonly tid: number
  readonly name: string
}

/** Gives ids and names, each time the same ones. */
export class Identities {
  readonly #processes = new Map<TraceProcess, ProcessIdentity>()
  readonly #threads = new Map<TraceThread, number>()
  readonly #taken = new Set<number>()
  /** Processes whose main thread is known. */
  readonly #mains = new Set<ProcessIdentity>()

  process(process: TraceProcess): ProcessIdentity {
    let known = this.#processes.get(process)
    if (known === undefined) {
      const { pid, env } = process
      const program = env.procname ?? env.program
      const unnamed = pid > 0 ? `process ${pid}` : 'unknown process'
      const name = typeof program === 'string' && program !== '' ? program : unnamed
      known = { pid: this.#free(Number.isInteger(pid) && pid > 0 && pid <= LARGEST ? pid : 1), name }
      this.#processes.set(process, known)
    }
    return known
  }

  thread(thread: TraceThread): ThreadIdentity {
    const process = this.process(thread.process)
    let tid = this.#threads.get(thread)
    if (tid === undefined) {
      const { threadId } = thread
      const isMain = threadId === 0 && !this.#mains.has(process)
      if (isMain) this.#mains.add(process)
      tid = isMain ? process.pid : this.#free(TIDS * ((thread.process.index % RANGES) + 1) + threadId)
      this.#threads.set(thread, tid)
    }
    return { process, tid, name: threadName(thread) }
  }

  /** Returns an id that no process and no thread has. */
  extraTid(thread: TraceThread): number {
    return this.#free(TIDS * ((thread.process.index % RANGES) + 1) + TIDS / 2)
  }

  /** Forgets a thread that is gone. Its id isn't given again. */
  forget(thread: TraceThread): void {
    this.#threads.delete(thread)
  }

  #free(wanted: number): number {
    let id = wanted
    while (this.#taken.has(id)) id = id >= LARGEST ? 1 : id + 1
    this.#taken.add(id)
    return id
  }
}

/** The name of a thread, or one that says who it is. */
export function threadName({ name, threadId }: TraceThread): string {
  return name !== '' ? name : threadId === 0 ? 'main' : `thread ${threadId}`
}
