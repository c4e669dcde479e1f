/**
 * The control page: the small shared memory that every thread of the process finds, even without a
 * recording.
 *
 * The first import of rchan in the process makes it, and puts it into the environment data. So
 * every worker started later inherits it, and so do the workers of these workers. Without a
 * recording there is no other shared memory.
 *
 * ```text
 *     at   type      word            written by
 *      0   u32       magic           maker        'rchP'
 *      4   u32       abi             maker
 *      8   i32       generation      recorder     number of the recording that runs; 0: none
 *     12   i32       recordings      recorder     recordings started so far
 *     16   i32       recorder        recorder     identity of the recording thread; 0: none
 *     24   f64       startTicks      recorder     when that thread started; 0: not known (yet)
 *     64   i32[2]    doorbell        sync         where the consumer sleeps
 *    128   i32       asked           any thread   counted up by a thread that lacks the arena
 *    132   i32       answered        consumer     the value of `asked` that it has served
 *    136   i32       calls        any thread   calls to the consumer so far, added; see call.ts
 *    140   i32       replies      consumer     replies to them so far
 *    144   i32       listening    consumer     the recording whose consumer takes calls; 0: none. The recorder
 *                                              stores 0, too, when the consumer thread has ended
 *    192   i64       noBuffer        any thread   records of threads without a place, added
 *    200   i64       time            consumer     its clock at its last answer
 *    208   i32       clockFaults     any thread   threads whose clocks can't be trusted, added atomically
 *    212   i32       faultThread     any thread   1 + Node's number of the first, exchanged from 0
 *    216   i64       faultNs         that thread  how far its clock is off; 0: it stands still
 *    224   i32       renamed         any thread   changes of names of threads, added
 *    232   i32       rulesVersion    recorder     counted up before and after the rules change: odd meanwhile
 *    236   i32       rulesBytes      recorder     bytes of the rules; 0: all events are wanted
 *   4096   i32[2048] flags           recorder     by id: the generation that records it, or 0; negative if only with
 *                                                 the limits below. Also stored by who declares it
 *  12288   u8[4096]  rules           recorder     which events are wanted: the client's text, in UTF-8
 *  16384   i32[2048] oneIn           as flags     by id: every so many-th call is recorded
 *  24576   f64[2048] minNs           as flags     by id: shorter spans are not recorded
 *  40960   …         table           declarers    the tracepoint table, see below
 * ```
 *
 * A failing consumer also sets generation and flags to 0. So does a thread that finds the recording
 * thread dead. Both do it by compare-and-exchange from the generation that is over.
 *
 * `text-table.ts` draws the table.
 */
import { Doorbell, DOORBELL_WORDS } from '@rchan/sync'
import { isSharedMemory } from '@rchan/ring'
import { lookAgain } from '@rchan/sync/look-again'
import { decodeShared, encode, thisProcess } from './process.js'
import { builtins, type ThreadIdentity } from '@rchan/threads'
import { TextTable, type Entry, type TableCursor } from './text-table.js'
import { nodeMachine, type Machine } from './machine.js'

const { getEnvironmentData, setEnvironmentData } = builtins.workerThreads

/** Byte offsets in the control page. A test holds them to the picture above. */
export const CONTROL = {
  magic: 0,
  abi: 4,
  generation: 8,
  recordings: 12,
  recorder: 16,
  startTicks: 24,
  doorbell: 64,
  asked: 128,
  answered: 132,
  calls: 136,
  replies: 140,
  listening: 144,
  noBuffer: 192,
  time: 200,
  clockFaults: 208,
  faultThread: 212,
  faultNs: 216,
  renamed: 224,
  rulesVersion: 232,
  rulesBytes: 236,
  flags: 4096,
  rules: 12288,
  oneIn: 16384,
  minNs: 24576,
  table: 40960,
} as const

/**
 * Version of everything that the threads of a process share, and of the class `Cpu`, which copies
 * of these modules in one thread share. It is part of the names by which they find these.
 */
export const RUNTIME_ABI = 1
/** The most entries that the table can have. */
export const MAX_ENTRIES = 2048
const PAGE_BYTES = 256 * 1024
/** The most bytes of rules. */
const RULES_BYTES = 4096
/** How often a reader looks for rules that are just being changed, a millisecond apart. */
const RULE_TRIES = 100
/** Elements from `noBuffer` on. */
const TIME = 1
const FAULT_NS = 3
const MAGIC = 0x50686372 // 'rchP'
const ENVIRONMENT_KEY = `rchan:control:${RUNTIME_ABI}`

