/**
 * The arena of a recording: one fixed-length shared memory. It holds the places of all possible
 * CPUs, and their buffers, or the one buffer that all of them write.
 *
 * A new recording gets a new arena, or the memory of an ended one that no thread touches any more
 * (arena-pool.ts). So no thread ever resets memory that another thread may still write.
 *
 * ```text
 *      at  type    word             written by
 *       0  u32     magic            recorder     'rchA'
 *       4  u32     abi              recorder
 *       8  i32     generation       recorder     number of the recording; 0: it is over
 *      12  i32     state            consumer     its state, see below
 *      16  u32     possibleCpus     recorder
 *      20  i32     recorder         recorder     identity of the thread that CPU 0 is for
 *      24  i32     rounds           consumer     counted up each time it looked for work or wrote a packet
 *      28  i32     freed            consumer     places that became free again
 *      32  i32     wanted           any thread   bits, see request.ts; consumer: back to 0
 *      36  u32     kind             recorder     0: a channel, 1: a global buffer
 *      40  i32     requests         any thread   counted up by each request
 *      44  i32     answers          consumer     `requests` up to which all is done
 *      48  i32     looks            consumer     counted up after each look for dead threads
 *      52  i32     leaving          consumer     places that the last look found to be of the dead, and not free yet
 *      56  i32     joining          any thread   threads that are just about to take a place; outlives the recording
 *      60  u32     lastWords        recorder     bits: which threads ask for a snapshot when they die (last-words.ts)
 *      64  i32     came             any thread   counted up by each thread that has come online
 *      72  u8[56]  client           recorder     the client's own bytes
 *     128  …       places           192 bytes for each possible CPU:
 *      +0  i32     owner            thread: compare-and-exchange from 0 to its identity; consumer: back to 0
 *      +4  i32     online           thread: 1 when its buffer can be read; consumer: back to 0
 *      +8  i32     generation       consumer     how often the place was given back
 *     +12  i32     threadId         thread
 *     +16  f64     startTicks       thread
 *     +24  i32     exited           recorder     1: the owner's `exit` event came
 *     +28  i32     left             thread       1: the recording is over, and it will not touch this memory again
 *     +32  u8[64]  threadName       thread       in UTF-8; NUL behind it, if there is room
 *     +96  i32     stallMs          thread       how long its event loop may stand still (heartbeat.ts); 0: not watched
 *    +100  i32     beats            thread       counted up by its event loop while that is watched
 *    +104  i32     heap             thread       its heap in use at the last beat, in thousandths of the limit
 *    +108  u32     cut              thread       records in which a value was cut
 *    +112  i32     spans            thread       slots of open spans that it has used, see span-table.ts
 *    +116  i32     runs             thread       the file that it runs, as an interned string
 *    +120  i64     came             thread       when it came online, in ns of the trace's clock
 *    +128  u32     filtered         thread       records that limits have kept out
 *       …  remarks: on tracepoints, by any thread, see remarks.ts
 *       …  strings: a table of texts, by any thread, see text-table.ts; the next multiple of 4096
 *       …  open spans, by the threads, see span-table.ts
 *       …  channel or global buffer: the next multiple of 4096
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
import { Channel, GlobalBuffer, globalBufferBytes } from '@rchan/ring'
import type { ChannelOptions, GlobalGeometry } from '@rchan/ring'
import { RUNTIME_ABI } from './control-page.js'
import { decodeShared } from './process.js'
import { Remarks, REMARKS_BYTES } from './remarks.js'
import { openSpans, PLACE_SPANS_BYTES, type OpenSpan } from './span-table.js'
import { Strings, STRINGS_BYTES } from './strings.js'
import { nodeMachine } from './machine.js'

/** Byte offsets in the arena's head, and in a place. A test holds them to the picture above. */
export const ARENA = {
  magic: 0,
  abi: 4,
  generation: 8,
  state: 12,
  possibleCpus: 16,
  recorder: 20,
  rounds: 24,
  freed: 28,
  wanted: 32,
  kind: 36,
  requests: 40,
  answers: 44,
  looks: 48,
  leaving: 52,
  joining: 56,
  lastWords: 60,
  came: 64,
  client: 72,
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
  left: 28,
  threadName: 32,
  stallMs: 96,
  beats: 100,
  heap: 104,
  cut: 108,
  spans: 112,
  runs: 116,
  came: 120,
  filtered: 128,
} as const
const PLACE_BYTES = 192
/** Bytes of a thread's name in its place. */
export const THREAD_NAME_BYTES = 64
/** Bytes for the client's own use in an arena. */
export const CLIENT_BYTES = 56

/**
 * The values of `state`, the state of the consumer. The consumer stores it. The recorder stores
 * `over`, too, when the consumer thread has ended. Without a consumer the value stays `starting`.
 *
 * ```text
 *             its format and sink are ready          it was asked to stop and is done, or it failed
 *   starting ─────────────────────────────▶ running ─────────────────────────────────────────▶ over
 * ```
 */
export const CONSUMER_STATE = {
  starting: 0,
  running: 1,
  over: 2,
} as const

