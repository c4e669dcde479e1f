/**
 * A tap on the message ports of the calling thread: probes see each message that is posted and each
 * that is handled. Ports of `MessageChannel`, the port of a `Worker` and `parentPort` all pass
 * here.
 *
 * Listeners of the program are not wrapped. A port hands a message to its listeners through one
 * method, whose symbol Node has registered; that method, `postMessage` and `receiveMessageOnPort`
 * are replaced as long as a tap is open. Probes filter out what is Node's own (standard streams of
 * workers, their start).
 */
import { syncBuiltinESMExports } from 'node:module'
import workerThreads, { type MessagePort } from 'node:worker_threads'
import { now } from '@rchan/trace'

/** The method that hands a message to the listeners of a port. The same since Node 16. */
const DISPATCH = Symbol.for('nodejs.internal.kHybridDispatch')
/** The property with the ports that came with the message that is dispatched. */
const RECEIVING = Symbol.for('nodejs.internal.kCurrentlyReceivingPorts')

/** What a probe sees of ports. A tap must not throw. Times are ns of the trace's clock. */
export interface PortTap {
  /** A message will be posted. */
  posting?(port: MessagePort, message: unknown, transferred: readonly unknown[]): void
  /** A message was posted: it was serialized from `start` to `end`. */
  posted?(port: MessagePort, message: unknown, start: bigint, end: bigint): void
  /** A message could not be posted: `postMessage` has thrown. */
  notPosted?(port: MessagePort): void
  /**
   * A message has come, and nothing of the program has seen it. `isTaken`: the program has taken it
   * by `receiveMessageOnPort`; then the ports are in the order in which they stand in it.
   */
  receiving?(port: MessagePort, message: unknown, ports: readonly unknown[], isTaken: boolean): void
  /** A message has come that can't be read here (`messageerror`). */
  unreadable?(port: MessagePort): void
  /**
   * The listeners have returned. A message that the program took by `receiveMessageOnPort` is
   * received, and never handled.
   */
  handled?(port: MessagePort, message: unknown, start: bigint, end: bigint): void
}

type Dispatch = (this: MessagePort, data: unknown, type: string, event: unknown) => unknown
type PortPrototype = MessagePort & { [DISPATCH]?: Dispatch; [RECEIVING]?: readonly unknown[] }

let taps: readonly PortTap[] = []
let restore: (() => void) | undefined

/**
 * Opens a tap on the calling thread.
 *
 * @returns a function that closes it.
 * @throws Error if this Node hands out messages in another way.
 */
export function tapPorts(tap: PortTap): () => void {
  restore ??= replace()
  taps = [...taps, tap]
  return () => {
    taps = taps.filter((each) => each !== tap)
    if (taps.length > 0) return
    restore?.()
    restore = undefined
  }
}

function replace(): () => void {
  const prototype = workerThreads.MessagePort.prototype as PortPrototype
  const dispatch = prototype[DISPATCH]
  if (typeof dispatch !== 'function') throw new Error('this Node hands out messages in an unknown way')
  // oxlint-disable-next-line typescript/unbound-method -- it is called on the port
  const { postMessage } = prototype
  const { receiveMessageOnPort } = workerThreads

  const tappedPost = function (this: MessagePort, ...args: Parameters<MessagePort['postMessage']>): unknown {
    const [message, transfer] = args
    const transferred = transferOf(transfer)
    for (const tap of taps) tap.posting?.(this, message, transferred)
    const start = now()
    // Node's own BroadcastChannel looks at what it returns.
    let result: unknown
    try {
      result = postMessage.apply(this, args)
    } catch (error) {
      for (const tap of taps) tap.notPosted?.(this)
      throw error
    }
    const end = now()
    for (const tap of taps) tap.posted?.(this, message, start, end)
    return result
  }
  const tappedDispatch: Dispatch = function (data, type, event) {
    if (type !== 'message') {
      if (type === 'messageerror') for (const tap of taps) tap.unreadable?.(this)
      return dispatch.call(this, data, type, event)
    }
    const ports = (this as PortPrototype)[RECEIVING] ?? []
    for (const tap of taps) tap.receiving?.(this, data, ports, false)
    const start = now()
    try {
      return dispatch.call(this, data, type, event)
    } finally {
      const end = now()
      for (const tap of taps) tap.handled?.(this, data, start, end)
    }
  }
  const tappedReceive: typeof receiveMessageOnPort = (port) => {
    const received = receiveMessageOnPort(port)
    if (received !== undefined) {
      const message: unknown = received.message
      for (const tap of taps) tap.receiving?.(port, message, portsIn(message), true)
    }
    return received
  }

  define(prototype, 'postMessage', alike(tappedPost, postMessage))
  define(prototype, DISPATCH, tappedDispatch)
  workerThreads.receiveMessageOnPort = alike(tappedReceive, receiveMessageOnPort)
  // For modules that import it by its name.
  syncBuiltinESMExports()
  return () => {
    if (prototype.postMessage === tappedPost) define(prototype, 'postMessage', postMessage)
    // It is inherited.
    if (prototype[DISPATCH] === tappedDispatch) delete prototype[DISPATCH]
    if (workerThreads.receiveMessageOnPort === tappedReceive) {
      workerThreads.receiveMessageOnPort = receiveMessageOnPort
      syncBuiltinESMExports()
    }
  }
}

function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false })
}

/** Gives a function the name and the length of another. */
function alike<F extends (...args: never[]) => unknown>(made: F, original: F): F {
  const { name, length } = original
  define(made, 'name', name)
  Object.defineProperty(made, 'length', { value: length, configurable: true })
  return made
}

function transferOf(transfer: unknown): readonly unknown[] {
  if (Array.isArray(transfer)) return transfer
  const { transfer: listed } = (transfer ?? {}) as { transfer?: unknown }
  return Array.isArray(listed) ? listed : []
}

/** The ports in the outermost object of a message, or the one that it is. */
function portsIn(message: unknown): readonly unknown[] {
  if (typeof message !== 'object' || message === null) return []
  if (message instanceof workerThreads.MessagePort) return [message]
  return Object.values(message).filter((value) => value instanceof workerThreads.MessagePort)
}
