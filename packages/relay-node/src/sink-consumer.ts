/**
 * Starts a consumer thread, and is the handle of it on the thread that started it. Neither keeps
 * the process alive.
 */
import { Worker } from 'node:worker_threads'
import type { ConsumerTotals, Relay, RelayChannel } from '@rchan/relay'
import { checkOptions } from './given-options.js'
import type { FolderInit } from './folder-sink.js'
import { reasonOf } from './reason.js'
import { SINK_WORDS, SINK_WORDS_BYTES, type SinkMessage, type SinkThreadData } from './sink-thread.js'
import { sinkSource } from './sink-source.js'

/** Options of {@link startConsumer}. */
export interface ConsumerThreadOptions {
  /** The channels to consume, of the relay. */
  readonly channels: readonly RelayChannel[]
  /** The module that takes the sub-buffers: an absolute URL, see `SinkModule`. */
  readonly sink: string | URL
  /** Passed on to the module's `start`. It is cloned. */
  readonly init?: unknown
  /** Consumes the buffers of this CPU only. Default: all, also those of later CPUs. */
  readonly cpu?: number | undefined
  /**
   * How long bytes stay in a sub-buffer that is not complete, in milliseconds, before the sink gets
   * them. May be Infinity. Default: 1000.
   */
  readonly flushIntervalMs?: number
  /**
   * Is called when the consumer ends by an error. What the sink did not take stays in the buffers,
   * and another consumer may go on. Default: a warning of the process.
   */
  readonly onError?: (error: Error) => void
}

const CONSUMER_OPTIONS = ['channels', 'sink', 'init', 'cpu', 'flushIntervalMs', 'onError']
const FLUSH_INTERVAL_MS = 1000

