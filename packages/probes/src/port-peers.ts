/** What is at the other end of a message port: a worker, as far as this thread can know. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import workerThreads, { type MessagePort, type Worker } from 'node:worker_threads'
import { seeConstructed } from './constructed.js'
import { guarded, type ProbeContext } from './probe.js'

const WORKERS = 'worker_threads'

/** The worker threads behind the ports of the calling thread. */
export class PortPeers {
  readonly #threads = new WeakMap<MessagePort, number>()
  readonly #siblings = new WeakMap<MessagePort, MessagePort>()
  readonly #undo: (() => void)[]

  constructor(context: ProbeContext) {
    const onWorker = guarded(context, (message: unknown) => this.#add((message as { worker: Worker }).worker))
    subscribe(WORKERS, onWorker)
    this.#undo = [
      () => unsubscribe(WORKERS, onWorker),
      seeConstructed(workerThreads, 'MessageChannel', (made) => {
        const { port1, port2 } = made as workerThreads.MessageChannel
        this.#siblings.set(port1, port2)
        this.#siblings.set(port2, port1)
      }),
    ]
  }

  /** The thread at the other end; undefined if it isn't known. */
  threadOf(port: MessagePort): number | undefined {
    return this.#threads.get(port)
  }

  /** Ports are posted through another one. The ports that stay here then lead to its thread. */
  sent(through: MessagePort, transferred: readonly unknown[]): void {
    const thread = this.#threads.get(through)
    if (thread === undefined) return
    for (const port of transferred) {
      const kept = this.#siblings.get(port as MessagePort)
      if (kept !== undefined) this.#threads.set(kept, thread)
    }
  }

  end(): void {
    for (const each of this.#undo.splice(0)) each()
  }

  /** Finds the port on which a worker's messages come. */
  #add(worker: Worker): void {
    for (const key of Object.getOwnPropertySymbols(worker)) {
      const value = (worker as unknown as Record<symbol, unknown>)[key]
      if (key.description === 'kPublicPort' && value instanceof workerThreads.MessagePort)
        this.#threads.set(value, worker.threadId)
    }
  }
}
