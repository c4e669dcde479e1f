/**
 * The recorder: starts and stops the tracing of a process. Runs on the thread that records, which
 * is CPU 0.
 *
 * A recording runs from the moment when the flags of the control page say so (`enable`), after the
 * consumer was ready, until `stop` clears them (`disable`) and asks the consumer to stop
 * (`request.ts`). It is over when the consumer is.
 *
 * A process that ends without `stop` leaves it running: what is recorded is flushed
 * (`exit-hook.ts`), and the files are valid at every moment.
 */
import { Worker } from 'node:worker_threads'
import { ArenaPool } from './arena-pool.js'
import { Arena, ARENA, PLACE, CONSUMER_STATE, type ArenaOptions } from './arena.js'
import { NO_TOTALS, type Totals } from './ledger.js'
import type { ConsumerData, ConsumerMessage } from './consumer-thread.js'
import { ClockCheck, now, type Clock } from './clock.js'
import { CONTROL } from './control-page.js'
import { thisCpu, type CpuClient } from './cpu.js'
import { ExitHook } from './exit-hook.js'
import { flush, request, WANT } from './request.js'
import { eventIdentity } from '@rchan/threads'

/**
 * How a recording is consumed. Without it, buffers are only written, as a relay channel without
 * files.
 */
export interface ConsumerSetup {
  /** Where it goes, for messages. */
  readonly target: string
  /** What the function is given that makes the sink. */
  readonly sinkInit: unknown
  readonly flushIntervalMs: number
  /**
   * The program of the consumer thread, as CommonJS text that needs nothing but Node: it calls
   * `runConsumer` (of `consumer-thread`) with the functions that make its format and its sink.
   */
  readonly program: string
  /** What the function is given that makes the format. */
  readonly formatInit: unknown
}

/** What a recording needs. */
export interface RecorderOptions {
  readonly channel: ArenaOptions
  /** Bytes that every thread finds in the arena; the client's own. */
  readonly client: Uint8Array
  /** What the client does on the thread that starts the recording, which comes online at once. */
  readonly cpuClient: CpuClient
  readonly consumer: ConsumerSetup | undefined
}

/** What came of a recording, and how long it went on. */
export interface RecordingTotals extends Totals {
  readonly durationMs: number
}

/**
 * How old a sampled end must be before another thread may read up to it, in milliseconds (see
 * relay's Reader).
 */
const GRACE_MS = 10
/**
 * A process that exits gives up on a consumer that makes no progress for so long, in milliseconds.
 */
const EXIT_PATIENCE_MS = 10_000

/** The arenas of this thread's recordings that are over. */
const endedArenas = new ArenaPool()

/** A recording that runs. */
export class Recorder {
  readonly arena: Arena
  readonly #options: ArenaOptions
  readonly #worker: Worker | undefined
  readonly #ended: Promise<RecordingTotals>
  #stopping: Promise<RecordingTotals> | undefined
  /** The consumer has ended: the arena may be another recording's by now. */
  #isOver = false
  readonly #exitHook: ExitHook | undefined
  readonly #onWorker = (worker: Worker): void => this.#watch(worker)

