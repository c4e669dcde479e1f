/**
 * Relay: channels are opened here, CPUs come online, threads join and leave.
 *
 * All of its state is in one shared memory (layout.ts). Each thread has a `Relay` of its own over
 * it, and any of them opens, closes and prepares, under one lock (see {@link Channels}). Only the
 * callbacks for files stay on one thread, the file thread: the one that made the relay. A relay
 * knows nothing of Node: threads, their death, and the system's log are the machine's.
 */
import { isSharedMemory } from '@rchan/ring'
import type { RelayCallbacks } from './callbacks.js'
import { Channels } from './channels.js'
import { FLAG, MAX_CHANNELS } from './layout.js'
import type { LimitedMachine, Machine } from './machine.js'
import { absoluteUrl, cutName, geometryOf, mustNotBringFileCallbacks, type RelayOptions } from './options.js'
import { reasonOf } from './reason.js'
import type { RelayChannel } from './relay-channel.js'
import { RelayWords } from './words.js'

/** How large a relay is. */
export interface RelayLimits {
  /** How many CPUs there can be, 1 to 256. Default: 64. */
  readonly possibleCpus?: number
  /**
   * Bytes for the buffers of all channels. Memory that nobody touches costs nothing. Default: 64
   * MiB.
   */
  readonly memoryBytes?: number
  /** The file callbacks for channels that other threads open; they run on the file thread. */
  readonly fileCallbacks?: Pick<
    RelayCallbacks,
    'createBufFile' | 'removeBufFile' | 'bufMapped' | 'bufUnmapped'
  >
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
  /**
   * What other threads need to take part, with {@link Relay.attach}: hand it over as `workerData`,
   * for example.
   */
  readonly memory: SharedArrayBuffer
  readonly #channels: Channels
  #cpu = -1
  /** Whether this thread waited in vain for a CPU. */
  #hasWaited = false

  /**
   * Creates a relay; the calling thread becomes its file thread. To join an existing relay use
   * {@link Relay.attach}.
   *
   * @throws RangeError for limits that can't be; TypeError for the memory of a relay.
   */
  constructor(machine: Machine, limits?: RelayLimits)
  /** Joins a relay. @internal */
  constructor(machine: Machine, words: RelayWords)
  constructor(machine: Machine, limits: RelayLimits | RelayWords = {}) {
    this.machine = machine
    const isThere = limits instanceof RelayWords
    const fileCallbacks = isThere ? {} : (limits.fileCallbacks ?? {})
    const words = isThere ? limits : layOut(limits)
    this.#channels = new Channels(machine, words, fileCallbacks)
    const { members } = this.#channels
    this.memory = words.memory
    members.join(machine.identity ?? 1, machine.startTicks ?? 0)
    if (isThere) return
    words.wantsMappingCalls = wantsMappingCalls(fileCallbacks)
    words.fileThread = members.me
  }

  /**
   * Joins a relay that another thread made. Any thread, once.
   *
   * @example
   * const relay = Relay.attach(workerData.memory, threadMachine())
   * const channel = relay.channel(workerData.id)
   * @throws RangeError when there is none in the memory, one of another version, or a part of one;
   * or when 64 threads take part already.
   */
  static attach(memory: SharedArrayBuffer, machine: Machine): Relay {
    return new Relay(machine, RelayWords.attach(memory))
  }

  /** The open channels of all threads, newest first. @throws Error after {@link leave}. */
  get channels(): readonly RelayChannel[] {
    this.#channels.members.mustTakePart()
    return this.#channels.open()
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
    return this.#channels.onlineCpus()
  }

  /** How many CPUs there can be. */
  get possibleCpus(): number {
    return this.#channels.words.possibleCpus
  }

  /** Milliseconds on the machine's clock. */
  now(): number {
    return this.#channels.now()
  }

