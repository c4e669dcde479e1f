/**
 * The consumer thread: a loop around a `ChannelConsumer`, which sleeps in `Atomics.wait`, and hands
 * each sub-buffer to a sink. The program of the thread is bundled into one text (sink-program.ts).
 *
 * The thread that started it asks by words of shared memory, and rings the bells of the relay; the
 * answers are messages. No writer waits for this thread. If the sink fails, what it did not take
 * stays in the buffers.
 *
 * ```text
 *   at  type  word     written by
 *    0  i32   flushes  starter     how many flushes were asked for
 *    4  i32   stop     starter     1: flush and end
 * ```
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ChannelConsumer, Relay, type ConsumerTotals, type RelayChannel, type Subbuf } from '@rchan/relay'
import { FolderSink, type FolderInit } from './folder-sink.js'
import { threadMachine } from './machine.js'
import { reasonOf } from './reason.js'
import type { SinkModule } from './sink.js'

/** The words by which the starter asks. A test holds them to the picture above. */
export const SINK_WORDS = { flushes: 0, stop: 4 } as const
export const SINK_WORDS_BYTES = 8

/** The data of the thread. */
export interface SinkThreadData {
  readonly relay: SharedArrayBuffer
  readonly channels: readonly number[]
  readonly words: Int32Array<SharedArrayBuffer>
  readonly cpu: number | undefined
  readonly flushIntervalMs: number
  /** The module of the sink; or the folder, of our own sink. */
  readonly sink: string | FolderInit
  readonly init: unknown
}

/** A message to the starter. */
export type SinkMessage =
  | { readonly kind: 'ready'; readonly member: number }
  | { readonly kind: 'flushed'; readonly flushes: number }
  | { readonly kind: 'ended'; readonly totals: readonly ConsumerTotals[] }
  | {
      readonly kind: 'failed'
      readonly error: unknown
      /** The system's, which a clone of the error lacks. */
      readonly code: string | undefined
      readonly message: string
      readonly totals: readonly ConsumerTotals[]
    }

/** Runs this thread from start to end. */
export async function runSinkThread(): Promise<void> {
  const data = workerData as SinkThreadData
  const { words, flushIntervalMs, cpu } = data
  let doing = 'the consumer thread could not join the relay'
  let consumer: ChannelConsumer | undefined
  let relay: Relay | undefined
  try {
    relay = Relay.attach(data.relay, threadMachine())
    doing = `the sink ${nameOf(data.sink)} could not be loaded`
    const sink = await loadSink(data.sink)
    doing = 'the consumer thread can not consume'
    const channels = data.channels.map((id) => channelOf(relay, id))
    consumer = new ChannelConsumer(channels, { cpu, flushIntervalMs })
    doing = `start of the sink ${nameOf(data.sink)} failed`
    await sink.start?.(data.init)
    tell({ kind: 'ready', member: relay.member })
    doing = 'the consumer thread failed'
    let flushes = 0
    let isStopping = false
    while (!consumer.isOver) {
      // Load `stop` first: the flush that it asks for comes after it.
      const stop = Atomics.load(words, SINK_WORDS.stop >> 2) === 1
      const wanted = Atomics.load(words, SINK_WORDS.flushes >> 2)
      if (wanted !== flushes || (stop && !isStopping)) {
        isStopping = stop
        await flush(consumer, write)
        flushes = wanted
        tell({ kind: 'flushed', flushes })
      }
      if (isStopping) break
      const subbuf = consumer.next(IDLE_MS, () => hasBeenAsked(words, flushes))
      if (subbuf !== undefined) await write(subbuf)
    }
    // What was handed out last counts from here on.
    consumer.release()
    const { totals } = consumer
    doing = `end of the sink ${nameOf(data.sink)} failed`
    await sink.end?.(totals)
    tell({ kind: 'ended', totals })

    async function write(subbuf: Subbuf): Promise<void> {
      const { channel, bytes, sequence, isComplete, records, overwritten } = subbuf
      const part = { channel: channel.id, cpu: subbuf.cpu, bytes, sequence, isComplete, records, overwritten }
      doing =
        `the sink ${nameOf(data.sink)} failed at sequence=${sequence} of cpu=${subbuf.cpu}, channel=${channel.id}, ` +
        'which stays in its buffer'
      const result = sink.write(part)
      if (isThenable(result)) await result
    }
  } catch (error) {
    // What the sink did not take is the next consumer's.
    consumer?.release(false)
    const message = `${doing}: ${reasonOf(error)}`
    const { code } = (error ?? {}) as { readonly code?: unknown }
    const known = typeof code === 'string' ? code : undefined
    tell({ kind: 'failed', error: cloneable(error), code: known, message, totals: consumer?.totals ?? [] })
  } finally {
    relay?.leave()
    parentPort?.close()
  }
}

/** Longest sleep. The consumer itself looks for deaths more often. */
const IDLE_MS = 1000

async function flush(consumer: ChannelConsumer, write: (subbuf: Subbuf) => Promise<void>): Promise<void> {
  consumer.flush()
  while (!consumer.hasFlushed) {
    const subbuf = consumer.next(10)
    if (subbuf !== undefined) await write(subbuf)
  }
}

function hasBeenAsked(words: Int32Array<SharedArrayBuffer>, flushes: number): boolean {
  return (
    Atomics.load(words, SINK_WORDS.stop >> 2) === 1 ||
    Atomics.load(words, SINK_WORDS.flushes >> 2) !== flushes
  )
}

async function loadSink(sink: string | FolderInit): Promise<SinkModule> {
  if (typeof sink !== 'string') return new FolderSink(sink)
  const loaded = (await import(sink)) as Partial<SinkModule> & { readonly default?: Partial<SinkModule> }
  // The exports of a CommonJS module may stand under `default` only.
  const module = typeof loaded.write === 'function' ? loaded : (loaded.default ?? loaded)
  for (const name of ['start', 'write', 'end'] as const) {
    const type = typeof module[name]
    if (type === 'function' || (type === 'undefined' && name !== 'write')) continue
    throw new TypeError(`it exports no function ${name} (typeof ${name}=${type})`)
  }
  return module as SinkModule
}

function channelOf(relay: Relay | undefined, id: number): RelayChannel {
  const channel = relay?.channel(id)
  if (channel === undefined) throw new Error(`channel=${id} was closed`)
  return channel
}

function nameOf(sink: string | FolderInit): string {
  return typeof sink === 'string' ? sink : sink.dir
}

function isThenable(value: unknown): boolean {
  return typeof (value as Partial<PromiseLike<unknown>> | undefined)?.then === 'function'
}

function tell(message: SinkMessage): void {
  parentPort?.postMessage(message)
}

/** An error as another thread can have it. */
function cloneable(error: unknown): unknown {
  try {
    return structuredClone(error)
  } catch {
    return String(error)
  }
}
