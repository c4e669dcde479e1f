/**
 * The runtime: threads as CPUs, which a coordinator spawns and retires, and channels that all of
 * them write. It runs on the thread that started it, the coordinator, which is CPU 0 and the
 * relay's file thread.
 *
 * A CPU goes through these states; the coordinator does the steps of the workers that it spawned:
 *
 * ```text
 *             spawn: reserved, prepared     the worker joins       retire: asked
 *   offline ───────────────────▶ starting ──────────────▶ online ───────────────▶ retiring
 *      ▲  ▲                         │ fails, exits,          │ exits, leaves          │ exits, leaves,
 *      │  └── its error says which ─┘ or is too late         │                        │ or is terminated
 *      └──── what it left open is completed ◀───────────────┴────────────────────────┘
 * ```
 */
import { Relay, type RelayOptions } from '@rchan/relay'
import { thisThread } from '@rchan/threads'
import { randomUUID } from 'node:crypto'
import { BroadcastChannel, Worker, type WorkerOptions } from 'node:worker_threads'
import { bequeath, inheritedHome, type Word } from './home.js'
import { JoinedRuntime, say } from './joined.js'
import { threadMachine } from './machine.js'
import { CpuTable } from './cpu-table.js'
import { checkOptions } from './given-options.js'
import { hasRecords, type RuntimeChannel } from './runtime-channel.js'
import {
  checkConsumerOptions,
  startConsumer,
  type ConsumerThread,
  type ConsumerThreadOptions,
} from './sink-consumer.js'

/** How large a runtime is. */
export interface RuntimeOptions {
  /** How many CPUs there can be, this thread included, 1 to 63. Default: 8. */
  readonly possibleCpus?: number
  /**
   * Bytes for the buffers of all channels. Memory that nobody touches costs nothing. Default: 64
   * MiB.
   */
  readonly memoryBytes?: number
}

/** The shape of a channel. */
export interface ChannelSettings {
  /** By which the threads find it. Default: `channel1`, `channel2`, … */
  readonly name?: string
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers in a buffer. */
  readonly subbufCount: number
  /**
   * What is lost when a buffer is full: the newest record (`'discard'`, the default) or the oldest.
   */
  readonly mode?: 'discard' | 'overwrite'
  /**
   * Whether each CPU has a buffer (`'per-thread'`, the default), or all share one (`'global'`). In
   * that they take turns: each write locks it.
   */
  readonly buffers?: 'per-thread' | 'global'
  /** Bytes reserved at the start of each sub-buffer. Default: 0. */
  readonly headerBytes?: number
}

/** Options of a worker: those of Node's `Worker`, and these. */
export interface SpawnOptions extends WorkerOptions {
  /** Number of its CPU. Default: the lowest that is free. */
  readonly cpu?: number
  /** How long it may take until it has joined, in milliseconds. Default: 10000. */
  readonly startTimeoutMs?: number
}

/** How to retire a CPU. */
export interface RetireOptions {
  /** How long the worker may take to end after it was asked, in milliseconds. Default: 5000. */
  readonly deadlineMs?: number
  /** Terminates the worker at once, without asking. Default: false. */
  readonly force?: boolean
}

/** Options of a thread that consumes channels of a runtime. */
export interface RuntimeConsumerOptions extends Omit<ConsumerThreadOptions, 'channels'> {
  readonly channels: readonly RuntimeChannel[]
}

/** How a thread's time as a CPU ended. */
export interface CpuEnd {
  /**
   * The worker ended by itself (`'exited'`), or it only left the runtime (`'left'`); it was
   * terminated by `retire`, `stop` or somebody else (`'terminated'`); or an error ended it
   * (`'crashed'`).
   */
  readonly how: 'exited' | 'left' | 'terminated' | 'crashed'
  /** The exit code of the worker; undefined if it only left. */
  readonly exitCode: number | undefined
  /** The error that ended it. */
  readonly error: Error | undefined
}

