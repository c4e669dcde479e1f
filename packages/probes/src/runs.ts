/** Tasks as a worker runs them, by the envelopes that pass through its ports. */
import { performance } from 'node:perf_hooks'
import type { MessagePort } from 'node:worker_threads'
import { callIn, replyIn, type CallFormat } from './calls.js'
import { numberIn, SORT, taskName, type ReplyEnvelope, type Sort, type TaskEnvelope } from './envelope.js'
import { tellSums } from './gc.js'
import { tellMemoryIfDue } from './memory.js'
import { readSince, type PortTap } from './ports.js'
import type { ProbeContext } from './probe.js'
import { kernelThreadId, Schedstat } from './schedstat.js'
import { replied, run, way } from './task-events.js'

// As it is now: the program may replace it. It makes no bigint.
const nowMs = performance.now.bind(performance)

/** How long the reading at the end of a task counts for the start of the next one, in ms. */
const RECENT_MS = 0.5
/**
 * Of shorter tasks nothing is read: a reading would cost them more than 0.3 %, and the kernel's
 * time on a CPU lags by a tick.
 */
const LONG_MS = 2
const NS_PER_MS = 1e6
/** No small integer: so V8 never changes the form of objects that have figures of the kernel. */
const NOT_READ = NaN

/** A task that this thread runs. */
interface Run {
  readonly id: number
  /** Its port, and what its reply has, too. */
  readonly port: MessagePort
  readonly key: unknown
  readonly token: ReturnType<ReturnType<typeof run>['begin']>
  readonly name: string
  /** When it began, in ms. */
  readonly start: number
  /** How long reading its message took, in ns. */
  readonly read: number
  /** The kernel's account of this thread at that time, in ns; `NOT_READ` if it was not read. */
  readonly onCpu: number
  readonly waitingForCpu: number
}

/** Watches the tasks that the calling thread runs. */
export class TaskRuns implements PortTap {
  readonly #context: ProbeContext
  readonly #formats: readonly CallFormat[]
  readonly #open = new OpenRuns()
  readonly #account = new TaskAccount()
  /** The reply that is being posted: one at a time. */
  #leaving: { readonly message: unknown; readonly id: number; readonly start: number } | undefined

  constructor(context: ProbeContext, formats: readonly CallFormat[]) {
    this.#context = context
    this.#formats = formats
  }

  receiving(port: MessagePort, message: unknown, sort: Sort, ports: readonly unknown[] | undefined): void {
    if (typeof message !== 'object' || message === null) return
    try {
      this.#begin(port, message, sort, ports === undefined)
    } catch (error) {
      this.#context.fail(error)
    }
  }

