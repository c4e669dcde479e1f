/**
 * The recorder: starts and stops the tracing of a process. Runs on the recording thread, which is
 * CPU 0.
 *
 * A recording begins when the flags of the control page are set (`enable`), after the consumer was
 * ready. It runs until `stop` clears them (`disable`) and asks the consumer to stop (`request.ts`).
 * It is over when the consumer has ended.
 *
 * A process that ends without `stop` leaves the recording running. Its records are flushed
 * (`exit-hook.ts`), and the files are valid at every moment.
 */
import { GRACE_MS } from '@rchan/ring'
import { Worker } from 'node:worker_threads'
import { ArenaPool } from './arena-pool.js'
import { Arena, ARENA, PLACE, CONSUMER_STATE, type ArenaOptions } from './arena.js'
import { NO_TOTALS, type Totals } from './ledger.js'
import { START, type Companion, type ConsumerData, type ConsumerMessage } from './consumer-thread.js'
import { now, type Clock } from './clock.js'
import { ClockCheck } from './clock-check.js'
import { stopListening } from './call.js'
import { CONTROL } from './control-page.js'
import { thisCpu, type CpuClient } from './cpu.js'
import { ExitHook, harmless } from './exit-hook.js'
import type { FlightInit } from './flight.js'
import { decodeShared, thisProcess } from './process.js'
import { flush, request, WANT } from './request.js'
import { Triggers, type TriggerOptions } from './triggers.js'
import { eventIdentity } from '@rchan/threads'

/**
 * The consumer of a recording. Without a consumer, buffers are only written, as in a relay channel
 * without files.
 */
export interface ConsumerSetup {
  /** The target of the recording, for messages. It is read anew for each. */
  readonly target: string
  /**
   * The argument of the function that makes the sink; undefined for a recording in memory, which
   * gets its sink by a call (`FILES_CALL`).
   */
  readonly sinkInit: unknown
  readonly flushIntervalMs: number
  /**
   * The program of the consumer thread, as CommonJS text that needs only Node. It calls
   * `runConsumer` (of `consumer-thread`) with the functions that make its format and its sink.
   */
  readonly program: string
  /** The argument of the function that makes the format. */
  readonly formatInit: unknown
  /** Is told what does not end the recording, and the user should know. */
  readonly onTrouble: (text: string) => void
  /** Given for a flight recorder. Then `sinkInit` is not used: a snapshot's folder is. */
  readonly flight?: FlightInit
  /** A thread that the consumer thread starts some time later. */
  readonly companion?: Companion | undefined
}

/** Options of a recording. */
export interface RecorderOptions {
  /** Which events are wanted, see `Control.setRules`; by default all. */
  readonly rules?: string
  readonly channel: ArenaOptions
  /** The client's own bytes, which every thread finds in the arena. */
  readonly client: Uint8Array
  /**
   * The client's calls on the thread that starts the recording. That thread comes online at once.
   */
  readonly cpuClient: CpuClient
  readonly consumer: ConsumerSetup | undefined
  /** What triggers snapshots of a flight recorder on this thread. */
  readonly triggers?: TriggerOptions | undefined
}

/** The totals of a recording, and its duration. */
export interface RecordingTotals extends Totals {
  readonly durationMs: number
}

/** How long an exiting process waits for a consumer that makes no progress, in milliseconds. */
const EXIT_PATIENCE_MS = 10_000

/** The arenas of this thread's ended recordings. */
const endedArenas = new ArenaPool()

/** A running recording. */
export class Recorder {
  readonly arena: Arena
  readonly #options: ArenaOptions
  readonly #worker: Worker | undefined
  readonly #ended: Promise<RecordingTotals>
  #stopping: Promise<RecordingTotals> | undefined
  /** Whether the consumer has ended. Then the arena may belong to another recording. */
  #isOver = false
  readonly #exitHook: ExitHook | undefined
  readonly #triggers: Triggers | undefined
  readonly #onWorker = (worker: Worker): void => this.#watch(worker)