/** A CPU that the coordinator has spawned. */
export interface SpawnedCpu {
  readonly number: number
  /** Which thread of this CPU it is, counted from 1. */
  readonly generation: number
  readonly worker: Worker
  /** Node's number of the thread. */
  readonly threadId: number
  /** Resolves when it is no CPU any more and all that it wrote can be read. Never rejects. */
  readonly ended: Promise<CpuEnd>
}

/** A CPU of the runtime, as it is now. */
export interface CpuState {
  readonly number: number
  readonly state: 'starting' | 'online' | 'retiring'
  readonly generation: number
  /** Node's number of the thread; undefined while it is starting. */
  readonly threadId: number | undefined
  /** Who made the thread: it is the coordinator, spawned by it, or came by itself. */
  readonly origin: 'coordinator' | 'spawned' | 'joined'
}

const RUNTIME_OPTIONS = ['possibleCpus', 'memoryBytes']
const CHANNEL_SETTINGS = ['name', 'subbufSize', 'subbufCount', 'mode', 'buffers', 'headerBytes']
const RETIRE_OPTIONS = ['deadlineMs', 'force']
const DEFAULT_CPUS = 8
/** A relay has places for 64 threads; consumers need some. */
const MOST_CPUS = 63
const START_TIMEOUT_MS = 10_000
const DEADLINE_MS = 5000
/** How long the coordinator looks whether a thread that has ended is gone, a millisecond apart. */
const MOST_LOOKS = 1000

/** A worker of the coordinator's, from its reservation to its end. */
class Spawned {
  readonly cpu: number
  readonly generation: number
  worker: Worker | undefined
  state: 'starting' | 'online' | 'retiring' = 'starting'
  isTerminated = false
  hasLeft = false
  /** Whether the worker was online, known at its end: its word may come after that. */
  hasJoined = false
  error: Error | undefined
  readonly ended: Promise<CpuEnd>
  end: (end: CpuEnd) => void = () => undefined
  retiring: Promise<CpuEnd> | undefined

  constructor(cpu: number, generation: number) {
    this.cpu = cpu
    this.generation = generation
    this.ended = new Promise((resolve) => (this.end = resolve))
  }
}

/** A runtime, on its coordinator. {@link startRuntime} makes it. */
export class Runtime {
  /** This thread as CPU 0. */
  readonly self: JoinedRuntime
  readonly #table: CpuTable
  readonly #channelName: string
  readonly #words: BroadcastChannel
  /** By CPU. */
  readonly #spawned = new Map<number, Spawned>()
  /** Called with each word from a thread. */
  readonly #listeners = new Set<(word: Word) => void>()
  #channelsSoFar = 0
  readonly #consumers = new Set<ConsumerThread>()
  #stopping: Promise<void> | undefined

