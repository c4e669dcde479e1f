/**
 * The runtime as a thread that joined it sees it: its CPU, its channels, and whether it was asked
 * to retire.
 */
import { Relay } from '@rchan/relay'
import { thisThread } from '@rchan/threads'
import { BroadcastChannel } from 'node:worker_threads'
import { inheritedHome, type Home, type Word } from './home.js'
import { threadMachine } from './machine.js'
import { CpuTable } from './cpu-table.js'
import { RuntimeChannel, type Place } from './runtime-channel.js'

/** The runtimes that this thread is in, by the names of their channels. */
const here = new Map<string, JoinedRuntime>()

/** A thread's part in a runtime. */
export class JoinedRuntime {
  /** The number of this thread's CPU. */
  readonly cpu: number
  /** Which thread of this CPU it is, counted from 1. */
  readonly generation: number
  /** The relay behind it. */
  readonly relay: Relay
  readonly #table: CpuTable
  readonly #place: Place
  readonly #channelName: string
  readonly #channels = new Map<number, RuntimeChannel>()
  #retire: AbortController | undefined
  #words: BroadcastChannel | undefined
  #hasLeft = false
  readonly #isCoordinator: boolean

  /** @internal */
  constructor(relay: Relay, table: CpuTable, channelName: string, place: Place, isCoordinator = false) {
    this.relay = relay
    this.cpu = place.cpu
    this.generation = place.generation
    this.#table = table
    this.#place = place
    this.#channelName = channelName
    this.#isCoordinator = isCoordinator
    here.set(channelName, this)
  }

  /** The open channels. */
  get channels(): readonly RuntimeChannel[] {
    const found: RuntimeChannel[] = []
    for (const { id, name } of this.#table.channels()) {
      const relayChannel = this.relay.channel(id)
      if (relayChannel === undefined) {
        this.#channels.delete(id)
        continue
      }
      let channel = this.#channels.get(id)
      if (channel === undefined) {
        channel = new RuntimeChannel(name, this.relay, relayChannel, this.#table, this.#place)
        this.#channels.set(id, channel)
      }
      found.push(channel)
    }
    return found
  }

  /**
   * The open channel of a name, or with an id.
   *
   * @throws Error when there is none.
   */
  channel(nameOrId: string | number): RuntimeChannel {
    const { channels } = this
    const found = channels.find(({ name, id }) => (typeof nameOrId === 'string' ? name : id) === nameOrId)
    if (found !== undefined) return found
    const names = channels.map(({ name }) => JSON.stringify(name)).join(', ')
    throw new Error(`channel=${JSON.stringify(nameOrId)} is not open; open are: ${names || 'none'}`)
  }

  /**
   * Whether the coordinator has asked this thread to retire. It costs a plain read, so a loop that
   * never yields may ask each time.
   */
  get isAskedToRetire(): boolean {
    return this.#table.isAsked(this.cpu, this.generation)
  }

  /**
   * Aborts in the event loop of this thread when it is asked to retire. It does not keep the thread
   * alive.
   */
  get retiring(): AbortSignal {
    if (this.#retire === undefined) {
      const retire = new AbortController()
      this.#retire = retire
      const words = new BroadcastChannel(this.#channelName)
      this.#words = words
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- Node 20's types lack it here
      words.onmessage = (event) => {
        const { kind, cpu, generation } = (event as { data: Word }).data
        if (kind === 'retire' && cpu === this.cpu && generation === this.generation) retire.abort()
      }
      words.unref()
      // Asked before the channel was there. The caller gets a turn to add its listener.
      if (this.isAskedToRetire) setImmediate(() => retire.abort())
    }
    return this.#retire.signal
  }

  /**
   * Leaves the runtime: completes what this thread has open in its buffers, and frees its CPU. What
   * it wrote stays for the consumers. The thread may go on, without the runtime. A thread that ends
   * need not leave, but where deaths can't be proven (outside Linux) it should. A second call does
   * nothing.
   */
  leave(): void {
    if (this.#hasLeft) return
    if (this.#isCoordinator)
      throw new Error('cpu=0 is the coordinator itself: call stop() to end the runtime')
    this.end()
  }

  /** {@link leave}, also of the coordinator. @internal */
  end(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    for (const channel of this.#channels.values()) if (channel.isOpen) channel.flush()
    this.#words?.close()
    this.relay.leave()
    this.#table.free(this.cpu, this.generation)
    here.delete(this.#channelName)
    say(this.#channelName, { kind: 'left', cpu: this.cpu, generation: this.generation })
  }

  /** {@link leave}, for `using`. */
  [Symbol.dispose](): void {
    this.leave()
  }
}

/**
 * Joins the runtime of this process: makes the calling thread a CPU of it. A worker that the
 * coordinator spawned gets the CPU that was prepared for it. Any other thread gets the lowest free
 * one: a worker of a pool, for example, or a worker that a worker started. A thread is one CPU, so
 * a second call returns the same object.
 *
 * @throws Error when no runtime was started before this worker, or all CPUs are taken.
 * @example
 * const runtime = joinRuntime()
 * const channel = runtime.channel('samples')
 * while (!runtime.isAskedToRetire) channel.write(work())
 * runtime.leave()
 */
export function joinRuntime(): JoinedRuntime {
  const home = inheritedHome()
  if (home === undefined)
    throw new Error(
      'joinRuntime: this worker was started before startRuntime() was called, or in a process without a runtime',
    )
  const known = here.get(home.channel)
  if (known !== undefined) return known
  try {
    return join(home)
  } catch (error) {
    const { cpu, generation } = home
    say(home.channel, { kind: 'failed', cpu, generation, message: (error as Error).message })
    throw error
  }
}

function join(home: Home): JoinedRuntime {
  const table = CpuTable.attach(home.table)
  const me = thisThread()
  const relay = Relay.attach(home.relay, threadMachine())
  try {
    const place = takePlace(table, home)
    try {
      relay.comeOnline(place.cpu)
    } catch (error) {
      table.free(place.cpu, place.generation)
      throw error
    }
    const joined = new JoinedRuntime(relay, table, home.channel, { ...place, threadId: me.threadId })
    table.setJoined(place.cpu, place.generation)
    // The coordinator has it even if this thread never yields.
    say(home.channel, { kind: 'joined', cpu: place.cpu, generation: place.generation })
    return joined
  } catch (error) {
    relay.leave()
    throw error
  }
}

/** How often a thread looks for a free CPU, a millisecond apart. */
const MOST_LOOKS = 100
const quiet = new Int32Array(new SharedArrayBuffer(4))

function takePlace(table: CpuTable, { cpu: own, generation }: Home): { cpu: number; generation: number } {
  const me = thisThread()
  if (own >= 0 && table.takeReserved(own, generation, me)) return { cpu: own, generation }
  // A thread that has just ended shows as living for a moment.
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    if (look > 0) Atomics.wait(quiet, 0, 0, 1)
    for (let cpu = 0; cpu < table.possibleCpus; cpu += 1) {
      const taken = table.take(cpu, me)
      if (taken > 0) return { cpu, generation: taken }
    }
  }
  throw new Error(
    `joinRuntime: all ${table.possibleCpus} CPUs are taken: retire a worker, or start the runtime with more possibleCpus`,
  )
}

/** Sends word to the threads of the runtime that listen. It is with them when this returns. */
export function say(channelName: string, word: Word): void {
  const channel = new BroadcastChannel(channelName)
  channel.postMessage(word)
  channel.close()
}
