/**
 * The consumer thread: the outermost loop around `Consumer`, and its only part that sleeps.
 *
 * It uses nothing that needs the main thread: no console, and no event loop after its start. It
 * does not depend on the way in which the program finds its modules. The client bundles this file,
 * its format and all their imports into one text (for tracing, `scripts/bundle.mjs` does this), and
 * the thread is started from that text.
 */
import { BroadcastChannel, parentPort, Worker, workerData, type WorkerOptions } from 'node:worker_threads'
import { Arena, ARENA, CONSUMER_STATE } from './arena.js'
import { now } from './clock.js'
import { CallTaker } from './call.js'
import { Consumer } from './consumer.js'
import { arenaChannelName, Control } from './control.js'
import { CONTROL } from './control-page.js'
import type { FlightInit } from './flight.js'
import { encodeInto } from './process.js'
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
  /** See {@link START}. */
  readonly start: SharedArrayBuffer
  /** Undefined for a recording in memory, which gets its sink later. */
  readonly sinkInit: unknown
  readonly flushIntervalMs: number
  readonly graceMs: number
  readonly formatInit: unknown
  /** Given for a flight recorder, which has no sink until a snapshot is taken. */
  readonly flight: FlightInit | undefined
  readonly companion: Companion | undefined
}

/**
 * A thread that this one starts some time after its own start, and that ends with it. So it comes
 * also where the recorder never returns to its event loop, and a program that ends soon goes
 * without.
 */
export interface Companion {
  readonly file: string
  readonly options: WorkerOptions
  /** How long after this thread's start, in milliseconds. */
  readonly afterMs: number
}

/**
 * What this thread stores of its start, for a recorder that does not return to its event loop
 * meanwhile: the text first, then `state`, with a release that the recorder's load of it acquires.
 *
 * ```text
 *  +0  i32     state   0: not yet; 1: ready; 2: this thread could not start
 *  +4  i32     length  bytes of the text
 *  +8  u8[…]   text    why it could not, in UTF-8
 * ```
 */
export const START = { bytes: 1024, state: 0, length: 4, text: 8, ready: 1, failed: 2 } as const

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
  let isReady = false
  try {
    made = makeConsumer({ data, control, arena, listeners, createFormat, createSink })
    const startedAt = now()
    tell({ kind: 'ready', time: startedAt })
    Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.running)
    noteStart(data, START.ready)
    isReady = true
    const totals = consume(made.consumer, control, new LateCompanion(data.companion))
    tell({ kind: 'totals', totals, durationMs: Number(now() - startedAt) / 1e6 })
  } catch (error) {
    const message = reasonOf(error)
    // Before the switch-off, which comes in vain if the recorder has not switched on yet: then it
    // sees this afterwards. Pairs with: Starting.finish.
    if (!isReady) noteFailure(data, message)
    // Waiting threads learn of it. Tracepoints are off from here on. The files hold all records
    // delivered so far.
    control.disable(arena.generation)
    tell({ kind: 'failed', message })
  } finally {
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

function noteStart({ start }: ConsumerData, state: number): void {
  // Pairs with: whyNotStarted (recorder.ts), Atomics.load of `state`.
  Atomics.store(new Int32Array(start, 0, 2), START.state >> 2, state)
}

function noteFailure(data: ConsumerData, message: string): void {
  // No view of shared memory: encoders of texts refuse one.
  const text = new Uint8Array(START.bytes - START.text)
  const { written } = encodeInto(message, text)
  new Uint8Array(data.start, START.text).set(text)
  new Int32Array(data.start, 0, 2)[START.length >> 2] = written
  noteStart(data, START.failed)
}

/** Lets a consumer work until it is asked to stop. */
function consume(
  consumer: Consumer | FlightConsumer,
  { doorbell }: Control,
  companion: LateCompanion,
): Totals {
  if (consumer instanceof Consumer) consumer.flushFirst()
  while (!consumer.isToStop) {
    const companionMs = companion.startIfDue()
    if (consumer.doWork() === 0) continue
    const ticket = doorbell.announce()
    // Look once more: work published before the announcement did not ring.
    const idleMs = Math.min(consumer.doWork(), companionMs)
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

/** Starts a companion when it is due. */
class LateCompanion {
  #companion: Companion | undefined
  readonly #dueAt: number

  constructor(companion: Companion | undefined) {
    this.#companion = companion
    this.#dueAt = performance.now() + (companion?.afterMs ?? 0)
  }

  /** @returns milliseconds until it is due; Infinity if it was started, or there is none. */
  startIfDue(): number {
    const companion = this.#companion
    if (companion === undefined) return Infinity
    const leftMs = this.#dueAt - performance.now()
    if (leftMs > 0) return leftMs
    this.#companion = undefined
    try {
      const worker = new Worker(companion.file, companion.options)
      worker.unref()
      worker.on('error', () => undefined)
    } catch {
      // There is no thread to be had. The recording goes on without.
    }
    return Infinity
  }
}