  /** @internal */
  constructor({ possibleCpus = DEFAULT_CPUS, memoryBytes }: RuntimeOptions) {
    if (!Number.isInteger(possibleCpus) || possibleCpus < 1 || possibleCpus > MOST_CPUS)
      throw new RangeError(
        `possibleCpus=${String(possibleCpus)} is not a whole number from 1 to ${MOST_CPUS}`,
      )
    const me = thisThread()
    const relay = new Relay(threadMachine(), {
      possibleCpus,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
    })
    relay.serveFromEventLoop()
    relay.comeOnline(0)
    this.#table = CpuTable.create(possibleCpus)
    const generation = this.#table.take(0, me)
    this.#channelName = `rchan:runtime:${process.pid}:${randomUUID()}`
    const place = { cpu: 0, generation, threadId: me.threadId }
    this.self = new JoinedRuntime(relay, this.#table, this.#channelName, place, true)
    this.#words = new BroadcastChannel(this.#channelName)
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- Node 20's types lack it here
    this.#words.onmessage = (event) => this.#hear((event as { data: Word }).data)
    this.#words.unref()
    this.#bequeath(-1, 0)
  }

  /** The relay behind it. */
  get relay(): Relay {
    return this.self.relay
  }

  get possibleCpus(): number {
    return this.#table.possibleCpus
  }

  /** The CPUs that are online, or about to be. */
  get cpus(): readonly CpuState[] {
    const found: CpuState[] = []
    for (let number = 0; number < this.possibleCpus; number += 1) {
      const spawned = this.#spawned.get(number)
      if (spawned === undefined && !this.#table.isTaken(number)) continue
      const state = spawned?.state ?? 'online'
      found.push({
        number,
        state,
        generation: spawned?.generation ?? this.#table.generation(number),
        threadId: state === 'starting' ? undefined : this.#table.threadId(number),
        origin: number === 0 ? 'coordinator' : spawned === undefined ? 'joined' : 'spawned',
      })
    }
    return found
  }

  /**
   * Opens a channel, with a buffer for each CPU, also for those that come online later. It has no
   * files yet.
   *
   * @throws RangeError for a geometry that can't be; Error when there is no memory, or another open
   * channel has the name.
   */
  open(settings: ChannelSettings): RuntimeChannel {
    this.#mustRun()
    checkOptions('open', settings, CHANNEL_SETTINGS)
    const { name = `channel${this.#channelsSoFar + 1}`, buffers = 'per-thread', ...shape } = settings
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`name=${JSON.stringify(name)} of a channel is no name`)
    if (buffers !== 'per-thread' && buffers !== 'global')
      throw new TypeError(`buffers=${String(buffers)} is neither 'per-thread' nor 'global'`)
    if (this.channels.some((channel) => channel.name === name))
      throw new Error(`a channel ${JSON.stringify(name)} is open already: close it, or choose another name`)
    const isGlobal = buffers === 'global'
    const options: RelayOptions = { ...shape, isGlobal, locksWrites: isGlobal }
    const channel = this.relay.open(options)
    try {
      this.#table.addChannel(channel.id, name, (id) => this.relay.channel(id) !== undefined)
    } catch (error) {
      channel.close()
      throw error
    }
    this.#channelsSoFar += 1
    return this.channel(name)
  }

  /** The open channels. */
  get channels(): readonly RuntimeChannel[] {
    return this.self.channels
  }

  /** The open channel of a name, or with an id. @throws Error when there is none. */
  channel(nameOrId: string | number): RuntimeChannel {
    return this.self.channel(nameOrId)
  }

  /**
   * Starts a worker as a CPU. The CPU is prepared first: it has its buffer in every open channel
   * before the worker runs. The worker calls {@link joinRuntime}.
   *
   * @returns (the promise) the CPU, when the worker has joined.
   * @throws (the promise) Error when the CPU is taken or can't be prepared, when the worker can't
   * start, throws or ends before it has joined, or has not joined in time. Then the worker is
   * terminated and its CPU is free.
   * @example
   * const cpu = await runtime.spawn(new URL('./worker.js', import.meta.url), { workerData })
   */
  async spawn(file: URL | string, options: SpawnOptions = {}): Promise<SpawnedCpu> {
    this.#mustRun()
    if (typeof file !== 'string' && typeof (file as URL | undefined | null)?.href !== 'string')
      throw new TypeError(`spawn: file=${String(file)} is neither a URL nor a path`)
    checkOptions('spawn', options)
    const { cpu: wanted, startTimeoutMs = START_TIMEOUT_MS, ...workerOptions } = options
    checkMs('startTimeoutMs', startTimeoutMs)
    const cpu = this.#reserve(wanted)
    const spawned = new Spawned(cpu, this.#table.beginGeneration(cpu))
    this.#spawned.set(cpu, spawned)
    const what = `the worker ${shown(file)} of cpu=${cpu}`
    try {
      if (!this.relay.prepareCpu(cpu))
        throw new Error(
          `cpu=${cpu} can't be prepared: there is no memory for its buffers (memoryBytes is too small)`,
        )
      this.#bequeath(cpu, spawned.generation)
      try {
        spawned.worker = new Worker(file, workerOptions)
      } finally {
        this.#bequeath(-1, 0)
      }
    } catch (error) {
      this.#release(spawned, { how: 'crashed', exitCode: undefined, error: error as Error })
      throw new Error(`${what} can't start: ${(error as Error).message}`, { cause: error })
    }
    const { worker } = spawned
    // It is −1 once the worker has ended.
    const { threadId } = worker
    this.#table.expect(cpu, threadId)
    this.#watch(spawned, worker)
    await this.#joined(spawned, what, startTimeoutMs)
    if (spawned.state === 'starting') spawned.state = 'online'
    return {
      number: cpu,
      generation: spawned.generation,
      worker,
      threadId,
      ended: spawned.ended,
    }
  }

  /**
   * Retires a CPU: asks its thread to end, and terminates it when the deadline has passed. What it
   * wrote stays in its buffers: up to the last whole record, consumers get it. A second call for
   * the same CPU waits for the same end.
   *
   * A thread that joined by itself can only be asked.
   *
   * @returns (the promise) how it ended.
   * @throws (the promise) RangeError when there is no such CPU; Error for CPU 0, for a CPU that is
   * not online, and for a thread of another origin that is still there at the deadline.
   */
  async retire(cpu: number | SpawnedCpu, options: RetireOptions = {}): Promise<CpuEnd> {
    const number = typeof cpu === 'object' && cpu !== null ? cpu.number : cpu
    checkOptions('retire', options, RETIRE_OPTIONS)
    const { deadlineMs = DEADLINE_MS, force = false } = options
    checkMs('deadlineMs', deadlineMs)
    this.#checkCpu(number)
    if (number === 0) throw new Error('cpu=0 is the coordinator itself: call stop() to end the runtime')
    const spawned = this.#spawned.get(number)
    if (typeof cpu === 'object' && spawned?.generation !== cpu.generation) return await cpu.ended
    if (spawned !== undefined) {
      if (force) spawned.retiring = this.#terminate(spawned)
      else spawned.retiring ??= this.#retireSpawned(spawned, deadlineMs)
      return await spawned.retiring
    }
    if (!this.#table.isTaken(number)) throw new Error(`cpu=${number} is not online`)
    if (force)
      throw new Error(`cpu=${number} is a thread that joined by itself: it can be asked, and not terminated`)
    return await this.#retireJoined(number, deadlineMs)
  }

  /**
   * Starts a thread that consumes channels, sleeping in `Atomics.wait`, and hands each sub-buffer
   * to the functions of a module. It does not keep the process alive. `stop` of the runtime has it
   * take everything first.
   *
   * @throws (the promise) Error if the module can't be loaded or has no function `write`, or
   * another consumer has one of the buffers.
   * @example
   * const thread = await runtime.startConsumer({ channels: [channel], sink: new URL('./sink.js', import.meta.url) })
   */
  async startConsumer(options: RuntimeConsumerOptions): Promise<ConsumerThread> {
    this.#mustRun()
    checkConsumerOptions(options)
    const channels = options.channels.map(({ relayChannel }) => relayChannel)
    const thread = await startConsumer(this.relay, { ...options, channels })
    this.#consumers.add(thread)
    const forget = (): void => void this.#consumers.delete(thread)
    thread.ended.then(forget, forget)
    return thread
  }

  /**
   * Ends the runtime: retires the workers that it spawned, has its consumer threads and files take
   * everything, closes the channels and frees the CPUs. An iterator that is to have everything,
   * too, needs its channel closed before. Threads that joined by themselves are asked to retire,
   * and not waited for. A second call waits for the same end.
   */
  async stop(options: RetireOptions = {}): Promise<void> {
    checkOptions('stop', options, RETIRE_OPTIONS)
    checkMs('deadlineMs', options.deadlineMs ?? DEADLINE_MS)
    this.#stopping ??= this.#stop(options)
    await this.#stopping
  }

  /** {@link stop}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(options: RetireOptions): Promise<void> {
    const workers = [...this.#spawned.values()]
    await Promise.all(
      workers.map(async (spawned) =>
        spawned.state === 'starting'
          ? await this.#terminate(spawned)
          : await this.retire(spawned.cpu, options),
      ),
    )
    // They may go on without the runtime, and their Worker isn't ours.
    for (const { number, generation, origin } of this.cpus)
      if (origin === 'joined') this.#ask(number, generation)
    // An error of a consumer was told to its `onError`.
    await Promise.all([...this.#consumers].map(async (thread) => await thread.stop().catch(() => undefined)))
    for (const channel of this.channels) {
      await channel.endConsumers()
      channel.close()
    }
    this.#words.close()
    if (inheritedHome()?.channel === this.#channelName) bequeath(undefined)
    this.self.end()
    running = undefined
  }

  #reserve(wanted: number | undefined): number {
    if (wanted !== undefined) {
      this.#checkCpu(wanted)
      if (this.#spawned.has(wanted) || !this.#table.reserve(wanted))
        throw new Error(`cpu=${wanted} is taken: retire it first, or leave the choice to spawn`)
      return wanted
    }
    for (let cpu = 0; cpu < this.possibleCpus; cpu += 1) {
      if (!this.#spawned.has(cpu) && this.#table.reserve(cpu)) return cpu
    }
    throw new Error(
      `all ${this.possibleCpus} CPUs are taken: retire one, or start the runtime with more possibleCpus`,
    )
  }

  /** Resolves when the worker has joined. */
  async #joined(spawned: Spawned, what: string, timeoutMs: number): Promise<void> {
    const { cpu, generation } = spawned
    let timer: NodeJS.Timeout | undefined
    let listener = (_word: Word): void => undefined
    try {
      const problem = await new Promise<string | undefined>((resolve) => {
        listener = (word) => {
          if (word.cpu !== cpu || word.generation !== generation) return
          if (word.kind === 'joined' || word.kind === 'left') resolve(undefined)
          else if (word.kind === 'failed') resolve(`could not join: ${word.message}`)
        }
        this.#listeners.add(listener)
        void spawned.ended.then(({ error, exitCode }) => {
          if (spawned.hasJoined) resolve(undefined)
          else if (error !== undefined) resolve(`threw while it started: ${error.message}`)
          else if (spawned.isTerminated) resolve('was terminated while it started')
          else
            resolve(
              `ended with exit code ${String(exitCode)} before it was online: it has to call joinRuntime() of rchan/runtime`,
            )
        })
        timer = setTimeout(() => {
          resolve(`was not online within ${timeoutMs} ms: it has to call joinRuntime() of rchan/runtime`)
        }, timeoutMs)
      })
      if (problem === undefined) return
      const { error } = await this.#terminate(spawned)
      throw new Error(`${what} ${problem}`, { cause: error })
    } finally {
      clearTimeout(timer)
      this.#listeners.delete(listener)
    }
  }

  #watch(spawned: Spawned, worker: Worker): void {
    const { cpu, generation } = spawned
    worker.on('error', (thrown: unknown) => {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
      spawned.error ??= error
      // Its errors have a listener, ours. So nobody else would hear of them, but for those of the
      // start, which `spawn` tells.
      if (this.#table.hasJoined(cpu, generation))
        process.emitWarning(`rchan: the worker of cpu=${cpu} crashed: ${error.stack ?? error.message}`)
    })
    worker.once('exit', (exitCode: number) => {
      const { error, isTerminated } = spawned
      if (spawned.hasLeft) return
      spawned.hasJoined = this.#table.hasJoined(cpu, generation)
      const how = error !== undefined ? 'crashed' : isTerminated ? 'terminated' : 'exited'
      void this.#settle(spawned, { how, exitCode, error })
    })
  }

  /** The thread is gone: completes what it left open, and frees its CPU. */
  async #settle(spawned: Spawned, end: CpuEnd): Promise<void> {
    // A thread that has ended shows as living for a moment, and would be asked to switch by itself.
    for (let look = 0; look < MOST_LOOKS && !this.#completeBuffers(spawned.cpu); look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    this.#release(spawned, end)
  }

  /**
   * Completes the open sub-buffers of a CPU whose thread is gone, and those that it shared.
   *
   * @returns whether all are.
   */
  #completeBuffers(cpu: number): boolean {
    let isDone = true
    for (const { relayChannel } of this.channels) {
      const buffer = relayChannel.buffer(cpu)
      if (buffer === undefined || !hasRecords(buffer)) continue
      buffer.switch(0)
      // Full: then the records are in a sub-buffer that is complete.
      if (buffer.isAsked) isDone = false
    }
    return isDone
  }

  #release(spawned: Spawned, end: CpuEnd): void {
    this.#table.free(spawned.cpu, spawned.generation)
    if (this.#spawned.get(spawned.cpu) === spawned) this.#spawned.delete(spawned.cpu)
    spawned.end(end)
  }

  async #terminate(spawned: Spawned): Promise<CpuEnd> {
    spawned.isTerminated = true
    if (spawned.state !== 'starting') spawned.state = 'retiring'
    await spawned.worker?.terminate()
    return await spawned.ended
  }