const MAGIC = 0x41686372 // 'rchA'
const GLOBAL_KIND = 1
/** Records are read as words. */
const UNIT_BYTES = 8
/**
 * Slots of a global buffer beyond one for each place. A thread whose stack is full just while it
 * comes online takes a slot without knowing it.
 */
const SPARE_WRITERS = 64

/** The shape of an arena. `headerBytes` is for a channel; a global buffer has no headers. */
export interface ArenaOptions extends ChannelOptions {
  /** Whether all CPUs write one buffer, of `subbufCount` sub-buffers in all. */
  readonly global?: boolean
}

/**
 * The tag of the thread that wrote a record of a global buffer: its CPU in the low half, the low 16
 * bits of Node's thread id in the high half.
 */
export function threadTag(cpu: number, threadId: number): number {
  return cpu | (threadId << 16)
}

/** The parts of a tag: the CPU, and the low 16 bits of the thread's id. */
export function tagParts(tag: number): { cpu: number; thread: number } {
  return { cpu: tag & 0xffff, thread: (tag >>> 16) & 0xffff }
}

/**
 * The identity of a CPU's slot in a global buffer. A place is freed after its slot, so no two
 * threads share a slot.
 */
export function slotIdentity(cpu: number): number {
  return cpu + 1
}

/** The arena of one recording, as the calling thread sees it. */
export class Arena {
  readonly memory: SharedArrayBuffer
  /** Read once when the arena was found, and never again, because it bounds loops. */
  readonly possibleCpus: number
  /** The one buffer of all CPUs, if they share one. */
  readonly global: GlobalBuffer | undefined
  readonly #channel: Channel | undefined
  /** The head, the places and the remarks, 4 bytes an element. */
  readonly words: Int32Array<SharedArrayBuffer>
  /** The client's own bytes, written before the recording starts. */
  readonly client: Uint8Array<SharedArrayBuffer>
  /** Number of the recording. A copy, because the word may later belong to another recording. */
  readonly generation: number
  /** The threads' remarks on tracepoints. */
  readonly remarks: Remarks
  /** The interned strings. */
  readonly strings: Strings
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #longs: BigInt64Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer, possibleCpus: number, buffers: Channel | GlobalBuffer) {
    const headBytes = stringsOffset(possibleCpus)
    this.memory = memory
    this.possibleCpus = possibleCpus
    if (buffers instanceof Channel) this.#channel = buffers
    else this.global = buffers
    this.words = new Int32Array(memory, 0, headBytes / 4)
    this.#doubles = new Float64Array(memory, 0, headBytes / 8)
    this.#longs = new BigInt64Array(memory, 0, headBytes / 8)
    this.#bytes = new Uint8Array(memory, 0, headBytes)
    this.client = new Uint8Array(memory, ARENA.client, CLIENT_BYTES)
    this.remarks = new Remarks(memory, remarksOffset(possibleCpus))
    this.strings = new Strings(nodeMachine, memory, headBytes)
    this.generation = Atomics.load(this.words, ARENA.generation >> 2)
  }

  /**
   * Recorder: lays out an arena.
   *
   * @param used memory of an arena of the same options that no thread touches any more.
   * @throws RangeError for an impossible geometry, or when the system has no memory.
   */
  static create(
    options: ArenaOptions,
    generation: number,
    recorderIdentity: number,
    client: Uint8Array,
    used?: SharedArrayBuffer,
  ): Arena {
    const head = channelOffset(options.possibleCpus)
    const isGlobal = options.global === true
    const bytes = head + (isGlobal ? globalBufferBytes(globalGeometry(options)) : Channel.bytes(options))
    let memory: SharedArrayBuffer
    try {
      memory = used ?? new SharedArrayBuffer(bytes)
    } catch (error) {
      throw new RangeError(
        `no memory for ${isGlobal ? 'a buffer' : `${options.possibleCpus} CPUs`} of ${options.subbufSize * options.subbufCount} bytes ` +
          `(${bytes} in all): make bufferSize or possibleCpus smaller`,
        { cause: error },
      )
    }
    const words = new Int32Array(memory, 0, stringsOffset(options.possibleCpus) / 4)
    if (used !== undefined) {
      // Threads of the previous recording may still count `joining` up and down.
      words.fill(0, 0, ARENA.joining >> 2)
      words.fill(0, (ARENA.joining >> 2) + 1)
    }
    const isUsed = used !== undefined
    const buffers = isGlobal
      ? GlobalBuffer.create(globalGeometry(options), memory, head, isUsed)
      : Channel.create(options, memory, head, isUsed)
    // Pairs with: PlaceClaim.#claim, Atomics.load. A thread of an ended recording goes away when it
    // sees this generation.
    Atomics.store(words, ARENA.generation >> 2, generation)
    const arena = new Arena(memory, options.possibleCpus, buffers)
    if (isUsed) arena.strings.clear()
    arena.words[ARENA.kind >> 2] = isGlobal ? GLOBAL_KIND : 0
    arena.words[ARENA.abi >> 2] = RUNTIME_ABI
    arena.words[ARENA.possibleCpus >> 2] = options.possibleCpus
    arena.words[ARENA.recorder >> 2] = recorderIdentity
    arena.client.set(client)
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(arena.words, ARENA.magic >> 2, MAGIC)
    return arena
  }

  /**
   * Any thread: finds the parts of an arena. @throws RangeError when the memory is no arena, or is
   * of another version.
   */
  static attach(memory: SharedArrayBuffer): Arena {
    if (memory.byteLength < 4096) throw new RangeError(`no arena in byteLength=${memory.byteLength}`)
    const head = new Int32Array(memory, 0, ARENA.places / 4)
    if (Atomics.load(head, ARENA.magic >> 2) !== MAGIC || head[ARENA.abi >> 2] !== RUNTIME_ABI) {
      throw new RangeError(`no arena of abi=${RUNTIME_ABI} in byteLength=${memory.byteLength}`)
    }
    const cpus = head[ARENA.possibleCpus >> 2]
    if (cpus < 1 || channelOffset(cpus) > memory.byteLength) {
      throw new RangeError(`the arena is damaged: possibleCpus=${cpus} in byteLength=${memory.byteLength}`)
    }
    const at = channelOffset(cpus)
    const isGlobal = head[ARENA.kind >> 2] === GLOBAL_KIND
    return new Arena(memory, cpus, isGlobal ? GlobalBuffer.attach(memory, at) : Channel.attach(memory, at))
  }

  /** The buffers, if each CPU has its own. */
  get channel(): Channel {
    if (this.#channel === undefined) throw new Error('the CPUs of this arena share one buffer')
    return this.#channel
  }

  /** Index in {@link words} of a word (of {@link PLACE}) of a CPU's place. */
  placeWord(cpu: number, word: number): number {
    return (ARENA.places + cpu * PLACE_BYTES + word) >> 2
  }

  startTicks(cpu: number): number {
    return this.#doubles[(ARENA.places + cpu * PLACE_BYTES + PLACE.startTicks) >> 3]
  }

  /** Consumer: the name of a place's thread. Its bytes are untrusted. */
  threadName(cpu: number): string {
    const at = ARENA.places + cpu * PLACE_BYTES + PLACE.threadName
    const bytes = this.#bytes.subarray(at, at + THREAD_NAME_BYTES)
    const end = bytes.indexOf(0)
    return decodeShared(end < 0 ? bytes : bytes.subarray(0, end)) || 'unknown'
  }

  /** Thread: stores its name, in UTF-8, as far as it fits the place. */
  setThreadName(cpu: number, name: Uint8Array): void {
    const at = ARENA.places + cpu * PLACE_BYTES + PLACE.threadName
    for (let index = 0; index < THREAD_NAME_BYTES; index += 1) {
      this.#bytes[at + index] = index < name.length ? name[index] : 0
    }
  }

  /** The slots of the open spans of a place's thread, 4 bytes an element. */
  spanWords(cpu: number): Int32Array<SharedArrayBuffer> {
    const at = spansOffset(this.possibleCpus) + cpu * PLACE_SPANS_BYTES
    return new Int32Array(this.memory, at, PLACE_SPANS_BYTES >> 2)
  }

  /** Consumer: the open spans of a place's thread. None of them began after `now`. */
  openSpans(cpu: number, now: bigint): OpenSpan[] {
    return openSpans(this.spanWords(cpu), this.words[this.placeWord(cpu, PLACE.spans)], now)
  }

  /** When the thread of a place came online. */
  came(cpu: number): bigint {
    return Atomics.load(this.#longs, (ARENA.places + cpu * PLACE_BYTES + PLACE.came) >> 3)
  }

  /** Thread: stores when it came online. */
  setCame(cpu: number, time: bigint): void {
    this.#longs[(ARENA.places + cpu * PLACE_BYTES + PLACE.came) >> 3] = time
  }

  setStartTicks(cpu: number, ticks: number): void {
    this.#doubles[(ARENA.places + cpu * PLACE_BYTES + PLACE.startTicks) >> 3] = ticks
  }
}

function globalGeometry({ subbufSize, subbufCount, mode, possibleCpus }: ArenaOptions): GlobalGeometry {
  const maxWriters = possibleCpus + SPARE_WRITERS
  return { subbufSize, subbufCount, mode, headerBytes: 0, unitBytes: UNIT_BYTES, maxWriters }
}

/** Where the remarks start. */
function remarksOffset(possibleCpus: number): number {
  return ARENA.places + possibleCpus * PLACE_BYTES
}

/** Where the strings start. */
function stringsOffset(possibleCpus: number): number {
  // No 32-bit operations: a value from a damaged arena must not wrap around.
  return Math.ceil((remarksOffset(possibleCpus) + REMARKS_BYTES) / 4096) * 4096
}

/** Where the open spans start. */
function spansOffset(possibleCpus: number): number {
  return stringsOffset(possibleCpus) + STRINGS_BYTES
}

function channelOffset(possibleCpus: number): number {
  return spansOffset(possibleCpus) + possibleCpus * PLACE_SPANS_BYTES
}
