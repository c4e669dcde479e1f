/** A task on the thread that submits it: how far it has come, and what is recorded of that. */
import { nextTaskId, type Pool } from './pool.js'
import { dispatched, task, way } from './task-events.js'

export class SubmittedTask {
  readonly id = nextTaskId()
  /** Undefined if it is not known. */
  readonly pool: Pool | undefined
  #state: 'new' | 'queued' | 'dispatched' | 'handled' = 'new'
  /** Whether a worker is at it. */
  #isBusy = false

  constructor(pool: Pool | undefined) {
    this.pool = pool
    if (pool !== undefined) pool.queued += 1
  }

  get state(): 'new' | 'queued' | 'dispatched' | 'handled' {
    return this.#state
  }

  /** Records that it was submitted. Pools don't tell before that what a task is. */
  begin(name: string, file: string): void {
    this.#state = 'queued'
    task().begin(this.id, { pool: this.pool?.name ?? '', name, file })
    this.pool?.tell()
  }

  /** Records that a worker gets it. */
  dispatch(threadId: number, size: number): void {
    const { id, pool } = this
    this.#state = 'dispatched'
    this.#isBusy = true
    if (pool !== undefined) {
      pool.queued -= 1
      pool.busy += 1
    }
    dispatched()({ id, pool: pool?.name ?? '', threadId, size })
    way().start(id)
    pool?.tell()
  }

  /** Its worker is free for the next one. */
  leaveWorker(): void {
    if (!this.#isBusy) return
    this.#isBusy = false
    if (this.pool !== undefined) this.pool.busy -= 1
  }

  /** Records that its reply was handled, or that it will have none. */
  end(hasFailed: boolean): void {
    const { id, pool } = this
    if (this.#state === 'dispatched') {
      this.leaveWorker()
      way().end(id)
    } else if (pool !== undefined) {
      pool.queued -= 1
    }
    this.#state = 'handled'
    if (hasFailed) task().fail(id)
    else task().end(id)
    pool?.tell()
  }
}
