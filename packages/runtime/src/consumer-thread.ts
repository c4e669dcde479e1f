/**
 * The consumer thread: the outermost loop around `Consumer`, and the only part of it that sleeps.
 *
 * It uses nothing that needs the main thread: no console, no event loop after its start. Nor does
 * it need anything of how the program finds its modules: a client bundles this, its format and what
 * they import into one text (for tracing, `scripts/bundle.mjs` does), and the thread is started
 * from that.
 */
import { BroadcastChannel, parentPort, workerData } from 'node:worker_threads'
import { Arena, ARENA, CONSUMER_STATE } from './arena.js'
import { now } from './clock.js'
import { Consumer, type Listeners } from './consumer.js'
import { CONTROL, Control } from './control-page.js'
import { arenaChannelName } from './cpu.js'
import { endRequests } from './request.js'
import type { CreateFormat } from './packet-format.js'
import type { CreateSink, Sink } from './sink.js'
import type { Totals } from './ledger.js'

/** What the recorder hands to this thread. */
export interface ConsumerData {
  readonly control: SharedArrayBuffer
  readonly arena: SharedArrayBuffer
  readonly sinkInit: unknown
  readonly flushIntervalMs: number
  readonly graceMs: number
  readonly formatInit: unknown
}

/** What this thread tells the recorder. */
export type ConsumerMessage =
  | { readonly kind: 'ready'; readonly time: bigint }
  | { readonly kind: 'trouble'; readonly message: string }
  | { readonly kind: 'totals'; readonly totals: Totals; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * The whole of this thread. The format and the sink are made of what the recorder gave for them.
 */
export function runConsumer(createFormat: CreateFormat, createSink: CreateSink): void {
  const data = workerData as ConsumerData
  const control = new Control(data.control)
  const arena = Arena.attach(data.arena)
  const tell = (message: ConsumerMessage): void => parentPort?.postMessage(message)

  const channel = new BroadcastChannel(arenaChannelName(arena.words[ARENA.recorder >> 2], arena.generation))
  channel.unref()

  const listeners: Listeners = {
    postArena: () => channel.postMessage(arena.memory),
    trouble: (message) => tell({ kind: 'trouble', message }),
  }

  let sink: Sink | undefined
  try {
    sink = createSink(data.sinkInit)
    const format = createFormat(data.formatInit, { control: data.control, arena: data.arena, sink })
    format.prepare([])
    const { flushIntervalMs, graceMs } = data
    const consumer = new Consumer(control, arena, format, sink, { flushIntervalMs, graceMs }, listeners)
    const startedAt = now()
    tell({ kind: 'ready', time: startedAt })
    Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.running)
    while (!consumer.isToStop) {
      if (consumer.doWork() === 0) continue
      const ticket = control.doorbell.announce()
      // Looks once more: what was published before the announcement rang nobody.
      const idleMs = consumer.doWork()
      if (idleMs > 0 && !consumer.isToStop) control.doorbell.sleep(ticket, idleMs)
      else control.doorbell.stayAwake()
    }
    const totals = consumer.finish()
    tell({ kind: 'totals', totals, durationMs: Number(now() - startedAt) / 1e6 })
  } catch (error) {
    // Threads that wait learn of it; tracepoints are off from here on, and the files hold what was
    // delivered.
    control.disable(arena.generation)
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  } finally {
    // Tracing is off by now. A thread that asked before, and was not answered, must not wait for
    // it.
    const { words } = control
    Atomics.store(words, CONTROL.answered >> 2, Atomics.load(words, CONTROL.asked >> 2))
    Atomics.notify(words, CONTROL.answered >> 2)
    channel.close()
    endRequests(arena)
    sink?.close()
  }
}
