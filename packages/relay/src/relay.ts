/**
 * Relay: the list of open channels, which hotplug walks, the CPUs that are online, and the machine they are on.
 *
 * All of its state is in one shared memory (layout.ts), so each thread has a `Relay` of its own over it, and any
 * of them opens, closes and prepares, under one lock. Only the callbacks for files stay on one thread, the coordinator:
 * the one that made the relay. It knows nothing of Node: threads, their death, and the system's log are the caller's.
 */
import { isSharedMemory, checkGeometry, type Geometry } from '@rchan/ring'
import { clocks } from '@rchan/sync/patience'
import type { RelayCallbacks } from './callbacks.js'
import { RelayChannel } from './channel.js'
import { Desk, WANT, type Answer, type Request } from './upcall.js'
import { FLAG, MAX_CHANNELS, MAX_RELAY_CPUS, STATE } from './layout.js'
import { RelayMemory } from './memory.js'
import { cutName, type RelayHost, type RelayOptions } from './options.js'
import { Slot } from './slot.js'

/** How bad it is: something failed, something was lost, or the client broke a rule. */
export type LogLevel = 'error' | 'warning' | 'fault'

/** What relay is given of the machine, in each thread. */
export interface Machine {
  /**
   * The CPUs that get a buffer when a channel is opened, ascending. Default: those that threads have come online as, see
   * {@link Relay.comeOnline}.
   */
  onlineCpus?(): readonly number[]
  /** The machine's name of the calling thread; default: 1, which is enough for a program of one thread. */
  readonly identity?: number
  /** When it started, in a unit of the machine's: `identity` may be used again by another thread. Default: 0. */
  readonly startTicks?: number
  /**
   * Whether a thread is dead: proven, for good, and not to run another instruction. Without it no thread ever is, and
   * what a dead one held stays held.
   */
  isDead?(identity: number, startTicks: number): boolean
  /** Milliseconds on a clock that never goes back. Default: `performance.now`. */
  now?(): number
  /**
   * How long to wait for a lock that a living thread holds, in milliseconds, before it is an error;
   * and for the coordinator to make a file, 10 s at most. Default: 60000.
   */
  readonly patienceMs?: number
  /**
   * Whether there is no memory for a channel's own few bytes, a file's name, or a buffer. Default:
   * there is.
   *
   * @internal
   */
  isShortFor?(purpose: 'channel' | 'name' | 'buffer', geometry: Geometry): boolean
  log(level: LogLevel, message: string): void
}

/** How large a relay is. */
export interface RelayLimits {
  /** How many CPUs there can be, 1 to 256. Default: 64. */
  readonly possibleCpus?: number
  /** Bytes for the buffers of all channels. Memory that nobody touches costs nothing. Default: 64 MiB. */
  readonly memoryBytes?: number
  /** The file callbacks for channels that other threads open; they run on the coordinator. */
  readonly fileCallbacks?: Pick<
    RelayCallbacks,
    'createBufFile' | 'removeBufFile' | 'bufMapped' | 'bufUnmapped'
  >
}

/** A machine of `cpuCount` CPUs, all online and all played by one thread, that logs nothing. @throws RangeError below 1. */
export function plainMachine(cpuCount: number): Machine {
  if (!Number.isInteger(cpuCount) || cpuCount < 1 || cpuCount > MAX_RELAY_CPUS) {
    throw new RangeError(`cpuCount=${String(cpuCount)} is not a whole number from 1 to ${MAX_RELAY_CPUS}`)
  }
  return {
    onlineCpus: () => Array.from({ length: cpuCount }, (_, cpu) => cpu),
    log: () => undefined,
  }
}

const DEFAULT_CPUS = 64
const DEFAULT_MEMORY_BYTES = 2 ** 26

/**
 * The open channels of one machine, seen from the calling thread.
 *
 * @example
 * const relay = new Relay(plainMachine(2))
 * const channel = relay.open({ subbufSize: 4096, subbufCount: 8 })
 * channel.write(0, new Uint8Array([1, 2, 3]))
 * channel.close()
 */
