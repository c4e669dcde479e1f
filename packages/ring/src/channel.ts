/**
 * A channel: one geometry, and a buffer for each possible CPU, in shared memory.
 *
 * ```text
 *   byteOffset   4096 bytes      bufferBytes(geometry)     …
 *   | channel    | buffer of CPU 0 | buffer of CPU 1 | … one for each possible CPU
 * ```
 *
 * The head holds u32 magic 'rchC', u32 abi, u32 possibleCpus, u32 bytes of one buffer. The creator
 * writes all of it. Untouched memory costs nothing, so the buffers of CPUs that never come online
 * are free. Any thread may attach.
 */
import { BUFFER_ABI, BufferMemory, bufferBytes, checkCount, checkGeometry, type Geometry } from './buffer.js'
import { Reader } from './reader.js'
import { Writer, type WriterCallbacks } from './writer.js'
import type { WriterView } from './writer-view.js'

const MAGIC = 0x43686372 // 'rchC'
const HEAD_BYTES = 4096
/** The most CPUs that a channel can have. */
export const MAX_CPUS = 4096

/** The shape of a channel. */
export interface ChannelOptions extends Geometry {
  /** How many CPUs can be online at once. */
  readonly possibleCpus: number
}

/**
 * A channel in shared memory, as the calling thread sees it. Any thread may make one over the same
 * memory. `writer` and `reader` say which thread may use their result.
 *
 * @example
 * const shape = { subbufSize: 4096, subbufCount: 8, mode: 'discard', headerBytes: 0 }
 * const channel = Channel.create({ ...shape, possibleCpus: 2 })
 * channel.writer(0).write(new Uint8Array([1, 2, 3]))
 */
export class Channel {
  readonly memory: SharedArrayBuffer
  readonly byteOffset: number
  readonly possibleCpus: number
  readonly #bufferBytes: number

  private constructor(memory: SharedArrayBuffer, byteOffset: number, possibleCpus: number, bytes: number) {
    this.memory = memory
    this.byteOffset = byteOffset
    this.possibleCpus = possibleCpus
    this.#bufferBytes = bytes
  }

  /** Bytes of shared memory that a channel needs. @throws RangeError for an impossible geometry. */
  static bytes(options: ChannelOptions): number {
    checkGeometry(options)
    const { possibleCpus } = options
    checkCount('possibleCpus', possibleCpus, 1, MAX_CPUS)
    return HEAD_BYTES + possibleCpus * bufferBytes(options)
  }

  /**
   * Lays out a channel, in new memory or in the caller's zeroed memory.
   *
   * @param isUsed the memory is not zeroed: it held a channel of the same options at the same
   * place, which no thread uses any more.
   * @throws RangeError for an impossible geometry, for memory that is too small, or when the system
   * has no memory.
   */
  static create(
    options: ChannelOptions,
    memory?: SharedArrayBuffer,
    byteOffset = 0,
    isUsed = false,
  ): Channel {
    const bytes = Channel.bytes(options)
    const room = memory ?? new SharedArrayBuffer(bytes)
    if (byteOffset % 4096 !== 0 || byteOffset + bytes > room.byteLength) {
      throw new RangeError(
        `a channel of ${bytes} bytes at byteOffset=${byteOffset} does not fit byteLength=${room.byteLength}`,
      )
    }
    const channel = new Channel(room, byteOffset, options.possibleCpus, bufferBytes(options))
    for (let cpu = 0; cpu < options.possibleCpus; cpu += 1) {
      if (isUsed) BufferMemory.clearWords(room, channel.#place(cpu), options)
      BufferMemory.create(room, channel.#place(cpu), cpu, options)
    }
    const head = new Uint32Array(room, byteOffset, 4)
    head[1] = BUFFER_ABI
    head[2] = options.possibleCpus
    head[3] = channel.#bufferBytes
    // Pairs with: attach, Atomics.load of the magic.
    Atomics.store(head, 0, MAGIC)
    return channel
  }

  /**
   * Finds a channel that another thread laid out. @throws RangeError when there is none, or when it
   * is of another version.
   */
  static attach(memory: SharedArrayBuffer, byteOffset = 0): Channel {
    if (byteOffset % 8 !== 0 || byteOffset + HEAD_BYTES > memory.byteLength) {
      throw new RangeError(
        `no channel at byteOffset=${byteOffset}: the memory has byteLength=${memory.byteLength}`,
      )
    }
    const head = new Uint32Array(memory, byteOffset, 4)
    const magic = Atomics.load(head, 0)
    if (magic !== MAGIC) {
      throw new RangeError(`no channel at byteOffset=${byteOffset}: magic=0x${magic.toString(16)}`)
    }
    if (head[1] !== BUFFER_ABI) {
      throw new RangeError(`the channel has abi=${head[1]}, this rchan reads ${BUFFER_ABI}`)
    }
    const bytes = HEAD_BYTES + head[2] * head[3]
    if (byteOffset + bytes > memory.byteLength) {
      throw new RangeError(
        `the channel needs ${bytes} bytes at byteOffset=${byteOffset}, the memory ends at byteLength=${memory.byteLength}`,
      )
    }
    return new Channel(memory, byteOffset, head[2], head[3])
  }

  /** The memory of a CPU's buffer. @throws RangeError when there is no such CPU. */
  buffer(cpu: number): BufferMemory {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.possibleCpus) {
      throw new RangeError(`cpu=${String(cpu)} is not one of the ${this.possibleCpus} possible CPUs`)
    }
    return BufferMemory.attach(this.memory, this.#place(cpu))
  }

  /** Takes over a CPU's buffer for writing. The caller must be its only owner. */
  writer(cpu: number, callbacks?: WriterCallbacks, view?: WriterView): Writer {
    return new Writer(this.buffer(cpu), callbacks, view)
  }

  /** Makes a reader of a CPU's buffer. The caller must be its only reader. */
  reader(cpu: number): Reader {
    return new Reader(this.buffer(cpu))
  }

  #place(cpu: number): number {
    return this.byteOffset + HEAD_BYTES + cpu * this.#bufferBytes
  }
}
