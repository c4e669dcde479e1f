/**
 * What runtime is given of the machine, in each thread: who the thread is, who is dead, what time
 * it is, and how to wait. The threads of Node are one such machine, and the default; a test plays
 * threads of its own on another.
 *
 * The clock of a trace is not of it: see clock.ts.
 */
import { waitAtLeast } from '@rchan/sync'
import { thisProcess } from './process.js'
import { isDead, thisThread, threadName, type ThreadIdentity } from '@rchan/threads'
import { BroadcastChannel, receiveMessageOnPort } from 'node:worker_threads'

/** The machine, seen from one thread. */
export interface Machine {
  /** The calling thread. */
  readonly thread: ThreadIdentity
  /** What it is called; not empty. */
  readonly threadName: string
  /** Whether a thread is dead: proven, for good, and not to run another instruction. */
  isDead(identity: number, startTicks: number): boolean
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /** Blocks the calling thread. */
  sleep(ms: number): void
  /** `Atomics.wait`. */
  wait(words: Int32Array<SharedArrayBuffer>, index: number, seen: number, ms: number): WaitResult
  /**
   * Waits until a counter that only grows has a value. @returns false when the time was over
   * before.
   */
  waitAtLeast(words: Int32Array<SharedArrayBuffer>, index: number, value: number, timeoutMs: number): boolean
  /** Opens a mailbox. It gets the messages that are posted under the name from here on. */
  openMailbox(name: string): Mailbox
}

export type WaitResult = ReturnType<typeof Atomics.wait>

/** Messages that a thread gets without its event loop. */
export interface Mailbox {
  /** The message that came first; undefined when there is none. */
  take(): unknown
  close(): void
}

const quiet = new Int32Array(new SharedArrayBuffer(4))

/** The threads of Node. */
export const nodeMachine: Machine = {
  // As the first copy of these modules found it, perhaps before the file system was mocked.
  get thread() {
    return thisThread()
  },
  get threadName() {
    return threadName(thisProcess.argv[1])
  },
  isDead,
  now: () => performance.now(),
  sleep: (ms) => void Atomics.wait(quiet, 0, 0, ms),
  wait: (words, index, seen, ms) => Atomics.wait(words, index, seen, ms),
  waitAtLeast: (words, index, value, timeoutMs) => waitAtLeast(words, index, value, timeoutMs),
  openMailbox(name) {
    const channel = new BroadcastChannel(name)
    // Where the stack is full its `close` may throw, and an open one would keep the thread alive
    // for ever.
    channel.unref()
    return {
      take: () =>
        receiveMessageOnPort(channel as unknown as Parameters<typeof receiveMessageOnPort>[0])?.message,
      close: () => channel.close(),
    }
  },
}
