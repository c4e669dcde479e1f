/**
 * Calls to the consumer: any thread asks the consumer thread to do something, and gets a result.
 * The caller needs neither the arena nor a place, only the control page. The consumer needs no
 * event loop: it takes calls in its steps.
 *
 * Requests and replies are messages on two broadcast channels. A message is in the queues of all
 * receivers when `postMessage` returns. Three words of the control page say when to look there:
 *
 * ```text
 *   caller                                        consumer
 *   opens its mailbox for replies                 opens its mailbox for requests
 *                                                 listening := generation             (1)
 *   posts the request                     (2)
 *   calls += 1, rings                     (3)     load calls; changed: takes requests (4)
 *                                                 does each, posts its reply          (5)
 *   waits for replies, takes its reply    (7)     replies += 1, notifies              (6)
 *
 *                                                 at its end:
 *                                                 listening := 0                      (8)
 *   loads listening after (2)             (9)     takes the last requests, refuses them (10)
 * ```
 *
 * A call is always answered. If (9) comes before (8), so does (2), and (10) finds the request. If
 * (9) comes after (8), the caller gives up by itself, unless its reply is there. A consumer thread
 * that is terminated stores nothing, so the recorder does (8) for it, and notifies.
 */
import { arenaChannelName, type Control } from './control.js'
import { CONTROL } from './control-page.js'
import type { Machine, Mailbox } from './machine.js'
import { reasonOf } from './reason.js'

/** The call that tells what became of all records so far: a `LossReport`. */
export const LOSSES_CALL = 'losses'
/** The call that gives files to a recording in memory. Its argument is the `sinkInit`. */
export const FILES_CALL = 'setUpFiles'

/** A request, as it is posted. */
interface Request {
  readonly id: string
  readonly kind: string
  readonly argument: unknown
}

/** A reply, as it is posted. */
interface Reply {
  readonly id: string
  readonly result?: unknown
  /** The message of the error, if the call failed. */
  readonly error?: string
}

/** A call, as the consumer sees it. It must be answered, by one of the two functions. */
export interface Call {
  readonly kind: string
  /** Untrusted: it comes from another thread. */
  readonly argument: unknown
  /** Replies with a result, which must be cloneable. */
  answer(result: unknown): void
  /** Replies with an error. */
  fail(error: unknown): void
}

/** Waits go in slices, so that the end of the recording thread is noticed. */
const SLICE_MS = 100

/**
 * Any thread: asks the consumer of the running recording, and waits in the event loop. The wait
 * keeps the thread alive.
 *
 * @param kind the name of the call; see `Consumer`.
 * @param argument a cloneable value.
 * @returns the result of the call.
 * @throws (the promise) Error when no recording runs, or it ended before the call; or the error of
 * the call.
 */
export async function call(control: Control, kind: string, argument?: unknown): Promise<unknown> {
  let look = (): void => undefined
  const pending = new PendingCall(control, kind, argument, () => look())
  // No message tells of the end of the consumer.
  const endLooks = control.machine.every(SLICE_MS, () => look())
  try {
    for (;;) {
      const reply = pending.take()
      if (reply !== undefined) return resultOf(reply)
      await new Promise<void>((resolve) => (look = resolve))
    }
  } finally {
    endLooks()
    pending.close()
  }
}

/**
 * Any thread: asks the consumer of the running recording, and blocks until it has replied.
 *
 * @param patienceMs how long to wait at most, in milliseconds. The time is counted in slices that
 * timed out, because a program's clocks can stand still.
 * @throws Error as {@link call}, or when there was no reply in time.
 */
export function callAndWait(control: Control, kind: string, argument: unknown, patienceMs: number): unknown {
  const pending = new PendingCall(control, kind, argument)
  try {
    for (let waitedMs = 0; waitedMs < patienceMs;) {
      const seen = pending.repliesSeen()
      const reply = pending.take()
      if (reply !== undefined) return resultOf(reply)
      if (control.machine.wait(control.words, CONTROL.replies >> 2, seen, SLICE_MS) === 'timed-out')
        waitedMs += SLICE_MS
    }
    throw new Error(`${kind}: the thread that writes the recording did not answer for ${patienceMs} ms`)
  } finally {
    pending.close()
  }
}

/** A call under way, as its caller sees it. */
class PendingCall {
  readonly #control: Control
  readonly #kind: string
  readonly #generation: number
  readonly #id: string
  readonly #replies: Mailbox

