/** A client of relay channels that remembers what it was asked, and its machine. For tests. */
import {
  Relay,
  type RelayBuffer,
  type RelayCallbacks,
  type RelayChannel,
  type RelayOptions,
} from '@rchan/relay'
import { insideOf, type LimitedMachine, type ThreadBuffer } from '@rchan/relay/internal'

export interface TestFile {
  readonly name: string | undefined
  readonly buffer: RelayBuffer
}

export class TestClient {
  online: number[]
  /** CPUs for which no file can be made. */
  failing: number[] = []
  /** How many more buffers there is memory for. */
  buffersLeft = Infinity
  shortFor: 'channel' | 'name' | undefined
  readonly files = new Set<TestFile>()
  readonly log: string[] = []
  readonly relay: Relay
  readonly callbacks: RelayCallbacks & Required<Pick<RelayCallbacks, 'createBufFile'>> = {
    createBufFile: (name, _parent, _mode, buffer) => {
      if (name === undefined || this.failing.includes(buffer.cpu)) return undefined
      const file: TestFile = { name, buffer }
      this.files.add(file)
      return file
    },
    removeBufFile: (file) => {
      if (file !== undefined && !this.files.delete(file as TestFile)) this.log.push('removed twice')
    },
  }

  constructor(online = [0, 1]) {
    this.online = online
    const machine: LimitedMachine = {
      onlineCpus: () => this.online,
      isShortFor: (purpose) => {
        if (purpose !== 'buffer') return purpose === this.shortFor
        this.buffersLeft -= 1
        return this.buffersLeft < 0
      },
      log: (level, message) => this.log.push(`${level}: ${message}`),
    }
    this.relay = new Relay(machine, { possibleCpus: 8, memoryBytes: 2 ** 20 })
  }

  /** Opens a channel of 4 sub-buffers of 8 bytes with files, unless said otherwise. */
  open(options: Partial<RelayOptions> = {}): RelayChannel {
    return this.relay.open({
      baseFilename: 'r',
      subbufSize: 8,
      subbufCount: 4,
      callbacks: this.callbacks,
      ...options,
    })
  }

  names(): (string | undefined)[] {
    return [...this.files].map(({ name }) => name)
  }
}

/** The buffer of a CPU that must have one. */
export function bufferOf(channel: RelayChannel, cpu: number): ThreadBuffer {
  const buffer = channel.buffer(cpu)
  if (buffer === undefined) throw new Error(`cpu=${cpu} has no buffer`)
  return insideOf(buffer)
}
