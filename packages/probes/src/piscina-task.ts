/** Tasks of piscina and tinypool on the thread that submits them. */
import { taskName, type TaskEnvelope } from './envelope.js'
import type { Pool } from './pool.js'
import { SubmittedTask } from './submitted-task.js'

/** The property of a task's own object in its pool that holds what this probe knows of it. */
const KNOWN = Symbol('rchan task')

/** A task's own object in its pool. Its properties are there only when it has been constructed. */
export interface TaskInfo {
  [KNOWN]?: PiscinaTask
  readonly taskId?: number
  readonly filename?: string
  readonly name?: string
  readonly abortSignal?: unknown
}

export class PiscinaTask extends SubmittedTask {
  readonly info: TaskInfo
  /** The next one in the same list. */
  next: PiscinaTask | undefined
  #forgetSignal: (() => void) | undefined

  constructor(info: TaskInfo, pool: Pool | undefined) {
    super(pool)
    this.info = info
    info[KNOWN] = this
  }

  static of(info: TaskInfo): PiscinaTask | undefined {
    return info[KNOWN]
  }

  /** The pool's number for it. */
  get number(): number {
    return this.info.taskId ?? -1
  }

  get isAborted(): boolean {
    const { abortSignal } = this.info
    return isSignal(abortSignal) && abortSignal.aborted
  }

  /** Records that it was submitted. */
  tell(): void {
    const { filename = '', name = 'default' } = this.info
    this.begin(taskName(filename, name), filename)
  }

  /**
   * Calls back when it is aborted, which its pool does not tell of.
   *
   * @returns whether it can be aborted.
   */
  onAbort(callback: (reason: unknown) => void): boolean {
    const { abortSignal } = this.info
    if (!isSignal(abortSignal)) return false
    const listener = (): void => callback(abortSignal.reason ?? 'aborted')
    abortSignal.addEventListener('abort', listener, { once: true })
    this.#forgetSignal = () => abortSignal.removeEventListener('abort', listener)
    return true
  }

  /** Takes that back. @returns whether there was something to take back. */
  forgetSignal(): boolean {
    if (this.#forgetSignal === undefined) return false
    this.#forgetSignal()
    this.#forgetSignal = undefined
    return true
  }
}

/** Most tasks have none. */
function isSignal(value: unknown): value is AbortSignal {
  return value !== null && value !== undefined && value instanceof AbortSignal
}

/** Tasks in the order in which they were made. */
export class TaskList {
  #first: PiscinaTask | undefined
  #last: PiscinaTask | undefined

  get last(): PiscinaTask | undefined {
    return this.#last
  }

  push(one: PiscinaTask): void {
    if (this.#last === undefined) this.#first = one
    else this.#last.next = one
    this.#last = one
  }

  /** Empties the list. @returns the first one; the others follow by `next`. */
  takeAll(): PiscinaTask | undefined {
    const first = this.#first
    this.#first = this.#last = undefined
    return first
  }
}

/** Tasks that no worker has yet. Pools number their tasks, each for itself. */
export class WaitingTasks {
  /** By their numbers; those with the same one follow by `next`. */
  readonly #byNumber = new Map<number, PiscinaTask>()

  add(one: PiscinaTask): void {
    const { number } = one
    one.next = this.#byNumber.get(number)
    this.#byNumber.set(number, one)
  }

  /** Finds the task that a message carries: in several pools, the one with its file. */
  carriedBy({ taskId, filename }: TaskEnvelope): PiscinaTask | undefined {
    const first = this.#byNumber.get(taskId)
    let one = first
    while (one !== undefined && one.info.filename !== filename) one = one.next
    return one ?? first
  }

  remove(one: PiscinaTask): void {
    const { number, next } = one
    one.next = undefined
    let before = this.#byNumber.get(number)
    if (before === one) {
      if (next === undefined) this.#byNumber.delete(number)
      else this.#byNumber.set(number, next)
      return
    }
    while (before !== undefined && before.next !== one) before = before.next
    if (before !== undefined) before.next = next
  }
}
