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
import { performance } from 'node:perf_hooks'
import workerThreads, { type MessagePort } from 'node:worker_threads'
import { sortOf, type Sort } from './envelope.js'
import { alike } from './patches.js'

// As it is now: the program may replace it. It makes no bigint.
const nowMs = performance.now.bind(performance)

/** The method that hands a message to the listeners of a port. The same since Node 16. */
const DISPATCH = Symbol.for('nodejs.internal.kHybridDispatch')
/** The property with the ports that came with the message that is dispatched. */
const RECEIVING = Symbol.for('nodejs.internal.kCurrentlyReceivingPorts')

/** What a probe sees of ports. A tap must not throw. */
export interface PortTap {
  /** A message will be posted. */
  posting?(port: MessagePort, message: unknown, sort: Sort, transferred: readonly unknown[]): void
  /** A message was posted: it is serialized. */
  posted?(port: MessagePort, message: unknown, sort: Sort): void
  /** A message could not be posted: `postMessage` has thrown. */
  notPosted?(port: MessagePort, sort: Sort): void
  /**
   * A message has come, and nothing of the program has seen it.
   *
   * @param ports that came with it; undefined if the program has taken it by
   * `receiveMessageOnPort`.
   */
  receiving?(port: MessagePort, message: unknown, sort: Sort, ports: readonly unknown[] | undefined): void
  /** A message has come that can't be read here (`messageerror`). */
  unreadable?(port: MessagePort): void
  /**
   * The listeners have returned. A message that the program took by `receiveMessageOnPort` is
   * received, and never handled.
   */
  handled?(port: MessagePort, sort: Sort): void
}

type Dispatch = (this: MessagePort, data: unknown, type: string, event: unknown) => unknown
type PortPrototype = MessagePort & { [DISPATCH]?: Dispatch; [RECEIVING]?: readonly unknown[] }

const NONE: readonly never[] = []
/** The taps, and those of them that see what happens to a message: each message passes here. */
let taps: readonly PortTap[] = NONE
let posting: readonly Required<Pick<PortTap, 'posting'>>[] = NONE
let posted: readonly Required<Pick<PortTap, 'posted'>>[] = NONE
let receiving: readonly Required<Pick<PortTap, 'receiving'>>[] = NONE
let handled: readonly Required<Pick<PortTap, 'handled'>>[] = NONE
let restore: (() => void) | undefined
/** When the program asked for a message by `receiveMessageOnPort` the last time. */
let askedAt = 0

/**
 * Opens a tap on the calling thread.
 *
 * @returns a function that closes it.
 * @throws Error if this Node hands out messages in another way.
 */
export function tapPorts(tap: PortTap): () => void {
  restore ??= replace()
  use([...taps, tap])
  return () => {
    use(taps.filter((each) => each !== tap))
    if (taps.length > 0) return
    restore?.()
    restore = undefined
  }
}

/**
 * When the thread has begun to read the message that it is receiving by `receiveMessageOnPort`, by
 * `performance.now`.
 */
export function readSince(): number {
  return askedAt
}

function use(open: readonly PortTap[]): void {
  taps = open
  posting = open.filter((tap) => tap.posting !== undefined) as typeof posting
  posted = open.filter((tap) => tap.posted !== undefined) as typeof posted
  receiving = open.filter((tap) => tap.receiving !== undefined) as typeof receiving
  handled = open.filter((tap) => tap.handled !== undefined) as typeof handled
}

function replace(): () => void {
  const prototype = workerThreads.MessagePort.prototype as PortPrototype
  const dispatch = prototype[DISPATCH]
  if (typeof dispatch !== 'function') throw new Error('this Node hands out messages in an unknown way')
  // oxlint-disable-next-line typescript/unbound-method -- it is called on the port
  const { postMessage } = prototype
  const { receiveMessageOnPort } = workerThreads

  const tappedPost = function (this: MessagePort, ...args: Parameters<MessagePort['postMessage']>): unknown {
    // oxlint-disable-next-line prefer-destructuring -- each message passes here: no iterator
    const message: unknown = args[0]
    // Taps may be closed meanwhile: the lists themselves are never changed.
    const before = posting
    const sort = sortOf(message)
    const transferred = transferOf(args[1])
    for (let index = 0; index < before.length; index += 1)
      before[index].posting(this, message, sort, transferred)
    // Node's own BroadcastChannel looks at what it returns.
    let result: unknown
    try {
      result = postMessage.apply(this, args)
    } catch (error) {
      for (const tap of taps) tap.notPosted?.(this, sort)
      throw error
    }
    const after = posted
    for (let index = 0; index < after.length; index += 1) after[index].posted(this, message, sort)
    return result
  }
  const tappedDispatch: Dispatch = function (data, type, event) {
    if (type !== 'message') {
      if (type === 'messageerror') for (const tap of taps) tap.unreadable?.(this)
      return dispatch.call(this, data, type, event)
    }
    const sort = sortOf(data)
    receive(this, data, sort, (this as PortPrototype)[RECEIVING] ?? NONE)
    try {
      return dispatch.call(this, data, type, event)
    } finally {
      const after = handled
      for (let index = 0; index < after.length; index += 1) after[index].handled(this, sort)
    }
  }
  const tappedReceive: typeof receiveMessageOnPort = (port) => {
    askedAt = nowMs()
    const received = receiveMessageOnPort(port)
    if (received !== undefined) receive(port, received.message, sortOf(received.message), undefined)
    return received
  }

  const before = Object.getOwnPropertyDescriptor(prototype, 'postMessage')
  define(prototype, 'postMessage', alike(tappedPost, postMessage), before?.enumerable)
  define(prototype, DISPATCH, tappedDispatch)
  workerThreads.receiveMessageOnPort = alike(tappedReceive, receiveMessageOnPort)
  // For modules that import it by its name.
  syncBuiltinESMExports()
  return () => {
    if (prototype.postMessage === tappedPost && before !== undefined)
      Object.defineProperty(prototype, 'postMessage', before)
    // It is inherited.
    if (prototype[DISPATCH] === tappedDispatch) delete prototype[DISPATCH]
    if (workerThreads.receiveMessageOnPort === tappedReceive) {
      workerThreads.receiveMessageOnPort = receiveMessageOnPort
      syncBuiltinESMExports()
    }
  }
}

function receive(
  port: MessagePort,
  message: unknown,
  sort: Sort,
  ports: readonly unknown[] | undefined,
): void {
  const before = receiving
  for (let index = 0; index < before.length; index += 1) before[index].receiving(port, message, sort, ports)
}

function define(target: object, key: PropertyKey, value: unknown, enumerable = false): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable })
}

function transferOf(transfer: unknown): readonly unknown[] {
  if (transfer === undefined || transfer === null) return NONE
  if (Array.isArray(transfer)) return transfer
  const { transfer: listed } = transfer as { transfer?: unknown }
  return Array.isArray(listed) ? listed : NONE
}
