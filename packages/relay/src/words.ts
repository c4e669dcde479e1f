/**
 * The words of a relay's memory, as typed views: its head, its texts, and the few facts that belong
 * to no channel and no member. layout.ts says what stands where.
 */
import { checkCount, isSharedMemory, PAGE_BYTES } from '@rchan/ring'
import { MAX_RELAY_CPUS, RELAY } from './layout.js'

const MAGIC = 0x52686372 // 'rchR'
/** Version of the layout, the heads of the buffers included. */
const RELAY_ABI = 4

/** The words of a relay, seen from one thread. */
export class RelayWords {
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly doubles: Float64Array<SharedArrayBuffer>
  readonly possibleCpus: number
  readonly pageCount: number
  readonly #bytes: Uint8Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.words = new Int32Array(memory, 0, RELAY.buffers / 4)
    this.doubles = new Float64Array(memory, 0, RELAY.buffers / 8)
    this.possibleCpus = this.words[RELAY.possibleCpus >> 2]
    this.pageCount = this.words[RELAY.pageCount >> 2] >>> 0
    this.#bytes = new Uint8Array(memory, 0, RELAY.buffers)
  }

  /**
   * Creator: lays the memory out.
   *
   * @throws RangeError for limits that can't be, or memory that can't be had.
   */
  static create(memoryBytes: number, possibleCpus: number): RelayWords {
    checkCount('possibleCpus', possibleCpus, 1, MAX_RELAY_CPUS)
    checkCount('memoryBytes', memoryBytes, 3 * PAGE_BYTES, 2 ** 32)
    const pageCount = Math.ceil((RELAY.buffers + memoryBytes) / PAGE_BYTES)
    const shared = new SharedArrayBuffer(pageCount * PAGE_BYTES)
    const words = new Int32Array(shared, 0, RELAY.slots / 4)
    words[RELAY.abi >> 2] = RELAY_ABI
    words[RELAY.possibleCpus >> 2] = possibleCpus
    words[RELAY.pageCount >> 2] = pageCount
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(words, RELAY.magic >> 2, MAGIC)
    return new RelayWords(shared)
  }

  /**
   * Any thread: finds a relay.
   *
   * @throws RangeError when the memory holds none, one of another version, or a part of one.
   */
  static attach(memory: SharedArrayBuffer): RelayWords {
    if (!isSharedMemory(memory) || memory.byteLength < RELAY.buffers) {
      const found = isSharedMemory(memory) ? `byteLength=${memory.byteLength}` : typeof memory
      throw new RangeError(`no relay in this memory: ${found}`)
    }
    const head = new Int32Array(memory, 0, RELAY.slots / 4)
    const magic = Atomics.load(head, RELAY.magic >> 2)
    if (magic !== MAGIC)
      throw new RangeError(`no relay in this memory: magic=0x${(magic >>> 0).toString(16)}`)
    const abi = head[RELAY.abi >> 2]
    if (abi !== RELAY_ABI)
      throw new RangeError(`the relay has abi=${abi >>> 0}, this rchan reads ${RELAY_ABI}`)
    checkCount('possibleCpus', head[RELAY.possibleCpus >> 2], 1, MAX_RELAY_CPUS)
    const bytes = (head[RELAY.pageCount >> 2] >>> 0) * PAGE_BYTES
    if (bytes !== memory.byteLength) {
      throw new RangeError(`the relay has ${bytes} bytes, its memory byteLength=${memory.byteLength}`)
    }
    return new RelayWords(memory)
  }

  /** The member that makes the file callbacks. */
  get fileThread(): number {
    return this.words[RELAY.fileThread >> 2]
  }
  /** Creator. */
  set fileThread(member: number) {
    this.words[RELAY.fileThread >> 2] = member
  }

  /** Whether one of the relay's file callbacks wants to hear of mappings. */
  get wantsMappingCalls(): boolean {
    return this.words[RELAY.wantsMappingCalls >> 2] === 1
  }
  /** Creator. */
  set wantsMappingCalls(wants: boolean) {
    this.words[RELAY.wantsMappingCalls >> 2] = wants ? 1 : 0
  }

  /** Any thread: says that a thread died with the lock, and may have left files behind. */
  reportOrphanFiles(): void {
    Atomics.store(this.words, RELAY.orphanFiles >> 2, 1)
  }

  /** Whether a thread died with the lock, and the file thread has not tidied up since. */
  get hasOrphanFiles(): boolean {
    return Atomics.load(this.words, RELAY.orphanFiles >> 2) === 1
  }

  /**
   * File thread, while it holds the lock, or the thread that calls it does.
   *
   * @returns what {@link hasOrphanFiles} was; it is false from now on.
   */
  takeOrphanFiles(): boolean {
    return this.hasOrphanFiles && Atomics.exchange(this.words, RELAY.orphanFiles >> 2, 0) === 1
  }

  /** Locked: the number of a channel that is being opened. */
  nextChannelId(): number {
    return Atomics.add(this.words, RELAY.channels >> 2, 1) + 1
  }

  /** The text at `at` bytes, which has so many. */
  readText(at: number, bytes: number): string {
    // TextDecoder takes no view of shared memory: decode a copy.
    return new TextDecoder().decode(this.#bytes.slice(at, at + bytes))
  }

  /** Stores a text of at most `most` bytes at `at`. @returns its bytes. */
  writeText(at: number, text: string, most: number): number {
    const bytes = new TextEncoder().encode(text).subarray(0, most)
    this.#bytes.set(bytes, at)
    return bytes.length
  }
}