/**
 * Name of the channel on which the consumer posts the arena of a recording. A process can have
 * several control pages (when workers import rchan, and the main thread does not). Each page counts
 * its recordings from 1, so the identity of the recording thread tells them apart.
 */
export function arenaChannelName(recorderIdentity: number, generation: number): string {
  return `rchan:arena:${RUNTIME_ABI}:${thisProcess.pid}:${recorderIdentity}:${generation}`
}

/** Which of a tracepoint's records are wanted. */
export interface Limits {
  /** Every so many-th call of a thread; 1: all. */
  readonly oneIn: number
  /** Shorter spans are not wanted. */
  readonly minDurationNs: number
}

/** The control page of this process, as the calling thread sees it. */
export class Control {
  readonly memory: SharedArrayBuffer
  /** The machine of the calling thread. */
  readonly machine: Machine
  /** All words, 4 bytes an element. */
  readonly words: Int32Array<SharedArrayBuffer>
  /**
   * One flag for each id: the generation of the recording that wants its records, or 0. Encoders
   * read them plainly.
   */
  readonly flags: Int32Array<SharedArrayBuffer>
  readonly doorbell: Doorbell
  readonly #longs: BigInt64Array<SharedArrayBuffer>
  readonly #ticks: Float64Array<SharedArrayBuffer>
  readonly #table: TextTable
  readonly #rules: Uint8Array<SharedArrayBuffer>
  readonly #oneIn: Int32Array<SharedArrayBuffer>
  readonly #minNs: Float64Array<SharedArrayBuffer>

  constructor(memory: SharedArrayBuffer, machine: Machine = nodeMachine) {
    this.memory = memory
    this.machine = machine
    this.words = new Int32Array(memory, 0, PAGE_BYTES / 4)
    this.flags = new Int32Array(memory, CONTROL.flags, MAX_ENTRIES)
    this.doorbell = new Doorbell(new Int32Array(memory, CONTROL.doorbell, DOORBELL_WORDS))
    this.#longs = new BigInt64Array(memory, CONTROL.noBuffer, 4)
    this.#ticks = new Float64Array(memory, CONTROL.startTicks, 1)
    this.#rules = new Uint8Array(memory, CONTROL.rules, RULES_BYTES)
    this.#oneIn = new Int32Array(memory, CONTROL.oneIn, MAX_ENTRIES)
    this.#minNs = new Float64Array(memory, CONTROL.minNs, MAX_ENTRIES)
    this.#table = new TextTable(machine, memory, CONTROL.table, PAGE_BYTES - CONTROL.table, MAX_ENTRIES)
  }

  /** Makes a new page: for the first thread of a process, and for tests. */
  static create(machine?: Machine): Control {
    const control = new Control(new SharedArrayBuffer(PAGE_BYTES), machine)
    control.words[CONTROL.abi >> 2] = RUNTIME_ABI
    // Pairs with: ofProcess, Atomics.load of `magic`.
    Atomics.store(control.words, CONTROL.magic >> 2, MAGIC)
    return control
  }

  /**
   * Finds the page that this thread inherited, or makes a new one for the workers started from here
   * on. If the environment data hold another value under that key, the value stays. Then no other
   * thread shares this thread's page, see {@link isShared}.
   */
  static ofProcess(): Control {
    const inherited: unknown = getEnvironmentData(ENVIRONMENT_KEY)
    if (isSharedMemory(inherited) && inherited.byteLength === PAGE_BYTES) {
      const control = new Control(inherited)
      if (Atomics.load(control.words, CONTROL.magic >> 2) === MAGIC) return control
    }
    const control = Control.create()
    if (inherited === undefined) setEnvironmentData(ENVIRONMENT_KEY, control.memory)
    return control
  }

  /**
   * Whether workers of this thread find this page. If not, a recording would have none of their
   * events.
   */
  get isShared(): boolean {
    return getEnvironmentData(ENVIRONMENT_KEY) === this.memory
  }

  /** The number of the running recording; 0 for none. */
  get generation(): number {
    return Atomics.load(this.words, CONTROL.generation >> 2)
  }

  /** Identity of the recording thread; 0 for none. */
  get recorder(): number {
    return Atomics.load(this.words, CONTROL.recorder >> 2)
  }