  private constructor(
    options: ArenaOptions,
    arena: Arena,
    worker: Worker | undefined,
    ended: Promise<RecordingTotals>,
  ) {
    this.#options = options
    this.arena = arena
    this.#worker = worker
    this.#ended = ended
    // A program that never calls stop must not crash over it. (stop rejects.)
    ended.catch(() => undefined)
    process.on('worker', this.#onWorker)
    try {
      if (worker !== undefined)
        this.#exitHook = new ExitHook(() => flush(arena, thisCpu.control, EXIT_PATIENCE_MS))
    } catch (error) {
      process.off('worker', this.#onWorker)
      throw error
    }
    // Last: a recording that could not start is not this object's to end.
    ended.then(this.#forget, this.#forget)
  }

  /**
   * Starts a recording; when it returns, every tracepoint call in the process is recorded.
   *
   * @throws Error when one runs already, or the consumer thread can't start; RangeError for a
   * geometry that can't be.
   */
  static async start(options: RecorderOptions): Promise<Recorder> {
    const { control } = thisCpu
    if (!control.isShared) {
      throw new Error(
        'the environment data of this thread hold something else where its workers look for rchan, so their events ' +
          'would be lost: leave the data under the key rchan:control to rchan',
      )
    }
    const me = thisCpu.thread
    const holder = control.claimRecorder(me)
    if (holder !== 0) {
      throw new Error(
        `a recording runs already in this process (started by ${holder === me.identity ? 'this' : 'another'} thread): ` +
          `stop it before you start the next`,
      )
    }
    let abandon = (): Promise<unknown> | undefined => undefined
    try {
      const generation = Atomics.add(control.words, CONTROL.recordings >> 2, 1) + 1
      const arena = Arena.create(
        options.channel,
        generation,
        me.identity,
        options.client,
        endedArenas.take(options.channel),
      )
      control.resetFaults()
      let worker: Worker | undefined
      let ended: Promise<RecordingTotals> = new Promise(() => undefined)
      let clock: Clock | undefined = now
      if (options.consumer !== undefined) {
        const check = new ClockCheck()
        const consumer = startConsumer(arena, options.consumer)
        ;({ worker, ended } = consumer)
        abandon = () => {
          consumer.worker.ref()
          request(arena, control, WANT.stop)
          return consumer.ended.catch(() => undefined)
        }
        clock = check.pick(await consumer.ready)
      }
      thisCpu.setClient(options.cpuClient)
      // Without a clock this thread asks again, as others do, at its first record.
      if (clock !== undefined) thisCpu.setArena(arena, clock)
      control.enable(generation)
      if (clock !== undefined) thisCpu.online()
      return new Recorder(options.channel, arena, worker, ended)
    } catch (error) {
      // A listener of the program may have thrown when all was under way: nobody could stop it.
      control.disable(control.generation)
      await abandon()
      thisCpu.release()
      control.releaseRecorder()
      throw error
    }
  }

  /**
   * Ends the recording. When it returns, every record whose call returned before is in the files.
   *
   * @throws Error when the consumer thread failed.
   */
  async stop(): Promise<RecordingTotals> {
    this.#stopping ??= this.#stop()
    return await this.#stopping
  }

  async #stop(): Promise<RecordingTotals> {
    if (this.#isOver) return await this.#ended
    this.#worker?.ref()
    this.#switchOff()
    if (this.#worker === undefined) {
      this.#forget()
      return { ...NO_TOTALS, noBuffer: thisCpu.control.noBuffer, durationMs: 0 }
    }
    return await this.#ended
  }

  #switchOff(): void {
    const { control } = thisCpu
    control.disable(this.arena.generation)
    request(this.arena, control, WANT.stop)
  }

  /** Nothing of the recording stays behind in this thread. */
  readonly #forget = (): void => {
    this.#isOver = true
    this.#exitHook?.end()
    process.off('worker', this.#onWorker)
    thisCpu.control.disable(this.arena.generation)
    thisCpu.release()
    endedArenas.add(this.#options, this.arena)
    thisCpu.control.releaseRecorder()
  }

  /**
   * A worker's `exit` event tells of its death where the kernel can't be asked, or knows it by
   * another name: one that had mocked its file system before it loaded rchan has an identity of
   * Node's.
   */
  #watch(worker: Worker): void {
    const { identity } = eventIdentity(worker.threadId)
    worker.once('exit', () => {
      for (let cpu = 0; cpu < this.arena.possibleCpus; cpu += 1) {
        if (Atomics.load(this.arena.words, this.arena.placeWord(cpu, PLACE.owner)) === identity) {
          // Pairs with: Reaper.findDead, Atomics.load of `exited`.
          Atomics.store(this.arena.words, this.arena.placeWord(cpu, PLACE.exited), 1)
        }
      }
    })
  }
}

function startConsumer(
  arena: Arena,
  setup: ConsumerSetup,
): { worker: Worker; ready: Promise<bigint>; ended: Promise<RecordingTotals> } {
  const data: ConsumerData = {
    control: thisCpu.control.memory,
    arena: arena.memory,
    sinkInit: setup.sinkInit,
    flushIntervalMs: setup.flushIntervalMs,
    graceMs: GRACE_MS,
    formatInit: setup.formatInit,
  }
  // A text, an empty environment, no arguments: no preload of the program runs in this thread, and
  // what it is made of is not looked up in whatever way the program finds its modules (Plug'n'Play,
  // an archive, a bundle).
  const worker = new Worker(setup.program, {
    eval: true,
    name: 'rchan consumer',
    workerData: data,
    env: {},
    execArgv: [],
    trackUnmanagedFds: false,
  })
  let isReady = (_time: bigint): void => undefined
  let isNotReady = (_error: Error): void => undefined
  const ready = new Promise<bigint>((resolve, reject) => {
    isReady = resolve
    isNotReady = reject
  })
  const ended = new Promise<RecordingTotals>((resolve, reject) => {
    let totals: RecordingTotals | undefined
    let failure: unknown = new Error('the consumer thread ended before the recording was stopped')
    worker.on('message', (message: ConsumerMessage) => {
      if (message.kind === 'ready') {
        worker.unref()
        isReady(message.time)
      } else if (message.kind === 'trouble') {
        process.emitWarning(`rchan: can't write to ${setup.target}, will try again: ${message.message}`)
      } else if (message.kind === 'totals') totals = { ...message.totals, durationMs: message.durationMs }
      else failure = new Error(message.message)
    })
    worker.on('error', (error: Error) => {
      failure = error
    })
    worker.on('exit', () => {
      // Also where the thread could not say so itself.
      Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.over)
      if (totals !== undefined) return resolve(totals)
      const { message } = failure as Error
      isNotReady(failure as Error)
      reject(
        new Error(
          `the recording in ${setup.target} failed: ${message}; its files hold what was delivered before`,
          { cause: failure },
        ),
      )
    })
  })
  ended.catch(() => undefined)
  return { worker, ready, ended }
}

export type { CpuTotals, Losses, RingLosses, ThreadTotals, Totals } from './ledger.js'
