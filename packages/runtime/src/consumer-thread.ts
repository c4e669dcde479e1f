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

/** What a consumer is made of. */
interface Setup {
  readonly data: ConsumerData
  readonly control: Control
  readonly arena: Arena
  readonly listeners: Listeners
  readonly createFormat: CreateFormat
  readonly createSink: CreateSink
}

/** A consumer, and what closes its sinks behind it. */
interface MadeConsumer {
  readonly consumer: Consumer | FlightConsumer
  close(): void
}

/**
 * Runs this thread from start to end. It makes the format and the sink from the recorder's data.
 */
export function runConsumer(createFormat: CreateFormat, createSink: CreateSink): void {
  const data = workerData as ConsumerData
  const control = new Control(data.control)
  const arena = Arena.attach(data.arena)
  const recorder = arena.words[ARENA.recorder >> 2]
  const channel = new BroadcastChannel(arenaChannelName(recorder, arena.generation))
  channel.unref()
  const taker = new CallTaker(control, recorder, arena.generation)
  const listeners: Listeners = {
    postArena: () => channel.postMessage(arena.memory),
    takeCalls: () => taker.take(),
    trouble: (message) => tell({ kind: 'trouble', message }),
  }
  let made: MadeConsumer | undefined
  try {
    made = makeConsumer({ data, control, arena, listeners, createFormat, createSink })
    const startedAt = now()
    tell({ kind: 'ready', time: startedAt })
    Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.running)
    new BigInt64Array(data.greeting)[GREETING.time >> 3] = startedAt
    greet(data, GREETING.ready)
    const totals = consume(made.consumer, control)
    tell({ kind: 'totals', totals, durationMs: Number(now() - startedAt) / 1e6 })
  } catch (error) {
    // Waiting threads learn of it. Tracepoints are off from here on. The files hold all records
    // delivered so far.
    control.disable(arena.generation)
    tell({ kind: 'failed', message: reasonOf(error) })
  } finally {
    greet(data, GREETING.ended)
    // Tracing is off by now. A thread that asked earlier and got no answer must not wait any
    // longer.
    const { words } = control
    Atomics.store(words, CONTROL.answered >> 2, Atomics.load(words, CONTROL.asked >> 2))
    Atomics.notify(words, CONTROL.answered >> 2)
    taker.close()
    channel.close()
    endRequests(arena)
    made?.close()
  }
}

function tell(message: ConsumerMessage): void {
  parentPort?.postMessage(message)
}

function greet({ greeting }: ConsumerData, state: number): void {
  const words = new Int32Array(greeting)
  // Pairs with: awaitGreeting (recorder.ts), Atomics.load of `state`.
  Atomics.store(words, GREETING.state >> 2, state)
  Atomics.notify(words, GREETING.state >> 2)
}

/** Lets a consumer work until it is asked to stop. */
function consume(consumer: Consumer | FlightConsumer, { doorbell }: Control): Totals {
  while (!consumer.isToStop) {
    if (consumer.doWork() === 0) continue
    const ticket = doorbell.announce()
    // Look once more: work published before the announcement did not ring.
    const idleMs = consumer.doWork()
    if (idleMs > 0 && !consumer.isToStop) doorbell.sleep(ticket, idleMs)
    else doorbell.stayAwake()
  }
  return consumer.finish()
}

function makeConsumer(setup: Setup): MadeConsumer {
  const { flight, sinkInit } = setup.data
  if (flight !== undefined) return flightConsumer(setup, flight)
  return sinkInit === undefined ? memoryConsumer(setup) : sinkConsumer(setup)
}

function sinkConsumer(setup: Setup): MadeConsumer {
  const { data, control, arena, listeners } = setup
  const sink = setup.createSink(data.sinkInit)
  try {
    const consumer = new Consumer(control, arena, formatOf(setup, sink), sink, data, listeners)
    return { consumer, close: () => sink.close() }
  } catch (error) {
    sink.close()
    throw error
  }
}

/** The consumer of a recording in memory, which may get a sink later. */
function memoryConsumer(setup: Setup): MadeConsumer {
  const { data, control, arena, listeners } = setup
  // A time before any record.
  const startedAt = now()
  let sink: Sink | undefined
  const makeTarget = (init: unknown): { format: PacketFormat; sink: Sink } => {
    const made = setup.createSink(init)
    try {
      const format = formatOf(setup, made, startedAt)
      sink = made
      return { format, sink }
    } catch (error) {
      made.close()
      throw error
    }
  }
  const format = formatOf(setup, NOWHERE, startedAt)
  const consumer = new Consumer(control, arena, format, NOWHERE, data, listeners, makeTarget)
  return { consumer, close: () => sink?.close() }
}

function flightConsumer(setup: Setup, flight: FlightInit): MadeConsumer {
  const { data, control, arena, listeners, createSink } = setup
  const client = {
    createSink,
    createFormat: (sink: Sink, startedAt: bigint) => createFormatOf(setup, sink, startedAt),
  }
  const consumer = new FlightConsumer(control, arena, client, flight, data, listeners)
  return { consumer, close: () => consumer.close() }
}

/** A format that is ready for records. */
function formatOf(setup: Setup, sink: Sink, startedAt?: bigint): PacketFormat {
  const format = createFormatOf(setup, sink, startedAt)
  format.prepare([])
  return format
}

function createFormatOf({ createFormat, data }: Setup, sink: Sink, startedAt?: bigint): PacketFormat {
  const { control, arena, formatInit } = data
  return createFormat(formatInit, { control, arena, sink, ...(startedAt === undefined ? {} : { startedAt }) })
}
