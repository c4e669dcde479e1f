/**
 * What one thread does with messages, so far. Times are ns, counted from wherever the caller likes.
 *
 * A thread is at work on a message while its listeners run. What they await is work, too, and
 * nobody tells of it: so a thread is also at work from a message's receipt until it has posted as
 * many messages as it got. {@link Talk.isAnswering} says whether that is the way in which it talks.
 */
import { Coverage } from './coverage.js'

/** A thread answers if it posts about as many messages as it gets. */
const [LEAST_ANSWERS, MOST_ANSWERS] = [0.5, 1.5]

/** Follows one thread. */
export class Talk {
  /** Time at work on messages. */
  readonly work = new Coverage()
  /**
   * The same, and the time in which messages were on their way from or to it. That of messages
   * to it counts from when the first has come: until then it may have been starting.
   */
  readonly active = new Coverage()
  received = 0
  posted = 0
  /** When the first message came. */
  firstAt = Infinity
  /** Since when it can take the next message, as far as messages tell. */
  freeFrom = -Infinity
  /** For how long it had been on a CPU, and had waited for one, when its first message came. */
  before: { readonly onCpu: number; readonly waitingForCpu: number } | undefined
  /**
   * Time that posting its messages took, and at most so much time that reading those to it took.
   */
  messagingNs = 0
  #unanswered = 0
  #since = 0

  /**
   * Whether it answers each message with one, so that {@link work} has what its listeners await.
   */
  get isAnswering(): boolean {
    return this.posted >= LEAST_ANSWERS * this.received && this.posted <= MOST_ANSWERS * this.received
  }

  /** A message has come. The kernel's account is that of the thread until now. */
  receives(time: number, onCpu: number, waitingForCpu: number): void {
    this.before ??= { onCpu, waitingForCpu }
    this.received += 1
    this.firstAt = Math.min(this.firstAt, time)
    if (this.#unanswered === 0) this.#since = time
    this.#unanswered += 1
  }

  /** It begins to post a message. */
  posts(time: number): void {
    this.posted += 1
    if (this.#unanswered === 0) return
    this.#unanswered -= 1
    if (this.#unanswered === 0) this.#worked(this.#since, time)
  }

  /** The message that it began to post could not be posted. */
  failed(): void {
    this.posted -= 1
  }

  /** Its listeners have handled a message. */
  handled(start: number, end: number): void {
    this.#worked(start, end)
    this.freeFrom = end
  }

  #worked(start: number, end: number): void {
    this.work.add(start, end)
    this.active.add(start, end)
  }
}