  /**
   * Opens a channel: a buffer for every CPU that is online, and a file for each if there is a base
   * name. Any thread; if it is not the file thread, it waits for that to make the files.
   *
   * @throws RangeError for a geometry that can't be; Error when there is no memory, a file can't be
   * made, or the file thread does not answer; or what `createBufFile` throws. Then nothing is left
   * behind.
   */
  open(options: RelayOptions): RelayChannel {
    const geometry = geometryOf(options)
    const { callbacks, module } = options
    const name = options.baseFilename
    const { words, pages, isFileThread } = this.#channels
    const machine: LimitedMachine = this.machine
    if (machine.isShortFor?.('channel', geometry) === true) throw new Error('no memory for a relay channel')
    if (!isFileThread) mustNotBringFileCallbacks(callbacks)
    const isFunction = callbacks?.subbufStart !== undefined
    if (isFunction && module !== undefined)
      throw new Error('a relay channel with both subbufStart and a module')
    return this.#channels.locked(() => {
      // Asked once: to look whether a CPU's thread lives costs calls of the system.
      const { onlineCpus } = this
      for (const cpu of onlineCpus) this.#checkCpu(cpu)
      const slot = pages.take(
        geometry,
        {
          baseFilename: name === undefined ? '' : cutName(name),
          parent: typeof options.parent === 'string' ? options.parent : '',
          module: module === undefined ? '' : absoluteUrl(module),
        },
        (name === undefined ? 0 : FLAG.hasBaseFilename) |
          (options.isGlobal === true ? FLAG.isGlobal : 0) |
          (options.locksWrites === true ? FLAG.locksWrites : 0) |
          (isFunction ? FLAG.startsByFunction : 0) |
          (words.wantsMappingCalls || wantsMappingCalls(callbacks) ? FLAG.wantsMappingCalls : 0),
      )
      if (slot === undefined)
        throw new Error(`no place for a relay channel: ${MAX_CHANNELS} are open or still in use`)
      const channel = this.#channels.add(slot, options)
      let complete = false
      try {
        for (const cpu of onlineCpus) {
          if (!channel.openBuffer(cpu))
            throw new Error(`no buffer or no file for cpu=${cpu} of a relay channel`)
        }
        complete = true
      } finally {
        if (!complete) channel.abandon()
      }
      channel.becomeOpen()
      return channel
    })
  }

  /**
   * A CPU is about to come online: makes its buffer in every open channel that has none for it, and
   * its file if the channel has files. The newest channel comes first; the first failure ends it,
   * and is logged. Any thread.
   *
   * A CPU that goes offline keeps its buffers.
   *
   * @returns whether every channel has a buffer for the CPU now.
   */
  prepareCpu(cpu: number): boolean {
    this.#checkCpu(cpu)
    return this.#channels.locked(() => this.#prepare(cpu) === '')
  }

  /**
   * Makes the calling thread a CPU, and prepares that. A thread is at most one CPU. The CPU of a
   * thread that is known to be dead is free. Waits for the file thread, if a file is to be made.
   *
   * @param wanted number of the CPU. Default: the lowest that is free.
   * @returns its number.
   * @throws Error when living threads have it, or all of them; when it can't be prepared; or when
   * the thread is a CPU already. RangeError when there is no such CPU.
   */
  comeOnline(wanted?: number): number {
    this.#channels.members.mustTakePart()
    if (this.#cpu >= 0) throw new Error(`this thread is cpu=${this.#cpu} already`)
    if (wanted !== undefined) this.#checkCpu(wanted)
    // Without the lock: others need it meanwhile. They may need us, too, if we are the file thread.
    const become = (): boolean => {
      this.serve()
      return (
        this.#findFreeCpu(wanted) >= 0 && this.#channels.locked(() => this.#become(this.#findFreeCpu(wanted)))
      )
    }
    this.#hasWaited = !this.#channels.members.lookAgain(become, this.#hasWaited)
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
    const { members } = this.#channels
    if (wanted === undefined) return members.freeCpu()
    return members.isFree(wanted) ? wanted : -1
  }

  /** Locked: makes this thread a CPU that is free. @returns whether there was one. */
  #become(cpu: number): boolean {
    if (cpu < 0) return false
    const whyNot = this.#prepare(cpu)
    if (whyNot !== '') throw new Error(`cpu=${cpu} could not be prepared: ${whyNot}`)
    const { members } = this.#channels
    members.setCpu(cpu, members.me)
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
    this.#channels.members.mustTakePart()
    if (this.#channels.known.some((channel) => channel.isWaking))
      throw new Error('goOffline within a wake, in the middle of a write: go offline when that has returned')
    for (const channel of this.#channels.known) channel.disown()
    if (this.#cpu < 0) return
    this.#channels.members.setCpu(this.#cpu, 0)
    this.#cpu = -1
  }

  /**
   * The calling thread takes part no more: it goes offline, its relay files are released and their
   * mappings undone (their memory may be used again, so nothing of a mapping may be read any more),
   * and its place among the at most 64 threads is free. To be called by each thread that ends:
   * where its death can't be proven, all of that stays taken otherwise.
   *
   * Channels that it opened stay open, and any thread may close them. The file thread leaves last:
   * when it has left, no file is made or removed, and an `open` with files fails at once. Before it
   * leaves it makes the calls that other threads were waiting for.
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
    if (this.#channels.members.me === 0) return
    if (this.#channels.isBusy)
      throw new Error('a callback of a relay must not leave it: leave when it has returned')
    this.serve()
    for (const channel of this.#channels.known) channel.leave()
    this.goOffline()
    this.#channels.clear()
    this.#channels.members.leave()
  }

  /**
   * The number of this thread among those that take part, never used again; 0 after {@link leave}.
   */
  get member(): number {
    return this.#channels.members.me
  }

  /** Any thread: wakes all consumers that sleep, see `ChannelConsumer.next`. */
  ringAll(): void {
    this.#channels.bells.ringAll()
  }

  /**
   * Gives up what a consumer's thread drained that has ended, where its death can't be proven.
   *
   * @param member of that thread.
   */
  releaseReader(channels: readonly RelayChannel[], member: number): void {
    for (const { id } of channels) {
      const buffers = this.#channels.known.find((channel) => channel.id === id)?.allBuffers() ?? []
      for (const { claim } of buffers) claim.releaseFor(member)
    }
  }

  /** {@link leave}, for `using`. */
  [Symbol.dispose](): void {
    this.leave()
  }

  /**
   * File thread: makes the file callback that another thread waits for. Call it now and then while
   * the event loop is blocked.
   *
   * @returns whether there was one; false on any other thread.
   */
  serve(): boolean {
    return this.#channels.serve()
  }

  /**
   * File thread: serves other threads from its event loop from now on; this does not keep the loop
   * alive. Call it once.
   *
   * @throws Error on any other thread.
   */
  serveFromEventLoop(): void {
    const { members, upcall, isFileThread } = this.#channels
    members.mustTakePart()
    if (!isFileThread) throw new Error('serveFromEventLoop on a thread that is not the file thread')
    upcall.serveFromEventLoop(() => this.serve())
  }

  /** Locked: prepares a CPU. @returns why it can't be; '' if it is. */
  #prepare(cpu: number): string {
    for (const channel of this.#channels.open()) {
      let prepared = false
      let whyNot = 'there is no memory for its buffer, or no file could be made'
      try {
        prepared = channel.openBuffer(cpu)
      } catch (error) {
        whyNot = reasonOf(error)
        this.machine.log('error', `relay: createBufFile threw: ${String(error)}`)
      }
      if (!prepared) {
        this.machine.log('error', `relay: cpu ${cpu} buffer creation failed`)
        return whyNot
      }
    }
    return ''
  }

  #checkCpu(cpu: number): void {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.possibleCpus) {
      throw new RangeError(`cpu=${cpu} is not one of the ${this.possibleCpus} possible CPUs`)
    }
  }
}

/** Lays a relay out in new memory. */
function layOut(limits: RelayLimits): RelayWords {
  // It has none of the limits' names, so it would pass for the default ones.
  if (isSharedMemory(limits)) throw new TypeError('a relay is joined by Relay.attach(memory, machine)')
  const { possibleCpus = DEFAULT_CPUS, memoryBytes = DEFAULT_MEMORY_BYTES } = limits
  return RelayWords.create(memoryBytes, possibleCpus)
}

function wantsMappingCalls(callbacks: RelayCallbacks | undefined): boolean {
  return callbacks?.bufMapped !== undefined || callbacks?.bufUnmapped !== undefined
}
