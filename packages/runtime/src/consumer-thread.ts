/**
 * The consumer thread: the outermost loop around `Consumer`, and its only part that sleeps.
 *
 * It uses nothing that needs the main thread: no console, and no event loop after its start. It
 * does not depend on the way in which the program finds its modules. The client bundles this file,
 * its format and all their imports into one text (for tracing, `scripts/bundle.mjs` does this), and
 * the thread is started from that text.
 */
import { BroadcastChannel, parentPort, workerData } from 'node:worker_threads'
import { Arena, ARENA, CONSUMER_STATE } from './arena.js'
import { now } from './clock.js'
import { CallTaker } from './call.js'
import { Consumer } from './consumer.js'
import { arenaChannelName, Control } from './control.js'
import { CONTROL } from './control-page.js'
import type { FlightInit } from './flight.js'
import { FlightConsumer } from './flight-consumer.js'
import type { Listeners } from './listeners.js'
import { reasonOf } from './reason.js'
import { endRequests } from './request.js'
import type { CreateFormat, PacketFormat } from './packet-format.js'
import type { CreateSink, Sink } from './sink.js'
import type { Totals } from './ledger.js'
import { NOWHERE } from './nowhere.js'

/** The recorder's data for this thread. */
export interface ConsumerData {
  readonly control: SharedArrayBuffer
  readonly arena: SharedArrayBuffer
  /** See {@link GREETING}. */
  readonly greeting: SharedArrayBuffer
  /** Undefined for a recording in memory, which gets its sink later. */
  readonly sinkInit: unknown
  readonly flushIntervalMs: number
  readonly graceMs: number
  readonly formatInit: unknown
  /** Given for a flight recorder, which has no sink until a snapshot is taken. */
  readonly flight: FlightInit | undefined
}

/**
 * What this thread stores when it is ready, for a recorder that does not return to its event loop
 * meanwhile: `time` first, then `state`, with a release that the recorder's load of it acquires.
 *
 * ```text
 * +0  i32  state  0: not yet; 1: ready; 2: this thread has ended
 * +8  i64  time   that of the message `ready`
 * ```
 */
export const GREETING = { bytes: 16, state: 0, time: 8, ready: 1, ended: 2 } as const

/** A message from this thread to the recorder. */
export type ConsumerMessage =
  | { readonly kind: 'ready'; readonly time: bigint }
  | { readonly kind: 'trouble'; readonly message: string }
  | { readonly kind: 'totals'; readonly totals: Totals; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * Runs this thread from start to end. It makes the format and the sink from the recorder's data.
 */
export function runConsumer(createFormat: CreateFormat, createSink: CreateSink): void {
  const data = workerData as ConsumerData
  const control = new Control(data.control)
  const arena = Arena.attach(data.arena)
  const tell = (message: ConsumerMessage): void => parentPort?.postMessage(message)
  const greet = (state: number): void => {
    const words = new Int32Array(data.greeting)
    // Pairs with: awaitGreeting (recorder.ts), Atomics.load of `state`.
    Atomics.store(words, GREETING.state >> 2, state)
    Atomics.notify(words, GREETING.state >> 2)
  }

  const channel = new BroadcastChannel(arenaChannelName(arena.words[ARENA.recorder >> 2], arena.generation))
  channel.unref()

  const taker = new CallTaker(control, arena.words[ARENA.recorder >> 2], arena.generation)
  const listeners: Listeners = {
    postArena: () => channel.postMessage(arena.memory),
    takeCalls: () => taker.take(),
    trouble: (message) => tell({ kind: 'trouble', message }),
  }

  let sink: Sink | undefined
  let flightConsumer: FlightConsumer | undefined
  try {
    const { flushIntervalMs, graceMs, flight, formatInit } = data
    const options = { flushIntervalMs, graceMs }
    const shared = { control: data.control, arena: data.arena }
    let consumer: Consumer | FlightConsumer
    if (flight === undefined && data.sinkInit === undefined) {
      // A time before any record.
      const startedAt = now()
      const formatFor = (target: Sink): PacketFormat => {
        const format = createFormat(formatInit, { ...shared, sink: target, startedAt })
        format.prepare([])
        return format
      }
      consumer = new Consumer(control, arena, formatFor(NOWHERE), NOWHERE, options, listeners, (init) => {
        const made = createSink(init)
        try {
          const format = formatFor(made)
          sink = made
          return { format, sink }
        } catch (error) {
          made.close()
          throw error
        }
      })
    } else if (flight === undefined) {
      sink = createSink(data.sinkInit)
      const format = createFormat(formatInit, { ...shared, sink })
      format.prepare([])
      consumer = new Consumer(control, arena, format, sink, options, listeners)
    } else {
      const client = {
        createSink,
        createFormat: (target: Sink, time: bigint) =>
          createFormat(formatInit, { ...shared, sink: target, startedAt: time }),
      }
      flightConsumer = new FlightConsumer(control, arena, client, flight, options, listeners)
      consumer = flightConsumer
    }
    const startedAt = now()
    tell({ kind: 'ready', time: startedAt })
    Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.running)
    new BigInt64Array(data.greeting)[GREETING.time >> 3] = startedAt
    greet(GREETING.ready)
    while (!consumer.isToStop) {
      if (consumer.doWork() === 0) continue
      const ticket = control.doorbell.announce()
      // Look once more: work published before the announcement did not ring.
      const idleMs = consumer.doWork()
      if (idleMs > 0 && !consumer.isToStop) control.doorbell.sleep(ticket, idleMs)
      else control.doorbell.stayAwake()
    }
    const totals = consumer.finish()
    tell({ kind: 'totals', totals, durationMs: Number(now() - startedAt) / 1e6 })
  } catch (error) {
    // Waiting threads learn of it. Tracepoints are off from here on. The files hold all records
    // delivered so far.
    control.disable(arena.generation)
    tell({ kind: 'failed', message: reasonOf(error) })
  } finally {
    greet(GREETING.ended)
    // Tracing is off by now. A thread that asked earlier and got no answer must not wait any
    // longer.
    const { words } = control
    Atomics.store(words, CONTROL.answered >> 2, Atomics.load(words, CONTROL.asked >> 2))
    Atomics.notify(words, CONTROL.answered >> 2)
    taker.close()
    channel.close()
    endRequests(arena)
    sink?.close()
    flightConsumer?.close()
  }
}