export class Relay {
  readonly machine: Machine
  /** What other threads need to take part, with {@link Relay.attach}: hand it over as `workerData`, for example. */
  readonly memory: SharedArrayBuffer
  readonly #shared: RelayMemory
  readonly #desk: Desk
  readonly #fileCallbacks: RelayCallbacks
  readonly #host: RelayHost
  /** By id. */
  readonly #channels = new Map<number, RelayChannel>()
  #cpu = -1
  /** Whether it waits for the lock to remove what is left of files. */
  #isTidying = false
  /** Whether a file callback is being called. */
  #isCallingBack = false
  /** Whether this thread holds the lock of the list. */
  #hasLock = false
  /** Whether a CPU was waited for in vain. */
  #hasWaited = false
  /** Of the CPU that could not be prepared last. */
  #whyNotPrepared = ''

  /**
   * Makes a relay, whose coordinator the calling thread is; or with its memory takes part in one, see {@link Relay.attach}.
   *
   * @throws RangeError for limits that can't be.
   */
  constructor(machine: Machine, limits: RelayLimits | SharedArrayBuffer = {}) {
    this.machine = machine
    if (isSharedMemory(limits)) {
      this.#fileCallbacks = {}
      this.#shared = RelayMemory.attach(limits, machine)
    } else {
      const { possibleCpus = DEFAULT_CPUS, memoryBytes = DEFAULT_MEMORY_BYTES, fileCallbacks = {} } = limits
      this.#fileCallbacks = fileCallbacks
      this.#shared = RelayMemory.create(memoryBytes, possibleCpus, machine)
    }
    this.memory = this.#shared.memory
    this.#shared.join(machine.identity ?? 1, machine.startTicks ?? 0)
    this.#desk = new Desk(
      this.#shared,
      () => this.now(),
      (request) => this.#handle(request),
    )
    if (!isSharedMemory(limits)) {
      const callbacks = this.#fileCallbacks
      this.#shared.tells = callbacks.bufMapped !== undefined || callbacks.bufUnmapped !== undefined
      this.#shared.coordinator = this.#shared.me
    }
    this.#host = {
      machine,
      shared: this.#shared,
      fileCallbacks: this.#fileCallbacks,
      onlineCpus: () => this.onlineCpus,
      now: () => this.now(),
      locked: (run) => this.#locked(run),
      ask: (request) => this.#desk.ask(request),
      forget: (id) => this.#channels.delete(id),
    }
  }

  /**
   * Takes part in a relay that another thread made. Any thread, once.
   *
   * @example
   * const relay = Relay.attach(workerData.memory, threadMachine())
   * const channel = relay.channel(workerData.id)
   * @throws RangeError when there is none in the memory, one of another version, or a part of one; or when 64 threads
   * take part already.
   */
  static attach(memory: SharedArrayBuffer, machine: Machine): Relay {
    if (!isSharedMemory(memory))
      throw new RangeError(`no relay in a memory that is no SharedArrayBuffer: ${typeof memory}`)
    return new Relay(machine, memory)
  }

  /** The open channels, newest first, whoever opened them. @throws Error after {@link leave}. */
  get channels(): readonly RelayChannel[] {
    this.#shared.mustTakePart()
    return this.#shared
      .slots()
      .filter(({ state }) => state === STATE.open)
      .map((slot) => this.#channelIn(slot))
  }

  /** The open channel with this id; undefined when there is none. */
  channel(id: number): RelayChannel | undefined {
    return this.channels.find((channel) => channel.id === id)
  }

  /** The CPU that the calling thread is; −1 for none. */
  get cpu(): number {
    return this.#cpu
  }

  /** The CPUs that are online, ascending. */
  get onlineCpus(): readonly number[] {
    return this.machine.onlineCpus?.() ?? this.#shared.onlineCpus()
  }

  /** How many CPUs there can be. */
  get possibleCpus(): number {
    return this.#shared.possibleCpus
  }

  /** Milliseconds on the machine's clock. */
  now(): number {
    return this.machine.now?.() ?? clocks.monotonicMs()
  }

  /**
   * Opens a channel: a buffer for every CPU that is online, and a file for each if there is a base name. Any thread; one
   * that is not the coordinator waits for it to make the files.
   *
   * @throws RangeError for a geometry that can't be; Error when there is no memory, a file can't be made, or the
   * coordinator does not answer; or what `createBufFile` throws. Then nothing is left behind.
   */
  open(options: RelayOptions): RelayChannel {
    const geometry = geometryOf(options)
    const { callbacks, module } = options
    const name = options.baseFilename
    if (this.machine.isShortFor?.('channel', geometry) === true)
      throw new Error('no memory for a relay channel')
    if (!this.#isCoordinator) mustNotBringFileCallbacks(callbacks)
    const isFunction = callbacks?.subbufStart !== undefined
    if (isFunction && module !== undefined)
      throw new Error('a relay channel with both subbufStart and a module')
    this.onlineCpus.forEach((cpu) => this.#checkCpu(cpu))
    return this.#locked(() => {
      const slot = this.#shared.take(
        geometry,
        {
          baseFilename: name === undefined ? '' : cutName(name),
          parent: typeof options.parent === 'string' ? options.parent : '',
          module: module === undefined ? '' : absolute(module),
        },
        (name === undefined ? 0 : FLAG.hasBaseFilename) |
          (options.isGlobal === true ? FLAG.isGlobal : 0) |
          (isFunction ? FLAG.startsByFunction : 0) |
          (this.#tellsOfMappings(callbacks) ? FLAG.tellsOfMappings : 0),
      )
      if (slot === undefined)
        throw new Error(`no place for a relay channel: ${MAX_CHANNELS} are open or still in use`)
      const channel = new RelayChannel(this.#host, slot, options)
      this.#channels.set(slot.id, channel)
      let complete = false
      try {
        for (const cpu of this.onlineCpus) {
          if (!channel.openBuffer(cpu))
            throw new Error(`no buffer or no file for cpu=${cpu} of a relay channel`)
        }
        complete = true
      } finally {
        if (!complete) channel.abandon()
      }
      slot.state = STATE.open
      return channel
    })
  }

  /**
   * A CPU is about to come online: makes its buffer in every open channel that has none for it, and its file if the
   * channel has files. The newest channel comes first, and the first failure ends it, which is logged. Any thread.
   *
   * A CPU that goes offline keeps its buffers.
   *
   * @returns whether every channel has a buffer for the CPU now.
   */
  prepareCpu(cpu: number): boolean {
    this.#checkCpu(cpu)
    return this.#locked(() => this.#prepare(cpu))
  }

  /**
   * Makes the calling thread a CPU, and prepares that. A thread is at most one CPU; that of a thread which is known to be
   * dead is free. Waits for the coordinator, if a file is to be made.
   *
   * @param wanted which one. Default: the lowest that is free.
   * @returns its number.
   * @throws Error when it, or all of them, are taken by living threads, it can't be prepared, or the thread is one
   * already; RangeError when there is no such CPU.
   */
  comeOnline(wanted?: number): number {
    this.#shared.mustTakePart()
    if (this.#cpu >= 0) throw new Error(`this thread is cpu=${this.#cpu} already`)
    if (wanted !== undefined) this.#checkCpu(wanted)
    // Without the lock, which others need meanwhile; they may need us, too, if we are the
    // coordinator.
    const become = (): boolean => {
      this.serve()
      return this.#findFreeCpu(wanted) >= 0 && this.#locked(() => this.#become(this.#findFreeCpu(wanted)))
    }
    this.#hasWaited = !this.#shared.lookAgain(become, this.#hasWaited)
    if (this.#hasWaited) {
      throw new Error(
        wanted === undefined
          ? `all ${this.possibleCpus} CPUs are online`
          : `cpu=${wanted} is another thread, which lives`,
      )
    }
    return this.#cpu
  }

  /** The CPU that is wanted, or the lowest one, if it is free; else −1. */
  #findFreeCpu(wanted: number | undefined): number {
    if (wanted === undefined) return this.#shared.freeCpu()
    return this.#shared.isFree(wanted) ? wanted : -1
  }

  /** Locked: makes this thread a CPU that is free. @returns whether there was one. */
  #become(cpu: number): boolean {
    if (cpu < 0) return false
    if (!this.#prepare(cpu)) throw new Error(`cpu=${cpu} could not be prepared: ${this.#whyNotPrepared}`)
    this.#shared.setCpu(cpu, this.#shared.me)
    this.#cpu = cpu
    return true
  }

  /**
   * The calling thread is no CPU any more, and gives up what it writes; its buffers keep what is in
   * them, and are read to their very end by any thread from now on. It still takes part: it may
   * read, open and close, and come online again. A thread that ends calls {@link leave}.
   *
   * @throws Error after {@link leave}, and within a wake of `poll` by a switch of this thread,
   * whose record is still to come.
   */
  goOffline(): void {
    this.#shared.mustTakePart()
    if ([...this.#channels.values()].some((channel) => channel.isWaking))
      throw new Error('goOffline within a wake, in the middle of a write: go offline when that has returned')
    for (const channel of this.#channels.values()) channel.disown()
    if (this.#cpu < 0) return
    this.#shared.setCpu(this.#cpu, 0)
    this.#cpu = -1
  }

  /**
   * The calling thread takes part no more: it goes offline, its relay files are released and their
   * mappings undone (their memory may be used again, so nothing of a mapping may be read any more),
   * and its place among the at most 64 threads is free. To be called by each thread that ends:
   * where its death can't be proven, all of that stays taken otherwise.
   *
   * Channels that it opened stay open, and any thread may close them. The coordinator leaves last:
   * when it has left, no file is made or removed, and an `open` with files fails at once. What
   * other threads were waiting for is done before.
   *
   * A second call does nothing. Any other call on the relay, its channels and files fails; `serve`
   * returns false.
   *
   * @throws Error within a callback of the relay; then nothing has changed.
   * @example
   * const relay = Relay.attach(workerData.memory, threadMachine())
   * try {
   *   work(relay)
   * } finally {
   *   relay.leave() // or: using relay = Relay.attach(…)
   * }
   */
  leave(): void {
    if (this.#shared.me === 0) return
    const isBusy = [...this.#channels.values()].some((channel) => channel.isBusy)
    if (isBusy || this.#isCallingBack || this.#hasLock || this.#isTidying)
      throw new Error('a callback of a relay must not leave it: leave when it has returned')
    this.serve()
    for (const channel of this.#channels.values()) channel.leave()
    this.goOffline()
    this.#channels.clear()
    this.#shared.leave()
  }

  /** {@link leave}, for `using`. */
  [Symbol.dispose](): void {
    this.leave()
  }

  /**
   * Coordinator: makes the file callback that another thread waits for. To be called now and then where the event loop is
   * blocked.
   *
   * @returns whether there was one; false on any other thread.
   */
  serve(): boolean {
    if (!this.#isCoordinator) return false
    const hasServed = this.#desk.serve()
    if (this.#isTidying || !this.#shared.hasStrays) return hasServed
    // Whoever holds the lock now may ask for a file first, and only then are we in turn.
    this.#isTidying = true
    try {
      this.#locked(() => undefined)
    } finally {
      this.#isTidying = false
    }
    return true
  }

  /**
   * Coordinator: serves other threads from its event loop from now on, which this does not keep alive. Call it once.
   *
   * @throws Error on any other thread.
   */
  serveAlways(): void {
    this.#shared.mustTakePart()
    if (!this.#isCoordinator) throw new Error('serveAlways on a thread that is not the coordinator')
    this.#desk.serveAlways(() => this.serve())
  }

  get #isCoordinator(): boolean {
    return this.#shared.coordinator === this.#shared.me
  }

  #prepare(cpu: number): boolean {
    this.#whyNotPrepared = 'there is no memory for its buffer, or no file could be made'
    for (const channel of this.channels) {
      let prepared = false
      try {
        prepared = channel.openBuffer(cpu)
      } catch (error) {
        this.#whyNotPrepared = error instanceof Error ? error.message : String(error)
        this.machine.log('error', `relay: createBufFile threw: ${String(error)}`)
      }
      if (!prepared) {
        this.machine.log('error', `relay: cpu ${cpu} buffer creation failed`)
        return false
      }
    }
    return true
  }

  #locked<T>(run: () => T): T {
    this.#shared.mustTakePart()
    if (this.#isCallingBack || this.#hasLock) {
      throw new Error(
        'a file callback of a relay channel must not open, close or prepare anything of its relay',
      )
    }
    // Whoever holds the lock may be waiting for us, if we are the coordinator.
    return this.#shared.locked(
      () => this.#repair(),
      () => this.serve(),
      () => {
        this.#hasLock = true
        try {
          if (this.#isCoordinator && this.#shared.takeStrays()) this.#removeStrays()
          return run()
        } finally {
          this.#hasLock = false
        }
      },
    )
  }

  /** A thread died with the lock. Each thing that is done with it has one store by which it counts; the rest goes. */
  #repair(): void {
    this.#desk.repair()
    for (const slot of this.#shared.slots()) {
      if (slot.state !== STATE.open) this.#channelIn(slot).end()
    }
    this.#shared.clearUnfinished()
    // Nobody waits for the coordinator: it comes to it when it serves, and before it makes another file.
    this.#shared.reportStrays()
    this.#desk.ring()
  }

  /** Coordinator, while it or who has asked it holds the lock: removes the files that threads which died have left. */
  #removeStrays(): void {
    for (const channel of this.#channels.values()) channel.removeStrayFilesHere()
  }

  #channelIn(slot: Slot): RelayChannel {
    const { id } = slot
    let channel = this.#channels.get(id)
    if (channel === undefined) {
      this.#sweep()
      channel = new RelayChannel(this.#host, slot, {})
      this.#channels.set(id, channel)
    }
    return channel
  }

  /** Forgets the channels that were closed, by whomever, and gives up what this thread has written there. */
  #sweep(): void {
    for (const [id, channel] of this.#channels) if (channel.retire()) this.#channels.delete(id)
  }

  /** Coordinator: a call that another thread has asked for, or ours. */
  #handle({ want, slot, page, text }: Request): Answer {
    if (this.#shared.takeStrays()) this.#removeStrays()
    this.#isCallingBack = true
    try {
      const channel = this.#channelIn(new Slot(this.#shared, slot))
      if (want === WANT.createFile) return { done: channel.createFileHere(page, text), error: '' }
      if (want === WANT.removeFile) channel.removeFileHere(page)
      else channel.tellOfMappingHere(page, want === WANT.mapped)
      return { done: true, error: '' }
    } catch (error) {
      return { done: false, error: error instanceof Error ? error.message : String(error) }
    } finally {
      this.#isCallingBack = false
    }
  }

  #tellsOfMappings(callbacks: RelayCallbacks | undefined): boolean {
    return this.#shared.tells || callbacks?.bufMapped !== undefined || callbacks?.bufUnmapped !== undefined
  }

  #checkCpu(cpu: number): void {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.possibleCpus) {
      throw new RangeError(`cpu=${cpu} is not one of the ${this.possibleCpus} possible CPUs`)
    }
  }
}

/** @throws RangeError for a URL that other threads would take for another one. */
function absolute(module: string | URL): string {
  try {
    return new URL(module).href
  } catch {
    throw new RangeError(
      `module=${String(module)} of a relay channel is no absolute URL: new URL('./module.js', import.meta.url) is`,
    )
  }
}

function geometryOf({
  subbufSize,
  subbufCount,
  callbacks,
  module,
  mode,
  headerBytes,
}: RelayOptions): Geometry {
  const geometry: Geometry = {
    subbufSize,
    subbufCount,
    mode: mode ?? 'discard',
    headerBytes: headerBytes ?? 0,
  }
  checkGeometry(geometry)
  // Whoever decides by itself may take sub-buffers that nobody has read: readers must expect it.
  const decides = callbacks?.subbufStart !== undefined || module !== undefined
  return decides ? { ...geometry, mode: 'overwrite', headerBytes: 0 } : geometry
}

/** Functions can't be called from another thread. */
function mustNotBringFileCallbacks(callbacks: RelayCallbacks | undefined): void {
  for (const name of ['createBufFile', 'removeBufFile', 'bufMapped', 'bufUnmapped'] as const) {
    if (callbacks?.[name] === undefined) continue
    throw new Error(
      `${name} of a relay channel that is not opened by the coordinator: give it to the coordinator, as one of the ` +
        'fileCallbacks of its relay',
    )
  }
}
