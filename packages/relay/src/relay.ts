/**
 * Relay: the list of open channels, which hotplug walks, and the machine they are on.
 *
 * Runs on one thread, which opens, closes and prepares. It knows nothing of Node: processors, memory and the system's
 * log are the caller's.
 */
import { checkGeometry, type Geometry } from './buffer.js'
import { RelayChannel, type RelayOptions } from './relay-channel.js'

/** How bad it is: something failed, something was lost, or the client broke a rule. */
export type LogLevel = 'error' | 'warning' | 'fault'

/** What relay is given of the machine. */
export interface Machine {
  /** The CPUs that get a buffer when a channel is opened, ascending. */
  onlineCpus(): readonly number[]
  /** Zeroed shared memory of exactly `bytes` for a buffer of that geometry; undefined if there is none. */
  allocate(bytes: number, geometry: Geometry): SharedArrayBuffer | undefined
  /** Whether there is no memory even for a channel's own few bytes, or for a file's name. Default: there is. */
  isShortFor?(purpose: 'channel' | 'name'): boolean
  log(level: LogLevel, message: string): void
}

/** A machine of `cpuCount` CPUs, all online, that logs nothing. */
export function plainMachine(cpuCount: number): Machine {
  if (!Number.isInteger(cpuCount) || cpuCount < 1) throw new RangeError(`cpuCount=${cpuCount}`)
  return {
    onlineCpus: () => Array.from({ length: cpuCount }, (_, cpu) => cpu),
    allocate: (bytes) => new SharedArrayBuffer(bytes),
    log: () => undefined,
  }
}

/**
 * The open channels of one machine.
 *
 * @example
 * const relay = new Relay(plainMachine(2))
 * const channel = relay.open({ subbufSize: 4096, subbufCount: 8 })
 * channel.write(0, new Uint8Array([1, 2, 3]))
 * channel.close()
 */
export class Relay {
  readonly #machine: Machine
  /** Newest first. */
  readonly #channels: RelayChannel[] = []

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The open channels, newest first. */
  get channels(): readonly RelayChannel[] {
    return this.#channels
  }

  /**
   * Opens a channel: a buffer for every CPU that is online, and a file for each if there is a base name.
   *
   * @throws RangeError for a geometry that can't be; Error when there is no memory or a file can't be made; or what
   * `createBufFile` throws. Then nothing is left behind.
   */
  open(options: RelayOptions): RelayChannel {
    const { subbufSize, subbufCount, callbacks, mode = 'discard', headerBytes = 0 } = options
    checkGeometry({ subbufSize, subbufCount, mode, headerBytes })
    const geometry: Geometry =
      callbacks?.subbufStart === undefined
        ? { subbufSize, subbufCount, mode, headerBytes }
        : // Whoever decides by itself may take sub-buffers that nobody has read: readers must expect it.
          { subbufSize, subbufCount, mode: 'overwrite', headerBytes: 0 }
    if (this.#machine.isShortFor?.('channel') === true) throw new Error('no memory for a relay channel')
    const channel = new RelayChannel(this.#machine, options, geometry, (closed) => {
      this.#channels.splice(this.#channels.indexOf(closed), 1)
    })
    let complete = false
    try {
      for (const cpu of this.#machine.onlineCpus()) {
        if (!channel.openBuffer(cpu))
          throw new Error(`no buffer or no file for cpu=${cpu} of a relay channel`)
      }
      complete = true
    } finally {
      if (!complete) channel.abandon()
    }
    this.#channels.unshift(channel)
    return channel
  }

  /**
   * A CPU is about to come online: makes its buffer in every open channel that has none for it, and its file if the
   * channel has files. The newest channel comes first, and the first failure ends it, which is logged.
   *
   * A CPU that goes offline keeps its buffers; there is nothing to call.
   *
   * @returns whether every channel has a buffer for the CPU now.
   */
  prepareCpu(cpu: number): boolean {
    if (!Number.isInteger(cpu) || cpu < 0) throw new RangeError(`cpu=${cpu}`)
    for (const channel of this.#channels) {
      let prepared = false
      try {
        prepared = channel.openBuffer(cpu)
      } catch (error) {
        this.#machine.log('error', `relay: createBufFile threw: ${String(error)}`)
      }
      if (!prepared) {
        this.#machine.log('error', `relay: cpu ${cpu} buffer creation failed`)
        return false
      }
    }
    return true
  }
}