  /** Whether the recording thread is proven to have died without ending its recording. */
  isRecorderDead(): boolean {
    return this.machine.isDead(this.recorder, this.#ticks[0])
  }

  /**
   * Recorder: makes the calling thread the recording thread. It replaces a thread that died while
   * it recorded. If another thread seems to live, this call looks at it for a while (see sync's
   * `look-again`), because that thread may have just ended.
   *
   * @returns 0 when the calling thread is the recording thread now; else the identity of the
   * recording thread.
   */
  claimRecorder({ identity, startTicks }: ThreadIdentity): number {
    const at = CONTROL.recorder >> 2
    let holder = 0
    lookAgain(() => {
      holder = Atomics.compareExchange(this.words, at, 0, identity)
      if (holder !== 0 && this.isRecorderDead()) {
        // Clear the dead thread's ticks: next to the new thread's identity they would prove the new
        // thread dead.
        this.#ticks[0] = 0
        const found = Atomics.compareExchange(this.words, at, holder, identity)
        if (found === holder) holder = 0
      }
      return holder === 0 || holder === identity
    })
    // A thread that looks in between sees the identity alone. That is enough while we live.
    if (holder === 0) this.#ticks[0] = startTicks
    return holder
  }

  /** Recorder: gives up the recording thread's role. */
  releaseRecorder(): void {
    this.#ticks[0] = 0
    // Pairs with: claimRecorder, compare-and-exchange from 0.
    Atomics.store(this.words, CONTROL.recorder >> 2, 0)
  }

  /**
   * Recorder: switches on every tracepoint for a recording, given by its generation. See
   * {@link disable}.
   */
  enable(generation: number): void {
    // Pairs with: Cpu.online, Atomics.load of `generation`. The flags are hints: encoders read them
    // plainly.
    Atomics.store(this.words, CONTROL.generation >> 2, generation)
    if (this.words[CONTROL.rulesBytes >> 2] !== 0) return
    for (let id = 0; id < MAX_ENTRIES; id += 1) Atomics.store(this.flags, id, generation)
  }

  /**
   * Recorder: sets the rules by which events are wanted; an empty text wants all. While a recording
   * runs, call {@link want} for each entry of the table afterwards.
   *
   * @throws RangeError if there is no room for them.
   */
  setRules(text: string): void {
    const bytes = encode(text)
    if (bytes.length > RULES_BYTES) {
      throw new RangeError(
        `the rules of the recording have ${bytes.length} bytes, at most ${RULES_BYTES} are possible`,
      )
    }
    const { words } = this
    Atomics.add(words, CONTROL.rulesVersion >> 2, 1)
    this.#rules.set(bytes)
    Atomics.store(words, CONTROL.rulesBytes >> 2, bytes.length)
    // Pairs with: rules, which finds the version changed if it has read in between.
    Atomics.add(words, CONTROL.rulesVersion >> 2, 1)
  }

  /**
   * Any thread: the rules, and their version.
   *
   * @returns undefined if all events are wanted.
   */
  rules(): { readonly version: number; readonly text: string } | undefined {
    const { words } = this
    for (let tries = 0; tries < RULE_TRIES; tries += 1) {
      // Pairs with: setRules, Atomics.add before and after.
      const version = Atomics.load(words, CONTROL.rulesVersion >> 2)
      const length = Atomics.load(words, CONTROL.rulesBytes >> 2)
      if (length === 0 && version % 2 === 0) return undefined
      const text = decodeShared(this.#rules.subarray(0, Math.max(0, Math.min(length, RULES_BYTES))))
      if (version % 2 === 0 && Atomics.load(words, CONTROL.rulesVersion >> 2) === version)
        return { version, text }
      this.machine.sleep(1)
    }
    return undefined
  }

  /** Whether the rules are still those of a version. */
  areRules(version: number): boolean {
    return Atomics.load(this.words, CONTROL.rulesVersion >> 2) === version
  }

  /**
   * Recorder, or the declarer of an entry: wants the records of a tracepoint, or not.
   *
   * A declarer enters its entry, loads the version of the rules, and stores the flag; then it loads
   * the version again, and does it anew if that has changed. Whoever changes rules stores the
   * version, and then reads the table and stores the flags. So a flag by older rules is replaced by
   * one of the two, as all of these are sequentially consistent: either the table has the entry, or
   * the declarer finds the new version.
   *
   * @param limits undefined if its records are not wanted.
   */
  want(id: number, generation: number, limits: Limits | undefined): void {
    if (limits !== undefined) {
      this.#oneIn[id] = limits.oneIn
      this.#minNs[id] = limits.minDurationNs
    }
    const isLimited = limits !== undefined && (limits.oneIn > 1 || limits.minDurationNs > 0)
    Atomics.store(this.flags, id, limits === undefined ? 0 : isLimited ? -generation : generation)
    // The recording may have ended meanwhile: then nobody sets the flag to 0 after us.
    if (this.generation !== generation) this.#clear(id, generation)
  }

  /** The limits of a tracepoint whose flag is negative. */
  limits(id: number): Limits {
    return { oneIn: Math.max(1, this.#oneIn[id]), minDurationNs: this.#minNs[id] }
  }

  #clear(id: number, generation: number): void {
    Atomics.compareExchange(this.flags, id, generation, 0)
    Atomics.compareExchange(this.flags, id, -generation, 0)
  }

  /**
   * Switches off every tracepoint for a recording that ends. Does not touch a recording that has
   * begun since. For the recording thread, for a failing consumer, and for any thread that has
   * proven the recording thread dead.
   */
  disable(generation: number): void {
    Atomics.compareExchange(this.words, CONTROL.generation >> 2, generation, 0)
    for (let id = 0; id < MAX_ENTRIES; id += 1) this.#clear(id, generation)
  }

  /** Any thread: counts a record of a thread without a place. */
  countNoBuffer(): void {
    Atomics.add(this.#longs, 0, 1n)
  }

  /**
   * Records of threads that found no place, since the recording started; 0 if the value is no
   * count, in a damaged page.
   */
  get noBuffer(): number {
    const count = Number(Atomics.load(this.#longs, 0))
    return Number.isSafeInteger(count) && count >= 0 ? count : 0
  }

  /**
   * Recorder, before a recording: clears the counts of records without a place and of clock faults.
   */
  resetFaults(): void {
    Atomics.store(this.#longs, 0, 0n)
    Atomics.store(this.words, CONTROL.clockFaults >> 2, 0)
    Atomics.store(this.words, CONTROL.faultThread >> 2, 0)
  }

  /** The consumer's reading of the clock at its last answer. Read it after `answered`. */
  get time(): bigint {
    return Atomics.load(this.#longs, TIME)
  }

  /** Consumer: answers the threads that asked so far. `time` is its reading of the clock. */
  answer(asked: number, time: bigint): void {
    Atomics.store(this.#longs, TIME, time)
    // Pairs with: Cpu.#ask, which waits until `answered` has reached its ticket.
    Atomics.store(this.words, CONTROL.answered >> 2, asked)
    Atomics.notify(this.words, CONTROL.answered >> 2)
  }

  /** Any thread: reports that its clocks can't be trusted. */
  addClockFault(threadId: number, differenceNs: bigint): void {
    if (Atomics.compareExchange(this.words, CONTROL.faultThread >> 2, 0, threadId + 1) === 0) {
      Atomics.store(this.#longs, FAULT_NS, differenceNs)
    }
    // Pairs with: clockFault.
    Atomics.add(this.words, CONTROL.clockFaults >> 2, 1)
  }

  /** The problem with the clocks of threads; undefined if there is none. */
  get clockFault(): string | undefined {
    const faults = Atomics.load(this.words, CONTROL.clockFaults >> 2)
    if (faults === 0) return undefined
    const thread = Atomics.load(this.words, CONTROL.faultThread >> 2) - 1
    const differenceNs = Number(Atomics.load(this.#longs, FAULT_NS))
    const others = faults === 1 ? '' : ` (and ${faults - 1} more)`
    const how =
      differenceNs === 0 ? 'stands still' : `differs from the system's clock by ${differenceNs / 1e9} s`
    return (
      `thread ${thread}${others}: process.hrtime ${how}, so events of it were not recorded; it was replaced, as tests ` +
      `do to fake time: start recording, or import rchan, before that`
    )
  }

  /**
   * Enters a text into the table, or finds it there. Any thread. Needs no message, lock or event
   * loop.
   *
   * @returns its id, which is the same for the same text in all threads.
   * @throws RangeError when the table is full, or damaged.
   */
  declare(text: string): number {
    const id = this.#table.declare(text)
    if (id !== undefined) return id
    throw new RangeError(
      `the tracepoint table is full (${MAX_ENTRIES} tracepoints, ${PAGE_BYTES - CONTROL.table} bytes of names and ` +
        `fields): no room for ${text.slice(0, 80)}; declare tracepoints once, at the top of a module, not in a loop`,
    )
  }

  /** The entries of the table. See {@link TextTable.entries}. */
  entries(from?: TableCursor): { found: Entry[]; next: TableCursor; waiting: TableCursor[] } {
    return this.#table.entries(from)
  }

  /** The text of the entry at `at`, if it is ready. Any thread. */
  textAt(at: number): string | undefined {
    return this.#table.textAt(at)
  }
}
