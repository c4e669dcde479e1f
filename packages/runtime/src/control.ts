/**
 * The control page, as a thread sees it that records, or writes. See control-page.ts, which draws
 * it, and has what a thread needs that only declares.
 */
import { Doorbell, DOORBELL_WORDS } from '@rchan/sync'
import { lookAgain } from '@rchan/sync/look-again'
import { CONTROL, ControlPage, MAX_ENTRIES, newPage, RUNTIME_ABI } from './control-page.js'
import { nodeMachine, type Machine } from './machine.js'
import { decodeShared, encode, thisProcess } from './process.js'
import type { ThreadIdentity } from '@rchan/threads'
import type { Entry, TableCursor } from './text-table.js'

/** The most bytes of rules. */
const RULES_BYTES = 4096
/** How often a reader looks for rules that are just being changed, a millisecond apart. */
const RULE_TRIES = 100
/** Elements from `noBuffer` on. */
const TIME = 1
const FAULT_NS = 3

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
export class Control extends ControlPage {
  /** The machine of the calling thread. */
  readonly machine: Machine
  readonly doorbell: Doorbell
  readonly #ticks: Float64Array<SharedArrayBuffer>
  readonly #rules: Uint8Array<SharedArrayBuffer>
  readonly #oneIn: Int32Array<SharedArrayBuffer>
  readonly #minNs: Float64Array<SharedArrayBuffer>

  constructor(memory: SharedArrayBuffer, machine: Machine = nodeMachine) {
    super(memory, machine)
    this.machine = machine
    this.doorbell = new Doorbell(new Int32Array(memory, CONTROL.doorbell, DOORBELL_WORDS))
    this.#ticks = new Float64Array(memory, CONTROL.startTicks, 1)
    this.#rules = new Uint8Array(memory, CONTROL.rules, RULES_BYTES)
    this.#oneIn = new Int32Array(memory, CONTROL.oneIn, MAX_ENTRIES)
    this.#minNs = new Float64Array(memory, CONTROL.minNs, MAX_ENTRIES)
  }

  /** Makes a new page, for tests. */
  static create(machine?: Machine): Control {
    return new Control(newPage(), machine)
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

  #clear(id: number, generation: number): void {
    Atomics.compareExchange(this.flags, id, generation, 0)
    Atomics.compareExchange(this.flags, id, -generation, 0)
  }

  /** The limits of a tracepoint whose flag is negative. */
  limits(id: number): Limits {
    return { oneIn: Math.max(1, this.#oneIn[id]), minDurationNs: this.#minNs[id] }
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

  /**
   * Records of threads that found no place, since the recording started; 0 if the value is no
   * count, in a damaged page.
   */
  get noBuffer(): number {
    const count = Number(Atomics.load(this.longs, 0))
    return Number.isSafeInteger(count) && count >= 0 ? count : 0
  }

  /**
   * Recorder, before a recording: clears the counts of records without a place and of clock faults.
   */
  resetFaults(): void {
    Atomics.store(this.longs, 0, 0n)
    Atomics.store(this.words, CONTROL.clockFaults >> 2, 0)
    Atomics.store(this.words, CONTROL.faultThread >> 2, 0)
  }

  /** The consumer's reading of the clock at its last answer. Read it after `answered`. */
  get time(): bigint {
    return Atomics.load(this.longs, TIME)
  }

  /** Consumer: answers the threads that asked so far. `time` is its reading of the clock. */
  answer(asked: number, time: bigint): void {
    Atomics.store(this.longs, TIME, time)
    // Pairs with: Cpu.#ask, which waits until `answered` has reached its ticket.
    Atomics.store(this.words, CONTROL.answered >> 2, asked)
    Atomics.notify(this.words, CONTROL.answered >> 2)
  }

  /** Any thread: reports that its clocks can't be trusted. */
  addClockFault(threadId: number, differenceNs: bigint): void {
    if (Atomics.compareExchange(this.words, CONTROL.faultThread >> 2, 0, threadId + 1) === 0) {
      Atomics.store(this.longs, FAULT_NS, differenceNs)
    }
    // Pairs with: clockFault.
    Atomics.add(this.words, CONTROL.clockFaults >> 2, 1)
  }

  /** The problem with the clocks of threads; undefined if there is none. */
  get clockFault(): string | undefined {
    const faults = Atomics.load(this.words, CONTROL.clockFaults >> 2)
    if (faults === 0) return undefined
    const thread = Atomics.load(this.words, CONTROL.faultThread >> 2) - 1
    const differenceNs = Number(Atomics.load(this.longs, FAULT_NS))
    const others = faults === 1 ? '' : ` (and ${faults - 1} more)`
    const how =
      differenceNs === 0 ? 'stands still' : `differs from the system's clock by ${differenceNs / 1e9} s`
    return (
      `thread ${thread}${others}: process.hrtime ${how}, so events of it were not recorded; it was replaced, as tests ` +
      `do to fake time: start recording, or import rchan, before that`
    )
  }

  /** The entries of the table. See {@link TextTable.entries}. */
  entries(from?: TableCursor): { found: Entry[]; next: TableCursor; waiting: TableCursor[] } {
    return this.table.entries(from)
  }

  /** The text of the entry at `at`, if it is ready. Any thread. */
  textAt(at: number): string | undefined {
    return this.table.textAt(at)
  }
}