  private constructor(
    options: RecorderOptions,
    arena: Arena,
    worker: Worker | undefined,
    ended: Promise<RecordingTotals>,
  ) {
    this.#options = options.channel
    this.arena = arena
    this.#worker = worker
    this.#ended = ended
    // A program that never calls `stop` must not crash because of this promise. (`stop` rejects.)
    ended.catch(() => undefined)
    process.on('worker', this.#onWorker)
    try {
      if (worker !== undefined)
        this.#exitHook = new ExitHook(() => flush(arena, thisCpu.control, EXIT_PATIENCE_MS))
      if (options.triggers !== undefined) this.#triggers = new Triggers(thisCpu, options.triggers)
    } catch (error) {
      process.off('worker', this.#onWorker)
      this.#exitHook?.end()
      throw error
    }
    // This comes last: this object must not end a recording that could not start.
    ended.then(this.#forget, this.#forget)
  }

  /**
   * Starts a recording. Once it has resolved, every tracepoint call in the process is recorded.
   *
   * @throws Error when a recording runs already, or the consumer thread can't start; RangeError for
   * an impossible geometry.
   */
  static async start(options: RecorderOptions): Promise<Recorder> {
    const starting = new Starting(options)
    try {
      const time = await starting.consumer?.ready
      return starting.finish(time, (...parts) => new Recorder(options, ...parts))
    } catch (error) {
      await starting.abandon()
      starting.release()
      throw error
    }
  }

  /**
   * Starts a recording before it returns, while the consumer thread is on its way: what is recorded
   * meanwhile waits for it in the buffers.
   *
   * @param meanwhile is called before anything is recorded.
   * @param failed is called if the consumer thread can't start: from the event loop, or as the
   * process exits. The recording is over then.
   * @throws as {@link start}, and what `meanwhile` throws.
   */
  static startNow(options: RecorderOptions, meanwhile: () => void, failed: (error: Error) => void): Recorder {
    const starting = new Starting(options)
    try {
      meanwhile()
      starting.consumer?.worker.unref()
      starting.watch(failed)
      return starting.finish(undefined, (...parts) => new Recorder(options, ...parts))
    } catch (error) {
      void starting.abandon()?.then(() => starting.release())
      throw error
    }
  }

  /**
   * Ends the recording. Once it has resolved, every record whose call returned before it is in the
   * files.
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

  /** Removes all traces of the recording from this thread. */
  readonly #forget = (): void => {
    this.#isOver = true
    this.#exitHook?.end()
    this.#triggers?.end()
    process.off('worker', this.#onWorker)
    thisCpu.control.disable(this.arena.generation)
    thisCpu.control.setRules('')
    thisCpu.release()
    endedArenas.add(this.#options, this.arena)
    thisCpu.control.releaseRecorder()
  }

  /**
   * Watches the `exit` event of a worker. It reports the death of a worker if the kernel can't be
   * asked, or knows it by another identity: a worker that mocked its file system before it loaded
   * rchan has an identity from Node's thread id.
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

/** What a recorder consists of. */
type Parts = [arena: Arena, worker: Worker | undefined, ended: Promise<RecordingTotals>]

/** What to do about a recording that runs already. */
const STOP_IT =
  'stop it before you start the next (a call of a tracepoint writes into one recording only, so a flight ' +
  "recorder and another recording can't run at the same time)"
const LEAVE_IT =
  "rchan record, or rchan/auto, started it before the program, and records the program's own events, too: " +
  'leave out the call of startRecording, or run the program without rchan record'

const WRONG_CLOCK =
  'process.hrtime was replaced before rchan was loaded, as tests do to fake time: load rchan first'

/** Whether `rchan/auto` is loaded in this thread. */
function isRecordedFromOutside(): boolean {
  return Reflect.get(thisProcess, Symbol.for('rchan.auto')) === true
}

/** A recording that has begun to start: it has its arena, and its consumer thread is on its way. */
class Starting {
  readonly consumer: StartedConsumer | undefined
  readonly #options: RecorderOptions
  readonly #arena: Arena
  readonly #clockCheck = new ClockCheck()

  /** @throws as `Recorder.start`; then nothing is left behind. */
  constructor(options: RecorderOptions) {
    this.#options = options
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
      const who = `started by ${holder === me.identity ? 'this' : 'another'} thread`
      throw new Error(
        `a recording runs already in this process (${who}): ${isRecordedFromOutside() ? LEAVE_IT : STOP_IT}`,
      )
    }
    try {
      const generation = Atomics.add(control.words, CONTROL.recordings >> 2, 1) + 1
      this.#arena = Arena.create(
        options.channel,
        generation,
        me.identity,
        options.client,
        endedArenas.take(options.channel),
      )
      if (options.triggers !== undefined) {
        // Read by threads after they have seen the generation that `enable` stores.
        this.#arena.words[ARENA.lastWords >> 2] = Triggers.lastWords(options.triggers)
      }
      control.resetFaults()
      if (options.consumer !== undefined) this.consumer = startConsumer(this.#arena, options.consumer)
    } catch (error) {
      this.release()
      throw error
    }
  }

  /**
   * Tells once if the consumer thread can't start. A program that ends meanwhile hears of it at the
   * exit, when no message comes any more.
   */
  watch(failed: (error: Error) => void): void {
    const { consumer } = this
    if (consumer === undefined) return
    const fail = (error: Error): void => {
      thisProcess.off('exit', atExit)
      failed(error)
    }
    const atExit = harmless(() => {
      const why = whyNotStarted(consumer.start)
      if (why !== undefined) fail(new Error(why))
    })
    thisProcess.once('exit', atExit)
    consumer.ready.then(
      (time) => {
        thisProcess.off('exit', atExit)
        if (this.#clockCheck.pick(time) === now) return
        // Its records have times of that clock.
        void this.abandon()
        fail(new Error(WRONG_CLOCK))
      },
      (error: Error) => fail(error),
    )
  }

  /**
   * Sets the flags.
   *
   * @param time that the consumer told when it was ready; undefined without a consumer, or before
   * it is ready.
   */
  finish(time: bigint | undefined, make: (...parts: Parts) => Recorder): Recorder {
    const { control } = thisCpu
    const clock: Clock | undefined = time === undefined ? now : this.#clockCheck.pick(time)
    thisCpu.setClient(this.#options.cpuClient)
    // Without a clock this thread asks again at its first record, as other threads do.
    if (clock !== undefined) thisCpu.setArena(this.#arena, clock)
    control.setRules(this.#options.rules ?? '')
    control.enable(this.#arena.generation)
    // A consumer that failed before that could switch nothing off. Threads would wait for it.
    const { consumer } = this
    if (consumer !== undefined && whyNotStarted(consumer.start) !== undefined) {
      control.disable(this.#arena.generation)
    }
    if (clock !== undefined) thisCpu.online()
    return make(this.#arena, this.consumer?.worker, this.consumer?.ended ?? new Promise(() => undefined))
  }

  /**
   * Ends what was started. A listener of the program may have thrown after all was, and no one else
   * could stop the recording.
   *
   * @returns when the consumer has ended; undefined without one.
   */
  abandon(): Promise<unknown> | undefined {
    const { control } = thisCpu
    control.disable(control.generation)
    if (this.consumer === undefined) return undefined
    this.consumer.worker.ref()
    request(this.#arena, control, WANT.stop)
    return this.consumer.ended.catch(() => undefined)
  }

  /** Lets another recording start. */
  release(): void {
    thisCpu.release()
    thisCpu.control.releaseRecorder()
  }
}

/** The consumer thread of a recording. */
interface StartedConsumer {
  readonly worker: Worker
  readonly ready: Promise<bigint>
  readonly ended: Promise<RecordingTotals>
  /** See `START`. */
  readonly start: Int32Array<SharedArrayBuffer>
}

/** Why the consumer thread could not start, as far as is known. */
function whyNotStarted(start: Int32Array<SharedArrayBuffer>): string | undefined {
  // Pairs with: runConsumer, Atomics.store of `state`.
  if (Atomics.load(start, START.state >> 2) !== START.failed) return undefined
  const { [START.length >> 2]: length } = start
  return decodeShared(new Uint8Array(start.buffer, START.text, Math.min(length, START.bytes - START.text)))
}

function startConsumer(arena: Arena, setup: ConsumerSetup): StartedConsumer {
  const start = new SharedArrayBuffer(START.bytes)
  const data: ConsumerData = {
    control: thisCpu.control.memory,
    arena: arena.memory,
    start,
    sinkInit: setup.sinkInit,
    flushIntervalMs: setup.flushIntervalMs,
    graceMs: GRACE_MS,
    formatInit: setup.formatInit,
    flight: setup.flight,
    companion: setup.companion,
  }
  // The program is a text, with an empty environment and no arguments. So no preload of the user's
  // program runs in this thread. And no module is looked up in the user's way (Plug'n'Play, an
  // archive, a bundle).
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
        setup.onTrouble(`can't write to ${setup.target}, will try again: ${message.message}`)
      } else if (message.kind === 'totals') totals = { ...message.totals, durationMs: message.durationMs }
      else failure = new Error(message.message)
    })
    worker.on('error', (error: Error) => {
      failure = error
    })
    worker.on('exit', () => {
      // Stored also for a thread that could not store it itself.
      Atomics.store(arena.words, ARENA.state >> 2, CONSUMER_STATE.over)
      stopListening(thisCpu.control, arena.generation)
      if (totals !== undefined) return resolve(totals)
      const { message } = failure as Error
      isNotReady(failure as Error)
      reject(
        new Error(
          `the recording in ${setup.target} failed: ${message}; its files, if it has any, hold what was delivered before`,
          { cause: failure },
        ),
      )
    })
  })
  ended.catch(() => undefined)
  // `startNow` may fail before it looks at it.
  ready.catch(() => undefined)
  return { worker, ready, ended, start: new Int32Array(start) }
}

export type { Companion } from './consumer-thread.js'
export type { Trigger } from './trigger.js'
export type { FlightInit, SnapshotLimits } from './flight.js'
export type { FlightTotals, NotTaken, Snapshot, SnapshotThread } from './snapshot-totals.js'
export type {
  CpuTotals,
  Fate,
  Losses,
  LossReport,
  OwnCounts,
  RingLosses,
  ThreadLosses,
  ThreadTotals,
  Totals,
} from './ledger.js'
export type { LookoutOptions } from './lookout.js'
export type { TriggerOptions } from './triggers.js'
export { MAX_STALL_MS, MIN_STALL_MS } from './heartbeat.js'
export { registryPaths } from './registration.js'
export { requestSnapshot } from './request-snapshot.js'
