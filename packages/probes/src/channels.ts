/**
 * Which channel each message port of the calling thread belongs to. A channel is a number that is
 * unique in the process: both of its ends have it, whatever threads they are on.
 *
 * The port of a `Worker` and its `parentPort` find each other by the worker's thread id. The ports
 * of a `MessageChannel` get a number when they are made, and take it along where they are posted.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import workerThreads, { type MessagePort, type Worker } from 'node:worker_threads'
import { seeConstructed } from './constructed.js'
import type { ChannelEnd, PortPassage } from './port-passage.js'
import { guarded, type ProbeContext } from './probe.js'

const WORKERS = 'worker_threads'
/** The number of the message with which a worker starts, and its `workerData` comes. */
const START_SEQ = 0xffffffff
/** What Node calls this message, on a port of its own. */
const START_TYPE = 'loadScript'
/** The class of Node's own workers, which run module hooks. Nobody sees how they take messages. */
const OWN_WORKER = 'InternalWorker'

/** The ends of channels that the calling thread holds. */
export class Channels {
  readonly #passage: PortPassage
  readonly #ends = new WeakMap<object, ChannelEnd>()
  /** The ends in the `workerData` of the worker that is being made. */
  #starting: ChannelEnd[] = []
  readonly #undo: (() => void)[]

  constructor(passage: PortPassage, context: ProbeContext) {
    this.#passage = passage
    const { parentPort, threadId, workerData } = workerThreads
    if (parentPort !== null) {
      this.#add(parentPort, { channel: workerChannel(threadId), side: 1 })
      this.#arrived(workerChannel(threadId), 0, START_SEQ, portsIn(workerData))
    }
    const onWorker = guarded(context, (message: unknown) =>
      this.#started((message as { worker: Worker }).worker),
    )
    subscribe(WORKERS, onWorker)
    this.#undo = [
      () => unsubscribe(WORKERS, onWorker),
      seeConstructed(workerThreads, 'MessageChannel', (made) => {
        const { port1, port2 } = made as workerThreads.MessageChannel
        const channel = passage.nextChannel() * 2 + 1
        this.#add(port1, { channel, side: 0 })
        this.#add(port2, { channel, side: 1 })
      }),
    ]
  }

  /** The end that a port is; undefined for Node's own ports, and for ports that nobody knows. */
  endOf(port: MessagePort): ChannelEnd | undefined {
    return this.#ends.get(port)
  }

  /** Whether a message that comes may have ports in it. */
  get arePortsOnTheirWay(): boolean {
    return this.#passage.isUsed
  }

  /** The message of this number is about to be posted through a known end, with ports in it. */
  sending(through: ChannelEnd, seq: number, transferred: readonly unknown[]): void {
    this.#leave(through.channel, through.side, seq, this.#endsOf(transferred))
  }

  /** A message is about to be posted through a port that is none of the program's. */
  sendingOnOther(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    const { type, workerData } = message as { type?: unknown; workerData?: unknown }
    if (type === START_TYPE) this.#starting = this.#endsOf(portsIn(workerData))
  }

  /**
   * The message of this number has come through a known end.
   *
   * @param ports that came with it; undefined if nobody says: the program has taken the message.
   */
  received(through: ChannelEnd, seq: number, message: unknown, ports: readonly unknown[] | undefined): void {
    const found = ports ?? portsIn(message)
    // Of several ports that were taken, nobody knows which was posted first.
    if (ports === undefined && found.length > 1) return
    this.#arrived(through.channel, 1 - through.side, seq, found)
  }

  end(): void {
    for (const each of this.#undo.splice(0)) each()
  }

  /** A worker was made. Its thread needs longer until it asks for its ports than this one here. */
  #started(worker: Worker): void {
    const starting = this.#starting
    this.#starting = []
    const { threadId } = worker
    if (typeof threadId !== 'number' || threadId <= 0 || worker.constructor.name === OWN_WORKER) return
    const channel = workerChannel(threadId)
    this.#leave(channel, 0, START_SEQ, starting)
    for (const key of Object.getOwnPropertySymbols(worker)) {
      if (key.description !== 'kPublicPort') continue
      const value = (worker as unknown as Record<symbol, unknown>)[key]
      if (value instanceof workerThreads.MessagePort) this.#add(value, { channel, side: 0 })
    }
  }

  #add(port: MessagePort, end: Pick<ChannelEnd, 'channel' | 'side'>): void {
    this.#ends.set(port, { ...end, posted: 0, received: 0 })
  }

  #endsOf(transferred: readonly unknown[]): ChannelEnd[] {
    const ports = transferred.filter((each) => each instanceof workerThreads.MessagePort)
    // An unknown one keeps its place.
    return ports.map((port) => this.#ends.get(port) ?? { channel: 0, side: 0, posted: 0, received: 0 })
  }

  #leave(channel: number, side: number, seq: number, ends: readonly ChannelEnd[]): void {
    for (const [index, end] of ends.entries()) {
      if (end.channel !== 0) this.#passage.leave({ channel, side, seq, index }, end)
    }
  }

  #arrived(channel: number, side: number, seq: number, ports: readonly unknown[]): void {
    for (const [index, port] of ports.entries()) {
      const end = this.#passage.take({ channel, side, seq, index })
      if (end !== undefined) this.#ends.set(port as object, end)
    }
  }
}

function workerChannel(threadId: number): number {
  return threadId * 2
}

/** The ports in the outermost object of a value. */
function portsIn(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  const { MessagePort: Port } = workerThreads
  if (value instanceof Port) return [value]
  // Only plain data properties: nothing of the program is called.
  const descriptors = Object.values(Object.getOwnPropertyDescriptors(value))
  return descriptors.map((each): unknown => each.value).filter((each) => each instanceof Port)
}
