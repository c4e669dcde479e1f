/**
 * The machine under the runtime, in each thread: the thread's identity, the proof of deaths, the
 * time, and waits. The default machine is Node's threads. A test plays threads of its own on
 * another machine.
 *
 * The clock of a trace is not a part of it, see clock.ts.
 */
import { waitAtLeast } from '@rchan/sync'
import { BroadcastChannel, clearInterval, receiveMessageOnPort, setInterval, thisProcess } from './process.js'
import { nodeWaits, type Waits } from './waits.js'
import { isDead, thisThread, threadName, type ThreadIdentity } from '@rchan/threads'

/** The machine, as one thread sees it. */
export interface Machine extends Waits {
  /** The calling thread. */
  readonly thread: ThreadIdentity
  /** The name of the calling thread; never empty. */
  readonly threadName: string
  /** The file that the calling thread runs; empty if it has none. */
  readonly threadFile: string
  /** Whether a thread is proven dead, so that it never runs another instruction. */
  isDead(identity: number, startTicks: number): boolean
  /**
   * How long a look for dead threads may be put off while nothing waits for it, in milliseconds,
   * because a look costs something. By default it is done with each flush.
   */
  readonly quietLookMs?: number
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /**
   * Waits until a growing counter has reached a value. @returns false when the time was over
   * before.
   */
  waitAtLeast(words: Int32Array<SharedArrayBuffer>, index: number, value: number, timeoutMs: number): boolean
  /** Calls a function in the event loop again and again. @returns a function that ends it. */
  every(ms: number, callback: () => void): () => void
  /**
   * Opens a mailbox. It gets all messages posted under the name from here on.
   *
   * @param arrived called in the event loop for each message that is taken out by that. With it
   * the open mailbox keeps the thread alive. Without it the thread must take the messages before it
   * is back in its event loop, which drops them.
   */
  openMailbox(name: string, arrived?: () => void): Mailbox
  /**
   * Posts a message into all mailboxes of the name that are open now. They have it when this
   * returns.
   */
  post(name: string, message: unknown): void
}

/** A box for messages that a thread gets without its event loop. */
export interface Mailbox {
  /** Takes the oldest message; undefined when there is none. */
  take(): unknown
  close(): void
}

/** The threads of Node. */
export const nodeMachine: Machine = {
  ...nodeWaits,
  // As the first copy of these modules found it, perhaps before the file system was mocked.
  get thread() {
    return thisThread()
  },
  get threadName() {
    return threadName(thisProcess.argv[1])
  },
  get threadFile() {
    const file: unknown = thisProcess.argv[1]
    return typeof file === 'string' ? file : ''
  },
  isDead,
  // A look reads a file for each thread, which would be most of the work of an idle consumer.
  quietLookMs: 1000,
  now: () => performance.now(),
  waitAtLeast: (words, index, value, timeoutMs) => waitAtLeast(words, index, value, timeoutMs),
  every(ms, callback) {
    const timer = setInterval(callback, ms)
    return () => clearInterval(timer)
  },
  openMailbox(name, arrived) {
    const channel = new BroadcastChannel(name)
    /** Messages that the event loop has taken. */
    const found: unknown[] = []
    if (arrived === undefined) {
      // With a full stack its `close` may throw, and an open channel would keep the thread alive
      // forever.
      channel.unref()
    } else {
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- Node 20's types lack it here
      channel.onmessage = (event) => {
        found.push((event as { data: unknown }).data)
        arrived()
      }
    }
    return {
      take: () =>
        found.length > 0
          ? found.shift()
          : receiveMessageOnPort(channel as unknown as Parameters<typeof receiveMessageOnPort>[0])?.message,
      close: () => channel.close(),
    }
  },
  post(name, message) {
    const channel = new BroadcastChannel(name)
    try {
      channel.postMessage(message)
    } finally {
      channel.close()
    }
  },
}