/** A running consumer thread; {@link startConsumer} makes it. */
export class ConsumerThread {
  /**
   * Is fulfilled with the totals when the thread has ended: by {@link stop}, or because all
   * channels were closed. Is rejected if it ended by an error. It need not be looked at, and does
   * not keep the process alive; {@link stop} does.
   */
  readonly ended: Promise<readonly ConsumerTotals[]>
  readonly #relay: Relay
  readonly #channels: readonly RelayChannel[]
  readonly #worker: Worker
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #flushed: {
    readonly flushes: number
    readonly resolve: () => void
    readonly reject: (error: Error) => void
  }[] = []
  #flushes = 0
  #member = 0
  #error: Error | undefined
  #isOver = false

  private constructor(
    relay: Relay,
    channels: readonly RelayChannel[],
    worker: Worker,
    words: Int32Array<SharedArrayBuffer>,
    ready: () => void,
    onError: (error: Error) => void,
  ) {
    this.#relay = relay
    this.#channels = channels
    this.#worker = worker
    this.#words = words
    let totals: readonly ConsumerTotals[] | undefined
    let error: Error | undefined
    let isReady = false
    this.ended = new Promise((resolve, reject) => {
      worker.on('message', (message: SinkMessage) => {
        if (message.kind === 'ready') {
          this.#member = message.member
          isReady = true
          ready()
        } else if (message.kind === 'flushed') this.#answer(message.flushes)
        else {
          totals = message.totals
          if (message.kind === 'failed') error = errorOf(message)
        }
      })
      worker.on('error', (thrown: unknown) => {
        error ??= new Error(`the consumer thread died: ${reasonOf(thrown)}`, { cause: thrown })
      })
      worker.on('exit', (code) => {
        if (totals === undefined)
          error ??= new Error(`the consumer thread ended before its time, with exit code ${code}`)
        this.#isOver = true
        this.#error = error
        // Where no death can be proven, its buffers would stay its own.
        if (error !== undefined) relay.releaseReader(this.#channels, this.#member)
        const late = error ?? new Error('the consumer thread has ended')
        if (error === undefined) this.#answer(this.#flushes)
        for (const { reject: refuse } of this.#flushed.splice(0)) refuse(late)
        if (error === undefined) return resolve(totals ?? [])
        reject(error)
        if (isReady) onError(error)
      })
    })
    this.ended.catch(() => undefined)
  }

  /** @internal */
  static async start(
    relay: Relay,
    options: Omit<ConsumerThreadOptions, 'sink'> & { readonly sink: string | FolderInit },
  ): Promise<ConsumerThread> {
    const { channels, cpu, sink, init, flushIntervalMs = FLUSH_INTERVAL_MS, onError = warn } = options
    const words = new Int32Array(new SharedArrayBuffer(SINK_WORDS_BYTES))
    const data: SinkThreadData = {
      relay: relay.memory,
      channels: channels.map(({ id }) => id),
      words,
      cpu,
      flushIntervalMs,
      sink,
      init,
    }
    const worker = new Worker(sinkSource, { eval: true, workerData: data, name: 'rchan consumer' })
    let ready = (): void => undefined
    const isReady = new Promise<void>((resolve) => (ready = resolve))
    const thread = new ConsumerThread(relay, channels, worker, words, () => ready(), onError)
    // Until it is ready it keeps the process: somebody awaits it.
    await Promise.race([isReady, thread.ended])
    worker.unref()
    return thread
  }

  /** The error that ended it; undefined if none has. */
  get error(): Error | undefined {
    return this.#error
  }

  /** Whether the thread has ended. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Has the sink take all that has been written up to now, also in sub-buffers that are not
   * complete. Waits for no writer.
   *
   * @throws (the promise) the error by which the thread has ended, or Error if it ends meanwhile.
   */
  async flush(): Promise<void> {
    if (this.#isOver) throw this.#error ?? new Error('flush of a consumer thread that has ended')
    this.#worker.ref()
    try {
      const flushes = (this.#flushes += 1)
      const done = new Promise<void>((resolve, reject) => this.#flushed.push({ flushes, resolve, reject }))
      this.#ask(SINK_WORDS.flushes, flushes)
      await done
    } finally {
      if (this.#flushed.length === 0) this.#worker.unref()
    }
  }

  /**
   * Has the sink take all that has been written up to now, and ends the thread. What is written
   * later stays in the buffers, for another consumer. A second call waits for the same end.
   *
   * @returns what the sink took of each buffer, and what was lost.
   * @throws (the promise) the error by which the thread has ended.
   */
  async stop(): Promise<readonly ConsumerTotals[]> {
    if (!this.#isOver) {
      this.#worker.ref()
      this.#ask(SINK_WORDS.stop, 1)
    }
    return this.ended
  }

  /** Ends the thread at once. What the sink has not taken stays in the buffers. */
  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #ask(word: number, value: number): void {
    // Pairs with: runSinkThread, Atomics.load. It looks after it took the ticket of its bell.
    Atomics.store(this.#words, word >> 2, value)
    this.#relay.ringAll()
  }

  #answer(flushes: number): void {
    while (this.#flushed.length > 0 && this.#flushed[0].flushes <= flushes) this.#flushed.shift()?.resolve()
  }
}

/**
 * Starts a thread that consumes relay channels, sleeping in `Atomics.wait`, and hands each
 * sub-buffer to the functions of a module. The thread does not keep the process alive: call
 * `stop()` to have all that was written.
 *
 * @param relay seen from this thread.
 * @returns its handle, when the module is loaded and the buffers are claimed.
 * @throws (the promise) Error if the module can't be loaded, exports no function `write`, or its
 * `start` throws; if a buffer has another consumer, or a channel was closed.
 * @example
 * const sink = new URL('./sink.js', import.meta.url)
 * const thread = await startConsumer(relay, { channels: [channel], sink })
 * await thread.stop()
 */
export async function startConsumer(relay: Relay, options: ConsumerThreadOptions): Promise<ConsumerThread> {
  checkConsumerOptions(options)
  return ConsumerThread.start(relay, { ...options, sink: absolute(options.sink) })
}

/** @throws TypeError for options that are none, and without a channel. */
export function checkConsumerOptions(options: { readonly channels: unknown }): void {
  checkOptions('startConsumer', options, CONSUMER_OPTIONS)
  if (!Array.isArray(options.channels) || options.channels.length === 0)
    throw new TypeError('startConsumer: channels has to be a list with at least one channel')
}

function absolute(sink: string | URL): string {
  try {
    return new URL(sink).href
  } catch {
    throw new RangeError(`sink=${String(sink)} is no absolute URL: new URL('./sink.js', import.meta.url) is`)
  }
}

function errorOf({ message, error, code }: Extract<SinkMessage, { kind: 'failed' }>): Error {
  const cause = code !== undefined && error instanceof Error ? Object.assign(error, { code }) : error
  return new Error(message, { cause })
}

/** Tells of an error that nobody has asked for. */
export function warn(error: Error): void {
  process.emitWarning(error)
}