  /** Posts the request. @throws Error when no recording runs. */
  constructor(control: Control, kind: string, argument: unknown, arrived?: () => void) {
    const { machine, words } = control
    this.#control = control
    this.#kind = kind
    this.#generation = Atomics.load(words, CONTROL.listening >> 2)
    if (this.#generation === 0 || control.isRecorderDead()) throw noRecording(kind)
    // No two calls of a thread have the same number, because each adds to `calls`.
    this.#id = `${machine.thread.threadId}:${Atomics.load(words, CONTROL.calls >> 2)}`
    const names = channelNames(control.recorder, this.#generation)
    this.#replies = machine.openMailbox(names.replies, arrived)
    try {
      machine.post(names.requests, { id: this.#id, kind, argument } satisfies Request)
    } catch (error) {
      this.#replies.close()
      throw error
    }
    // Pairs with: CallTaker.take, Atomics.load of `calls`, which comes before it takes messages.
    Atomics.add(words, CONTROL.calls >> 2, 1)
    control.doorbell.ring()
  }

  /** Load this before {@link take}: a reply that comes after the look changes it. */
  repliesSeen(): number {
    return Atomics.load(this.#control.words, CONTROL.replies >> 2)
  }

  /** The reply, if it has come. @throws Error when none will come. */
  take(): Reply | undefined {
    const control = this.#control
    // Loaded before the look into the mailbox: what the consumer posted before it ended is there.
    const isListening = Atomics.load(control.words, CONTROL.listening >> 2) === this.#generation
    for (let message = this.#replies.take(); message !== undefined; message = this.#replies.take()) {
      const reply = message as Partial<Reply> | undefined
      if (reply?.id === this.#id) return reply as Reply
    }
    if (isListening && !control.isRecorderDead()) return undefined
    // Its requests are refused by now, or soon: the last look of the consumer may be under way.
    throw noRecording(this.#kind)
  }

  close(): void {
    this.#replies.close()
  }
}

/** The consumer's side: takes calls and posts the replies. */
export class CallTaker {
  readonly #control: Control
  readonly #machine: Machine
  readonly #generation: number
  readonly #requests: Mailbox
  readonly #repliesName: string
  /** The value of `calls` up to which requests were taken. */
  #taken: number

  /** Calls can be made from here on. */
  constructor(control: Control, recorderIdentity: number, generation: number) {
    this.#control = control
    this.#machine = control.machine
    this.#generation = generation
    const names = channelNames(recorderIdentity, generation)
    this.#requests = this.#machine.openMailbox(names.requests)
    this.#repliesName = names.replies
    this.#taken = Atomics.load(control.words, CONTROL.calls >> 2)
    Atomics.store(control.words, CONTROL.listening >> 2, generation)
  }

  /** Takes the calls that were made since the last look. One load when there are none. */
  take(): Call[] {
    // Loaded before the messages are taken: a request that is posted after this look changes it.
    // Pairs with: PendingCall, Atomics.add of `calls`.
    const calls = Atomics.load(this.#control.words, CONTROL.calls >> 2)
    if (calls === this.#taken) return []
    this.#taken = calls
    return this.#takeAll()
  }

  /** Refuses the calls that are left, and all later ones. */
  close(): void {
    stopListening(this.#control, this.#generation)
    for (const last of this.#takeAll()) last.fail(noRecording(last.kind))
    this.#requests.close()
  }

  #takeAll(): Call[] {
    const found: Call[] = []
    for (let message = this.#requests.take(); message !== undefined; message = this.#requests.take()) {
      const { id, kind, argument } = (message ?? {}) as Partial<Request>
      // Any code of the process may post under this name.
      if (typeof id !== 'string' || typeof kind !== 'string') continue
      found.push({
        kind,
        argument,
        answer: (result) => this.#reply({ id, result }),
        fail: (error) => this.#reply({ id, error: reasonOf(error) }),
      })
    }
    return found
  }

  #reply(reply: Reply): void {
    this.#machine.post(this.#repliesName, reply)
    // Pairs with: PendingCall.repliesSeen, before the caller looks into its mailbox.
    Atomics.add(this.#control.words, CONTROL.replies >> 2, 1)
    Atomics.notify(this.#control.words, CONTROL.replies >> 2)
  }
}

/**
 * Ends the calls of a recording whose consumer is over. For the consumer, and for the recorder when
 * the consumer thread has ended in any other way. Does not touch a recording that has begun since.
 */
export function stopListening({ words }: Control, generation: number): void {
  Atomics.compareExchange(words, CONTROL.listening >> 2, generation, 0)
  Atomics.notify(words, CONTROL.replies >> 2)
}

function resultOf({ result, error }: Reply): unknown {
  if (error !== undefined) throw new Error(error)
  return result
}

function noRecording(kind: string): Error {
  return new Error(`${kind}: no recording runs in this process, or it has just ended`)
}

function channelNames(recorderIdentity: number, generation: number): { requests: string; replies: string } {
  const name = arenaChannelName(recorderIdentity, generation)
  return { requests: `${name}:requests`, replies: `${name}:replies` }
}