  posting(port: MessagePort, message: unknown, sort: Sort): void {
    if (this.#open.isEmpty) return
    if (typeof message !== 'object' || message === null) return
    try {
      this.#finish(port, message, sort)
    } catch (error) {
      this.#context.fail(error)
    }
  }

  posted(_port: MessagePort, message: unknown): void {
    if (this.#leaving === undefined || this.#leaving.message !== message) return
    const { id, start } = this.#leaving
    this.#leaving = undefined
    const serializeNs = Math.round((nowMs() - start) * NS_PER_MS)
    replied()({ id, serializeNs })
  }

  notPosted(): void {
    this.#leaving = undefined
  }

  end(): void {
    this.#account.close()
  }

  #begin(port: MessagePort, message: object, sort: Sort, isTaken: boolean): void {
    const id = numberIn(message)
    if (id === undefined) return
    let name = ''
    let key: unknown
    if (sort === SORT.task) {
      const envelope = message as TaskEnvelope
      name = taskName(envelope.filename, envelope.name)
      key = envelope.taskId
    } else {
      const call = callIn(this.#formats, message)?.call
      name = call?.name ?? ''
      key = call?.key
    }
    const start = nowMs()
    const read = isTaken ? Math.round((start - readSince()) * NS_PER_MS) : 0
    const account = this.#account
    account.atStart(start)
    // Else the first task's span would have in it how long that takes.
    way().prepare()
    const token = run().begin()
    // In the span, so that viewers bind the arrow to it.
    way().step(id)
    // One that never had its reply.
    this.#open.take(port, key)
    const { onCpu, waitingForCpu } = account
    this.#open.push({ id, port, key, token, name, start, read, onCpu, waitingForCpu })
  }

  #finish(port: MessagePort, message: object, sort: Sort): void {
    let key: unknown
    let hasFailed: boolean
    if (sort === SORT.reply) {
      const { taskId, error } = message as ReplyEnvelope
      key = taskId
      hasFailed = error !== undefined && error !== null
    } else {
      const reply = replyIn(this.#formats, message)
      if (reply === undefined) return
      key = reply.key
      hasFailed = reply.hasFailed
    }
    const one = this.#open.take(port, key)
    if (one === undefined) return
    const end = nowMs()
    const account = this.#account
    account.atEnd(end - one.start)
    const fields = {
      id: one.id,
      name: one.name,
      onCpu: known(account.onCpu - one.onCpu),
      waitingForCpu: known(account.waitingForCpu - one.waitingForCpu),
      read: one.read,
    }
    if (hasFailed) run().fail(one.token, fields)
    else run().end(one.token, fields)
    tellSums(this.#context, end)
    tellMemoryIfDue(end)
    this.#leaving = { message, id: one.id, start: nowMs() }
  }
}

/** The tasks that have begun. In most threads there is one at a time. */
class OpenRuns {
  /** The newest, if it still runs, and those before it. */
  #newest: Run | undefined
  readonly #others: Run[] = []

  get isEmpty(): boolean {
    return this.#newest === undefined && this.#others.length === 0
  }

  push(one: Run): void {
    if (this.#newest !== undefined) this.#others.push(this.#newest)
    this.#newest = one
  }

  take(port: MessagePort, key: unknown): Run | undefined {
    const one = this.#newest
    if (one !== undefined && one.port === port && one.key === key) {
      this.#newest = undefined
      return one
    }
    if (this.#others.length === 0) return undefined
    const index = this.#others.findIndex((each) => each.port === port && each.key === key)
    return index < 0 ? undefined : this.#others.splice(index, 1)[0]
  }
}

/** A figure of a task; 0 if its start or its end was not read. */
function known(figure: number): number {
  return Number.isNaN(figure) ? 0 : figure
}

/** The kernel's account of this thread, read where tasks start and end. */
class TaskAccount {
  #schedstat: Schedstat | undefined
  #isOpened = false
  /** When it was read at the end of the last task, in ms. */
  #readAt = -Infinity
  /** Whether the last task was long enough for readings to tell something, and to cost nothing. */
  #areLong = true
  /** As it was read last, in ns; `NOT_READ` at the start or the end of a short task. */
  onCpu = NOT_READ
  waitingForCpu = NOT_READ

  /**
   * The one at the end of the last task will do, if it is recent: in between the worker has waited
   * for a message, and nothing else.
   */
  atStart(time: number): void {
    if (this.#areLong && time - this.#readAt >= RECENT_MS) this.#read()
  }

  atEnd(duration: number): void {
    this.#areLong = duration >= LONG_MS
    if (this.#areLong) {
      this.#read()
      this.#readAt = nowMs()
    } else this.#forget()
  }

  close(): void {
    this.#schedstat?.close()
  }

  /** A reading takes the thread 1 to 7 µs. */
  #read(): void {
    if (!this.#isOpened) {
      this.#isOpened = true
      const tid = kernelThreadId()
      if (tid !== 0) this.#schedstat = Schedstat.open(tid)
    }
    const account = this.#schedstat
    if (account?.read() !== true) return this.#forget()
    this.onCpu = account.onCpu
    this.waitingForCpu = account.waitingForCpu
  }

  #forget(): void {
    this.#readAt = -Infinity
    this.onCpu = this.waitingForCpu = NOT_READ
  }
}
