/**
 * The arena of a recording: one fixed-length shared memory with the places of all possible CPUs and their buffers.
 *
 * A new recording is a new arena, so nobody ever resets memory that another thread may still be writing.
 *
 * ```text
 *      at  type    word             written by
 *       0  u32     magic            coordinator  'rchA'
 *       4  u32     abi              coordinator
 *       8  i32     generation       coordinator  number of the recording
 *      12  i32     state            coordinator, consumer   only grows, see below
 *      16  u32     possibleCpus     coordinator
 *      20  i32     starter          coordinator  identity of the thread that CPU 0 is for
 *      24  i32     rounds           consumer     counted up each time it looked for work or wrote a packet
 *      28  i32     freed            consumer     places that became free again
 *      32  i32     wanted           any thread   1: a thread found no place, look for dead ones now
 *      64  u8[64]  client           coordinator  the client's own bytes
 *     128  …       places           64 bytes for each possible CPU:
 *      +0  i32     owner            thread: compare-and-exchange from 0 to its identity; consumer: back to 0
 *      +4  i32     online           thread: 1 when its buffer can be read; consumer: back to 0
 *      +8  i32     generation       consumer     how often the place was given back
 *     +12  i32     threadId         thread
 *     +16  f64     startTicks       thread
 *     +24  i32     exited           coordinator  1: the `exit` event of the owner came (where it can't be proven)
 *       …  channel                  the next multiple of 4096
 * ```
 *
 * A place goes through these states:
 *
 * ```text
 *            thread: owner := identity             thread: online := 1
 *   possible ─────────────────────────▶ claimed ─────────────────────────▶ online
 *      ▲                                   │ consumer, when it is dead        │ its thread ends
 *      │                                   ▼                                  ▼
 *      └─────── consumer: generation += 1, online := 0, owner := 0 ◀─────── offline
 *                                                  consumer: drained to its last end
 * ```
 */
import { Channel, type ChannelOptions } from '@rchan/relay'
import { RUNTIME_ABI } from './control.js'

/** Byte offsets in the arena's head, and in a place. A test holds them to the picture above. */
export const ARENA = {
  magic: 0,
  abi: 4,
  generation: 8,
  state: 12,
  possibleCpus: 16,
  starter: 20,
  rounds: 24,
  freed: 28,
  wanted: 32,
  client: 64,
  places: 128,
} as const
/** Byte offsets of the words of a place. */
export const PLACE = {
  owner: 0,
  online: 4,
  generation: 8,
  threadId: 12,
  startTicks: 16,
  exited: 24,
} as const
const PLACE_BYTES = 64
/** Bytes of the client's own in an arena. */
export const CLIENT_BYTES = 64

/** What `state` says; it only grows. */
export const STATE = {
  /** The consumer is not there yet. */
  starting: 0,
  /** The consumer drains. */
  running: 1,
  /** Tracing is off; the consumer delivers what is left. */
  stopping: 2,
  /** The consumer has delivered everything, or failed. */
  stopped: 3,
} as const

const MAGIC = 0x41686372 // 'rchA'

/** The arena of one recording, seen from the calling thread. */
export class Arena {
  readonly memory: SharedArrayBuffer
  readonly channel: Channel
  /** The head and the places, 4 bytes an element. */
  readonly words: Int32Array<SharedArrayBuffer>
  /** The client's own bytes; written before the recording starts. */
  readonly client: Uint8Array<SharedArrayBuffer>
  readonly #doubles: Float64Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer, possibleCpus: number, channel: Channel) {
    const headBytes = channelOffset(possibleCpus)
    this.memory = memory
    this.channel = channel
    this.words = new Int32Array(memory, 0, headBytes / 4)
    this.#doubles = new Float64Array(memory, 0, headBytes / 8)
    this.client = new Uint8Array(memory, ARENA.client, CLIENT_BYTES)
  }

  /**
   * Coordinator: lays an arena out.
   *
   * @throws RangeError for a geometry that can't be, or when the memory can't be had.
   */
  static create(
    options: ChannelOptions,
    generation: number,
    starterIdentity: number,
    client: Uint8Array,
  ): Arena {
    const head = channelOffset(options.possibleCpus)
    const bytes = head + Channel.bytes(options)
    let memory: SharedArrayBuffer
    try {
      memory = new SharedArrayBuffer(bytes)
    } catch (error) {
      throw new RangeError(
        `no memory for ${options.possibleCpus} CPUs of ${options.subbufSize * options.subbufCount} bytes ` +
          `(${bytes} in all): make bufferSize or possibleCpus smaller`,
        { cause: error },
      )
    }
    const arena = new Arena(memory, options.possibleCpus, Channel.create(options, memory, head))
    arena.words[ARENA.abi >> 2] = RUNTIME_ABI
    arena.words[ARENA.generation >> 2] = generation
    arena.words[ARENA.possibleCpus >> 2] = options.possibleCpus
    arena.words[ARENA.starter >> 2] = starterIdentity
    arena.client.set(client)
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(arena.words, ARENA.magic >> 2, MAGIC)
    return arena
  }

  /** Any thread: finds what is in an arena. @throws RangeError when the memory is none, or of another version. */
  static attach(memory: SharedArrayBuffer): Arena {
    if (memory.byteLength < 4096) throw new RangeError(`no arena in byteLength=${memory.byteLength}`)
    const head = new Int32Array(memory, 0, ARENA.places / 4)
    if (Atomics.load(head, ARENA.magic >> 2) !== MAGIC || head[ARENA.abi >> 2] !== RUNTIME_ABI) {
      throw new RangeError(`no arena of abi=${RUNTIME_ABI} in byteLength=${memory.byteLength}`)
    }
    const cpus = head[ARENA.possibleCpus >> 2]
    return new Arena(memory, cpus, Channel.attach(memory, channelOffset(cpus)))
  }

  get generation(): number {
    return this.words[ARENA.generation >> 2]
  }

  get possibleCpus(): number {
    return this.words[ARENA.possibleCpus >> 2]
  }

  /** Index in {@link words} of a word (of {@link PLACE}) of a CPU's place. */
  placeWord(cpu: number, word: number): number {
    return (ARENA.places + cpu * PLACE_BYTES + word) >> 2
  }

  startTicks(cpu: number): number {
    return this.#doubles[(ARENA.places + cpu * PLACE_BYTES + PLACE.startTicks) >> 3]
  }

  setStartTicks(cpu: number, ticks: number): void {
    this.#doubles[(ARENA.places + cpu * PLACE_BYTES + PLACE.startTicks) >> 3] = ticks
  }
}

function channelOffset(possibleCpus: number): number {
  return (ARENA.places + possibleCpus * PLACE_BYTES + 4095) & -4096
}