  async #retireSpawned(spawned: Spawned, deadlineMs: number): Promise<CpuEnd> {
    const { cpu, generation } = spawned
    spawned.state = 'retiring'
    this.#ask(cpu, generation)
    const timer = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), deadlineMs).unref()
    })
    const end = await Promise.race([spawned.ended, timer])
    return end ?? (await this.#terminate(spawned))
  }

  async #retireJoined(cpu: number, deadlineMs: number): Promise<CpuEnd> {
    const generation = this.#table.generation(cpu)
    this.#ask(cpu, generation)
    for (let waitedMs = 0; ; waitedMs += 5) {
      if (!this.#table.isTaken(cpu) || this.#table.generation(cpu) !== generation) {
        this.#completeBuffers(cpu)
        return { how: 'left', exitCode: undefined, error: undefined }
      }
      if (waitedMs >= deadlineMs)
        throw new Error(
          `cpu=${cpu} joined by itself, was asked to retire, and is still there after ${deadlineMs} ms`,
        )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #ask(cpu: number, generation: number): void {
    this.#table.ask(cpu, generation)
    say(this.#channelName, { kind: 'retire', cpu, generation })
  }

  #hear(word: Word): void {
    for (const listener of this.#listeners) listener(word)
    const spawned = this.#spawned.get(word.cpu)
    if (word.kind !== 'left' || spawned?.generation !== word.generation) return
    // The worker goes on without the runtime. Its CPU is free.
    spawned.hasLeft = true
    this.#release(spawned, { how: 'left', exitCode: undefined, error: undefined })
  }

  #bequeath(cpu: number, generation: number): void {
    const { memory } = this.relay
    bequeath({ relay: memory, table: this.#table.memory, channel: this.#channelName, cpu, generation })
  }

  #checkCpu(cpu: number): void {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.possibleCpus)
      throw new RangeError(`cpu=${String(cpu)} is not one of the ${this.possibleCpus} possible CPUs`)
  }

  #mustRun(): void {
    if (this.#stopping !== undefined) throw new Error('the runtime was stopped: start another one')
  }
}

