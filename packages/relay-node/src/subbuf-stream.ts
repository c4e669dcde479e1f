/**
 * An async iterator over the sub-buffers of relay channels, for a thread with an event loop. It is
 * a `ChannelConsumer` that waits in the event loop instead of blocking.
 *
 * A pending `next()` keeps the event loop alive, by its timer; nothing else here does. The same
 * timer looks again every 100 ms at most, in case that no bell rang.
 */
import { ChannelConsumer, type ConsumerOptions, type RelayChannel, type Subbuf } from '@rchan/relay'

/** Options of {@link consume}. */
export interface ConsumeOptions extends ConsumerOptions {
  /** Ends the iterator when it aborts, also while a `next()` is pending. */
  readonly signal?: AbortSignal | undefined
}

// As they were at the import: fake timers stand still.
const { setTimeout, clearTimeout, Uint8Array } = globalThis

/** Waits for the next sub-buffer: who asked for it. */
interface Pending {
  readonly resolve: (result: IteratorResult<Subbuf, undefined>) => void
  readonly reject: (error: unknown) => void
}

/**
 * The sub-buffers of relay channels, as they come; {@link consume} makes it. The buffers are
 * claimed at the first `next()`, and given up at the end, at `return()` (a `break` in a loop), and
 * at an abort. Another consumer can go on from there.
 */
export class SubbufStream implements AsyncIterableIterator<Subbuf, undefined> {
  readonly #channels: RelayChannel | readonly RelayChannel[]
  readonly #options: ConsumeOptions
  #consumer: ChannelConsumer | undefined
  readonly #pending: Pending[] = []
  #stopWaiting: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #holdsProcess = true
  #isOver = false

  constructor(channels: RelayChannel | readonly RelayChannel[], options: ConsumeOptions) {
    this.#channels = channels
    this.#options = options
  }

  /**
   * The next sub-buffer, or part of one. Its bytes are a copy, which stays valid. It counts as
   * delivered from the next call on.
   *
   * @throws (the promise) as the constructor of `ChannelConsumer`. Then the iterator has ended.
   */
  next(): Promise<IteratorResult<Subbuf, undefined>> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject })
      this.#serve()
    })
  }

  /**
   * Ends the iterator. What was not handed out is the next consumer's. A pending `next()` is done.
   */
  return(): Promise<IteratorResult<Subbuf, undefined>> {
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#isOver
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** {@link return}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** A pending `next()` does not keep the process alive from now on. */
  unref(): this {
    this.#holdsProcess = false
    this.#timer?.unref()
    return this
  }

  /** A pending `next()` keeps the process alive again. */
  ref(): this {
    this.#holdsProcess = true
    this.#timer?.ref()
    return this
  }

  readonly #onAbort = (): void => this.#end()

  /** Answers as many `next()` as it can, and waits for the next sub-buffer if one is left. */
  #serve(): void {
    this.#stop()
    try {
      while (this.#pending.length > 0) {
        const consumer = this.#isOver ? undefined : this.#begin()
        const subbuf = consumer?.next(0)
        if (subbuf !== undefined) {
          this.#pending
            .shift()
            ?.resolve({ done: false, value: { ...subbuf, bytes: Uint8Array.from(subbuf.bytes) } })
        } else if (consumer === undefined || consumer.isOver) {
          this.#end()
        } else {
          return this.#wait(consumer)
        }
      }
    } catch (error) {
      const asked = this.#pending.shift()
      this.#end()
      asked?.reject(error)
    }
  }

  #begin(): ChannelConsumer | undefined {
    if (this.#consumer !== undefined) return this.#consumer
    const { signal } = this.#options
    if (signal?.aborted === true) return undefined
    this.#consumer = new ChannelConsumer(this.#channels, this.#options)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    return this.#consumer
  }

  #wait(consumer: ChannelConsumer): void {
    const again = (): void => this.#serve()
    this.#stopWaiting = consumer.whenReady(again)
    this.#timer = setTimeout(again, consumer.restMs)
    if (!this.#holdsProcess) this.#timer.unref()
  }

  #stop(): void {
    this.#stopWaiting?.()
    this.#stopWaiting = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #end(): void {
    this.#isOver = true
    this.#stop()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#consumer?.release()
    for (const { resolve } of this.#pending.splice(0)) resolve({ done: true, value: undefined })
  }
}

/**
 * Iterates over what is written to relay channels: complete sub-buffers, and the rest of the open
 * one when its thread has gone or the channel was closed. It ends when all channels are closed and
 * all is delivered, or when the signal aborts. A slow loop never slows a writer: what the buffers
 * can't hold is discarded or overwritten, as their mode says, and counted.
 *
 * A pending `next()` keeps the process alive; `unref()` lifts that.
 *
 * @param channels of one relay, seen from this thread.
 * @example
 * for await (const { cpu, bytes } of consume(channel, { cpu: 1 })) console.log(cpu, bytes.length)
 */
export function consume(
  channels: RelayChannel | readonly RelayChannel[],
  options: ConsumeOptions = {},
): SubbufStream {
  return new SubbufStream(channels, options)
}
