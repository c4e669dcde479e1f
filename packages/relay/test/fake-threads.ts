/**
 * Several threads that take part in one relay, played by one: each has a `Relay` of its own over
 * the same memory, and a test says who has died. It steps between whole operations only; nobody may
 * wait for another one.
 */
import { Relay, type Machine, type RelayBuffer, type RelayCallbacks, type RelayLimits } from '@rchan/relay'
import { HEAD, insideOf, type ThreadBuffer } from '@rchan/relay/internal'

export interface FakeThread {
  readonly relay: Relay
  readonly identity: number
  die(): void
}

export class FakeThreads {
  readonly dead = new Set<number>()
  readonly log: string[] = []
  readonly fileThread: Relay
  /** What the file thread was asked to make and has not removed. */
  readonly files = new Map<string, RelayBuffer>()
  /** A clock that runs as fast as somebody looks at it, for those who wait in vain. */
  clockMs = 0
  stepMs = 0
  /** What happens when somebody looks at the clock. */
  whileWaiting: () => void = () => undefined
  /** What happens while somebody looks whether a thread is dead, before the answer. */
  whileLooking: (identity: number) => void = () => undefined
  readonly fileCallbacks: RelayCallbacks = {
    createBufFile: (name, _parent, _mode, buffer) => {
      if (name === undefined) return undefined
      this.files.set(name, buffer)
      return name
    },
    removeBufFile: (file) => {
      if (file !== undefined && !this.files.delete(file as string)) this.log.push('removed twice')
    },
  }
  #identities = 0

  constructor(limits: RelayLimits = {}) {
    this.fileThread = new Relay(this.machine(), {
      possibleCpus: 4,
      memoryBytes: 2 ** 20,
      fileCallbacks: this.fileCallbacks,
      ...limits,
    })
  }

  /** The machine of one more thread. */
  machine(): Machine & { readonly identity: number } {
    this.#identities += 1
    return {
      identity: this.#identities,
      startTicks: 0,
      isDead: (identity) => {
        this.whileLooking(identity)
        return this.dead.has(identity)
      },
      now: () => {
        this.whileWaiting()
        return (this.clockMs += this.stepMs)
      },
      log: (level, message) => this.log.push(`${level}: ${message}`),
    }
  }

  /** One more thread. */
  attach(machine = this.machine()): FakeThread {
    const relay = Relay.attach(this.fileThread.memory, machine)
    return { relay, identity: machine.identity, die: () => void this.dead.add(machine.identity) }
  }

  /** Lets something happen once, while somebody looks at a thread. */
  duringLookAt({ identity }: FakeThread, happens: () => void): void {
    this.whileLooking = (seen) => {
      if (seen !== identity) return
      this.whileLooking = () => undefined
      happens()
    }
  }
}

/** A buffer that must be there. */
export function bufferIn(relay: Relay, id: number, cpu: number): ThreadBuffer {
  const buffer = relay.channel(id)?.buffer(cpu)
  if (buffer === undefined) throw new Error(`channel ${id} has no buffer for cpu=${cpu}`)
  return insideOf(buffer)
}

/** The words of a buffer's head; {@link HEAD} says which is where. */
export function headOf(relay: Relay, { page }: ThreadBuffer): Int32Array {
  return new Int32Array(relay.memory, page * 4096, HEAD.ring / 4)
}
