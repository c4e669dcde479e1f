/**
 * The consumer thread: the outermost loop around `Consumer`, and the only part of it that sleeps.
 *
 * It uses nothing that needs the main thread: no console, no event loop after its start. Nor does it need anything of how
 * the program finds its modules: a client bundles this, its format and what they import into one text (for tracing,
 * `scripts/bundle.mjs` does), and the thread is started from that.
 */
import { raise } from '@rchan/sync'
import { BroadcastChannel, parentPort, workerData } from 'node:worker_threads'
import { Arena, ARENA, STATE } from './arena.js'
import { now } from './clock.js'
import { Consumer, type World } from './consumer.js'
import { CONTROL, Control } from './control.js'
import { arenaChannelName } from './cpu.js'
import { endFlushes } from './flush.js'
import { OpenFolder } from './folder.js'
import type { CreateFormat } from './format.js'
import { isDead, isProvable } from '@rchan/threads'
import type { Totals } from './totals.js'

/** What the coordinator hands to this thread. */
export interface ConsumerData {
  readonly control: SharedArrayBuffer
  readonly arena: SharedArrayBuffer
  readonly folder: string
  readonly flushIntervalMs: number
  readonly graceMs: number
  readonly formatInit: unknown
}

/** What this thread tells the coordinator. */
export type ConsumerMessage =
  | { readonly kind: 'ready'; readonly time: bigint }
  | { readonly kind: 'trouble'; readonly message: string }
  | { readonly kind: 'totals'; readonly totals: Totals; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly message: string }

/** The whole of this thread. @param createFormat makes the format from the `formatInit` that the coordinator gave. */
export function runConsumer(createFormat: CreateFormat): void {
  const data = workerData as ConsumerData
  const control = new Control(data.control)
  const arena = Arena.attach(data.arena)
  const tell = (message: ConsumerMessage): void => parentPort?.postMessage(message)
  const quiet = new Int32Array(new SharedArrayBuffer(4))

  const channel = new BroadcastChannel(arenaChannelName(arena.words[ARENA.starter >> 2], arena.generation))
  channel.unref()

  const world: World = {
    now: () => performance.now(),
    sleep: (ms) => void Atomics.wait(quiet, 0, 0, ms),
    isDead: (identity, startTicks, exited) => (isProvable(identity) ? isDead(identity, startTicks) : exited),
    postArena: () => channel.postMessage(arena.memory),
    trouble: (message) => tell({ kind: 'trouble', message }),
  }

  const state = (): number => Atomics.load(arena.words, ARENA.state >> 2)

  let folder: OpenFolder | undefined
  try {
    folder = new OpenFolder(data.folder)
    const format = createFormat(data.formatInit, { control: data.control, arena: data.arena, folder })
    format.prepare()
    const { flushIntervalMs, graceMs } = data
    const consumer = new Consumer(control, arena, format, { folder, flushIntervalMs, graceMs }, world)
    const startedAt = now()
    tell({ kind: 'ready', time: startedAt })
    raise(arena.words, ARENA.state >> 2, STATE.running)
    while (state() < STATE.stopping) {
      if (consumer.doWork() === 0) continue
      const ticket = control.doorbell.announce()
      // Looks once more: what was published before the announcement rang nobody.
      const idleMs = consumer.doWork()
      if (idleMs > 0 && state() < STATE.stopping) control.doorbell.sleep(ticket, idleMs)
      else control.doorbell.stayAwake()
    }
    const totals = consumer.finish()
    tell({ kind: 'totals', totals, durationMs: Number(now() - startedAt) / 1e6 })
  } catch (error) {
    // Whoever waits learns of it; tracepoints are off from here on, and the files hold what was delivered.
    control.disable(arena.generation)
    tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  } finally {
    // Tracing is off by now. Who asked before it was, and was not answered, is not to wait for it.
    const { words } = control
    Atomics.store(words, CONTROL.answered >> 2, Atomics.load(words, CONTROL.asked >> 2))
    Atomics.notify(words, CONTROL.answered >> 2)
    channel.close()
    endFlushes(arena)
    // Node does not close it with the thread: each recording would leave a descriptor behind in the process.
    folder?.close()
  }
}