let running: Runtime | undefined

/**
 * Starts a runtime in this process. The calling thread is its coordinator and CPU 0. Workers that
 * are started from here on find it with {@link joinRuntime}.
 *
 * @throws (the promise) RangeError for a size that can't be; Error when this thread has started one
 * already, or is part of one.
 * @example
 * const runtime = await startRuntime({ possibleCpus: 8 })
 * const channel = runtime.open({ name: 'samples', subbufSize: 65536, subbufCount: 16 })
 * const cpu = await runtime.spawn(new URL('./worker.js', import.meta.url))
 * await runtime.retire(cpu)
 * await runtime.stop()
 */
export async function startRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  if (running !== undefined)
    throw new Error('this thread has a runtime already: stop it before you start the next')
  if (inheritedHome() !== undefined)
    throw new Error('this process has a runtime already, which this worker can join: call joinRuntime()')
  checkOptions('startRuntime', options, RUNTIME_OPTIONS)
  running = new Runtime(options)
  return await Promise.resolve(running)
}

function checkMs(name: string, value: number): void {
  if (typeof value !== 'number' || !(value >= 0) || value > 2 ** 31 - 1)
    throw new RangeError(`${name}=${String(value)} is not a number of milliseconds from 0 to ${2 ** 31 - 1}`)
}

function shown(file: URL | string): string {
  return typeof file === 'string' ? (file.length > 100 ? `${file.slice(0, 100)}…` : file) : file.href
}
