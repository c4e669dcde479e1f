/**
 * Pools whose tasks are calls of a function by its name, as the thread sees them that submits.
 *
 * Each library has a file of its own. It sees a task as it is submitted, and says by what its
 * message is known: the arguments themselves, or the time. The tracker follows it from there.
 */
import type { MessagePort } from 'node:worker_threads'
import { callIn, replyIn, type Call, type CallFormat } from './calls.js'
import { numberIn, setNumber, type Sort } from './envelope.js'
import { Patches } from './patches.js'
import type { Pool } from './pool.js'
import type { PortPeers } from './port-peers.js'
import { attempt, type ProbeContext } from './probe.js'
import type { PortTap } from './ports.js'
import { SubmittedTask } from './submitted-task.js'
import { tellArguments } from './task-arguments.js'
import { sizeOf } from './task-size.js'

/** Messages to child processes transfer nothing. */
const NOTHING: readonly unknown[] = []

/** A library whose tasks are calls. */
export interface CallLibrary extends CallFormat {
  /** Sees the tasks that the calling thread submits, as long as the tracker lasts. */
  watch(tracker: CallTracker): void
}

/** A task that is a call. */
export class CallTask extends SubmittedTask {
  readonly kind: string
  /** Whether a call of its library is this one. */
  readonly isCarriedBy: (call: Call) => boolean
  /** Empty if only its message tells it. */
  name: string
  /** That it is about, if it says so. */
  readonly file: string
  /** As its reply says. */
  hasFailed = false

  constructor(pool: Pool, kind: string, name: string, isCarriedBy: (call: Call) => boolean, file = '') {
    super(pool)
    this.kind = kind
    this.name = name
    this.file = file
    this.isCarriedBy = isCarriedBy
  }
}

export class CallTracker implements PortTap {
  /** What libraries have replaced. */
  readonly patches = new Patches()
  readonly #context: ProbeContext
  readonly #peers: PortPeers
  readonly #libraries: readonly CallLibrary[]
  /** Tasks that no worker has yet, in the order of their submission. */
  readonly #waiting: CallTask[] = []
  /** Tasks that workers have, by what their replies will have. */
  readonly #flights = new WeakMap<MessagePort, Map<unknown, CallTask>>()
  #hasFlights = false

  constructor(context: ProbeContext, peers: PortPeers, libraries: readonly CallLibrary[]) {
    this.#context = context
    this.#peers = peers
    this.#libraries = libraries
    for (const library of libraries) library.watch(this)
  }

  /** Runs a part of a library's watch. Its errors are not the program's. */
  attempt(action: () => void): void {
    attempt(this.#context, action)
  }

  /** Follows a task that was submitted. */
  submit(one: CallTask): void {
    this.#waiting.push(one)
  }

  /** Tells of a task, unless that was done. */
  tell(one: CallTask): void {
    if (one.state === 'new') one.begin(one.name, one.file)
  }

  /**
   * Calls the pool's method that submits a task. It may dispatch the task before it returns.
   *
   * @param make makes the task.
   */
  submitting<T>(make: () => CallTask, call: () => T): { result: T; one: CallTask | undefined } {
    let one: CallTask | undefined
    this.attempt(() => {
      this.submit((one = make()))
      this.tell(one)
    })
    try {
      return { result: call(), one }
    } catch (error) {
      this.attempt(() => {
        if (one !== undefined) this.handle(one, true)
      })
      throw error
    }
  }

  /** The program has the result of a task. */
  handle(one: CallTask, hasFailed: boolean): void {
    if (one.state === 'handled') return
    this.tell(one)
    if (one.state === 'queued') this.#leaveQueue(one)
    one.end(hasFailed)
    this.#context.threadList.countTask(hasFailed)
  }

  /**
   * A child process gets a call.
   *
   * @returns its task, so that whoever sees the reply tells it; undefined if it has none.
   */
  sentToProcess(format: CallFormat, call: Call): CallTask | undefined {
    const one = this.#dequeue(format.kind, call)
    if (one !== undefined) this.#give(one, call, format, 0, NOTHING)
    return one
  }

  posting(port: MessagePort, message: unknown, _sort: Sort, transferred: readonly unknown[]): void {
    if (this.#waiting.length === 0) return
    try {
      this.#dispatch(port, message, transferred)
    } catch (error) {
      this.#context.fail(error)
    }
  }

  /** Before the pool sees the reply, and then gives the worker its next task. */
  receiving(port: MessagePort, message: unknown): void {
    const flying = this.#hasFlights ? this.#flights.get(port) : undefined
    if (flying === undefined || flying.size === 0) return
    const reply = replyIn(this.#libraries, message)
    const one = reply === undefined ? undefined : flying.get(reply.key)
    if (reply === undefined || one === undefined) return
    flying.delete(reply.key)
    one.hasFailed = reply.hasFailed
    one.leaveWorker()
  }

  end(): void {
    this.patches.end()
  }

  #dispatch(port: MessagePort, message: unknown, transferred: readonly unknown[]): void {
    const posted = callIn(this.#libraries, message)
    // One that was posted before is a call that is tried again.
    if (posted === undefined || numberIn(message) !== undefined) return
    const { call, format, envelope } = posted
    const one = this.#dequeue(format.kind, call)
    if (one === undefined) return
    setNumber(envelope, one.id)
    let flying = this.#flights.get(port)
    if (flying === undefined) this.#flights.set(port, (flying = new Map()))
    this.#hasFlights = true
    flying.set(call.key, one)
    this.#give(one, call, format, this.#peers.threadOf(port) ?? 0, transferred)
  }

  #give(
    one: CallTask,
    { args }: Call,
    { depth }: CallFormat,
    threadId: number,
    transferred: readonly unknown[],
  ): void {
    one.dispatch(threadId, sizeOf(args, transferred, depth))
    // Of one level there is one argument; of two, a list of them.
    tellArguments(one.id, args, depth > 1)
  }

  /** Takes the task of a call from those that wait, and tells of it. */
  #dequeue(kind: string, call: Call): CallTask | undefined {
    const one = this.#waiting.find((each) => each.kind === kind && each.isCarriedBy(call))
    if (one === undefined) return undefined
    if (one.name === '') one.name = call.name
    this.tell(one)
    this.#leaveQueue(one)
    return one
  }

  #leaveQueue(one: CallTask): void {
    const at = this.#waiting.indexOf(one)
    if (at >= 0) this.#waiting.splice(at, 1)
  }
}
