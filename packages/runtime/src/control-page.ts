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
import { isSharedMemory } from '@rchan/ring'
import { builtins } from '@rchan/threads/early'
import { TextTable } from './text-table.js'
import { nodeWaits, type Waits } from './waits.js'

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
export const PAGE_BYTES = 256 * 1024
const MAGIC = 0x50686372 // 'rchP'
const ENVIRONMENT_KEY = `rchan:control:${RUNTIME_ABI}`

/** Makes the memory of a page. */
export function newPage(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(PAGE_BYTES)
  const words = new Int32Array(memory, 0, PAGE_BYTES / 4)
  words[CONTROL.abi >> 2] = RUNTIME_ABI
  // Pairs with: ControlPage.ofProcess, Atomics.load of `magic`.
  Atomics.store(words, CONTROL.magic >> 2, MAGIC)
  return memory
}

/**
 * The control page of this process, as a thread sees it that only declares. `Control` is the rest:
 * what a thread needs of it that records, or writes.
 */
export class ControlPage {
  readonly memory: SharedArrayBuffer
  /** All words, 4 bytes an element. */
  readonly words: Int32Array<SharedArrayBuffer>
  /**
   * One flag for each id: the generation of the recording that wants its records, or 0. Encoders
   * read them plainly.
   */
  readonly flags: Int32Array<SharedArrayBuffer>
  /** From `noBuffer` on. */
  protected readonly longs: BigInt64Array<SharedArrayBuffer>
  protected readonly table: TextTable

  constructor(memory: SharedArrayBuffer, waits: Waits = nodeWaits) {
    this.memory = memory
    this.words = new Int32Array(memory, 0, PAGE_BYTES / 4)
    this.flags = new Int32Array(memory, CONTROL.flags, MAX_ENTRIES)
    this.longs = new BigInt64Array(memory, CONTROL.noBuffer, 4)
    this.table = new TextTable(waits, memory, CONTROL.table, PAGE_BYTES - CONTROL.table, MAX_ENTRIES)
  }

  /**
   * Finds the page that this thread inherited, or makes a new one for the workers started from here
   * on. If the environment data hold another value under that key, the value stays. Then no other
   * thread shares this thread's page, see {@link isShared}.
   */
  static ofProcess(): ControlPage {
    const inherited: unknown = getEnvironmentData(ENVIRONMENT_KEY)
    if (inherited !== undefined && isSharedMemory(inherited) && inherited.byteLength === PAGE_BYTES) {
      const control = new ControlPage(inherited)
      if (Atomics.load(control.words, CONTROL.magic >> 2) === MAGIC) return control
    }
    const control = new ControlPage(newPage())
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

  /** Any thread: counts a record of a thread without a place. */
  countNoBuffer(): void {
    Atomics.add(this.longs, 0, 1n)
  }

  /**
   * Enters a text into the table, or finds it there. Any thread. Needs no message, lock or event
   * loop.
   *
   * @returns its id, which is the same for the same text in all threads.
   * @throws RangeError when the table is full, or damaged.
   */
  declare(text: string): number {
    const id = this.table.declare(text)
    if (id !== undefined) return id
    throw new RangeError(
      `the tracepoint table is full (${MAX_ENTRIES} tracepoints, ${PAGE_BYTES - CONTROL.table} bytes of names and ` +
        `fields): no room for ${text.slice(0, 80)}; declare tracepoints once, at the top of a module, not in a loop`,
    )
  }
}
