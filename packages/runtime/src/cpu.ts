/**
 * The calling thread as a CPU: it finds the arena, takes a place, and gets a writer. This code runs
 * on every thread that traces, at its first record of a recording. It does not run before, and it
 * does not keep the thread alive.
 *
 * It must never throw into the tracing program, except the error of a full stack, which belongs to
 * the program. A tracing thread waits only here, once for each recording, with a deadline.
 */
import { emptyView, GlobalWriter, Writer, type WriterView, isSharedMemory } from '@rchan/ring'
import { SPAN_SLOT } from './span-table.js'
import { NO_STRING_NUMBER } from './strings.js'
import { Arena, ARENA, PLACE, slotIdentity, threadTag } from './arena.js'
import { now, type Clock } from './clock.js'
import { ClockCheck } from './clock-check.js'
import { arenaChannelName, Control } from './control.js'
import { CONTROL, RUNTIME_ABI } from './control-page.js'
import { sayLastWords } from './last-words.js'
import { PlaceClaim } from './place-claim.js'
import { thisProcess } from './process.js'
import { thisControl } from './this-control.js'
import { ThreadLabel } from './thread-label.js'
import type { ThreadIdentity } from '@rchan/threads'
import type { Machine } from './machine.js'

/**
 * The hot path's view. Its generation equals a tracepoint's flag when the view belongs to the
 * running recording.
 */
export type CpuView = WriterView

/**
 * Calls of the client on the writing thread, at the start and the end of a sub-buffer of the CPU's
 * own buffer; see ring's `WriterCallbacks`. A global buffer makes no such calls.
 */
export interface CpuClient {
  subbufStart(cpu: Cpu, start: number): void
  subbufEnd(cpu: Cpu, start: number, end: number): void
}

/** How long a thread waits for the consumer to hand it the arena, in milliseconds. */
const ASK_TIMEOUT_MS = 1000
/** The same while the consumer thread is still on its way: see `Recorder.startNow`. */
const START_TIMEOUT_MS = 10_000
/**
 * A thread that found no place tries again when a place has become free, and after this many
 * records.
 */
const RETRY_RECORDS = 4096
/**
 * After this many switches and refusals a thread checks whether the recording thread still lives.
 */
const RECORDER_CHECKS = 1024

/** Of a thread that is in no recording. */
const NO_SPANS = new Int32Array(new SharedArrayBuffer(0))

/** A thread as a CPU. A thread has one, which all copies of this module share: {@link thisCpu}. */
export class Cpu {
  readonly control: Control
  readonly #machine: Machine
  readonly #label: ThreadLabel
  /**
   * The view of the recording that this thread is in. Each recording has its own object, so that no
   * record goes into another recording.
   */
  view: CpuView = emptyView()
  /** The arena of the recording of `view.generation`. */
  arena: Arena | undefined
  /** The writer of this CPU's own buffer, if each CPU has its own. */
  writer: Writer | undefined
  /** This thread's writer of the shared buffer, if all CPUs share one. */
  globalWriter: GlobalWriter | undefined
  /** The time of this thread's last reserved record in a global buffer. */
  readonly time = new BigInt64Array(1)
  /** The slots of this thread's open spans in its recording: see span-table.ts. */
  openSpans: Int32Array<SharedArrayBuffer> = NO_SPANS
  /** What the client knows of these slots. All copies of the client in this thread share it. */
  spanState: unknown
  /** The clock of this thread's records in its recording, checked when the thread came online. */
  clock: Clock = now
  /** Number of this CPU, and generation of its place. */
  number = -1
  placeGeneration = 0
  #client: CpuClient | undefined
  /** Records to skip before the next try for a place, in the recording of `#skipGeneration`. */
  #skipRecords = 0
  #skipGeneration = 0
  /**
   * The recording in which this thread has waited for the arena or a place. It never waits again in
   * that recording.
   */
  #waitedGeneration = 0
  /** The recording in which this thread had no trustworthy clock. */
  #faultGeneration = 0
  #roomCalls = 0
  /**
   * Whether this thread is in the slow path of a record. There it can't leave the record's
   * recording.
   */
  #isInSlowPath = false
  /** The view that {@link shutView} has shut, and its limit. */
  #shut: { readonly view: CpuView; readonly limit: number } | undefined
  #leaveCallbacks: (() => void)[] = []
  readonly #place: PlaceClaim
  /** The last arena that this thread got; on the recording thread, from the recorder. */
  #arena: Arena | undefined

  constructor(control: Control) {
    this.control = control
    this.#machine = control.machine
    this.#place = new PlaceClaim(control)
    this.#label = new ThreadLabel(this.#machine, () => this.#tellLabel())
  }

  /** The identity of this thread. */
  get thread(): ThreadIdentity {
    return this.#machine.thread
  }

  /**
   * Sets the client's calls at the start and the end of a sub-buffer. The thread does not come
   * online before. In each thread the first copy of the client counts.
   */
  setClient(client: CpuClient): void {
    this.#client ??= client
  }

  /**
   * Recorder: gives the recording thread the arena, and the clock that the recorder has checked.
   */
  setArena(arena: Arena, clock: Clock = now): void {
    this.#arena = arena
    this.clock = clock
  }

  /**
   * The slow path of a record: brings this thread online for the running recording.
   *
   * @returns whether the view now writes to that recording. If not, either no recording runs and
   * the record is not counted, or there was no place and the record counts as without a buffer.
   */
  online(): boolean {
    const { generation } = this.control
    if (generation === 0) return false
    if (this.view.generation === generation) return true
    // Without a client the sub-buffers would have no headers, or the records no times, and no
    // reader could read them.
    if (this.#client === undefined) {
      this.control.countNoBuffer()
      return false
    }
    if (
      this.#isInSlowPath ||
      (this.#skipRecords > 0 && this.#skipGeneration === generation && !this.#place.hasFreed)
    ) {
      this.#skipRecords -= 1
    } else {
      this.#place.tryAnew()
      // Set these first, so that code called from here that traces (a patched `fs`, say) does not
      // come here again.
      this.#skipRecords = RETRY_RECORDS
      this.#skipGeneration = generation
      try {
        const arena = this.#ask(generation)
        if (arena !== undefined && this.#take(arena)) {
          this.#skipRecords = 0
          this.view.generation = generation
          return true
        }
      } catch (error) {
        // The stack is full. The next record may have more of it.
        this.#skipRecords = 0
        throw error
      }
      // A faulty clock may be repaired, and is then used at once.
      if (this.#faultGeneration !== generation) this.#waitedGeneration = generation
      if (this.control.generation !== generation) return false
    }
    this.control.countNoBuffer()
    return false
  }

  /**
   * The slow path of a record that does not fit the open sub-buffer. See ring's `Writer.room`.
   *
   * @param writer the writer of the record; its recording may be over.
   * @param at where the record goes if it fits.
   * @returns where the record goes, or a negative number when it must not be written.
   */
  makeRoom(writer: Writer, length: number, at: number): number {
    this.#checkRecorder()
    // This thread has left the writer's recording, so the memory may belong to another one.
    if (writer !== this.writer) return -1
    if (this.#shut !== undefined) {
      this.openView()
      if (at + length <= this.view.limit) return at
    }
    if (this.view.generation !== this.control.generation) return writer.refuse()
    return writer.room(length)
  }

  /**
   * Shuts the view: the next record takes the slow path although it fits. Nothing else changes: the
   * slow path opens the view again, and places the record as always. So a new encoder can take its
   * slow path before it is optimized.
   */
  shutView(): void {
    const { view } = this
    if (this.writer === undefined || this.#shut !== undefined) return
    this.#shut = { view, limit: view.limit }
    view.limit = -1
  }

  /** Opens the view again, if it is shut. */
  openView(): void {
    const shut = this.#shut
    this.#shut = undefined
    // A view that this thread has left since has no room any more. (A getter among the arguments
    // has traced in the next recording.)
    if (shut?.view === this.view) this.view.limit = shut.limit
  }

  /**
   * Counts a record with arguments that could not be read, or did not fit. See {@link makeRoom}.
   *
   * @param reason makes the reason, for the first such record of the tracepoint in a recording.
   */
  discardBad(writer: Writer | GlobalWriter, id: number, reason: () => string): void {
    if (writer !== this.writer && writer !== this.globalWriter) return
    writer.discardBad()
    this.arena?.remarks.say(id, reason)
  }

  /** Counts a record of this thread in which a value was cut. */
  countCut(): void {
    const { arena } = this
    if (arena !== undefined) arena.words[arena.placeWord(this.number, PLACE.cut)] += 1
  }

  /** Counts a record of this thread that limits have kept out. */
  countFiltered(): void {
    const { arena } = this
    if (arena !== undefined) arena.words[arena.placeWord(this.number, PLACE.filtered)] += 1
  }

  /**
   * Returns the number of a text in the recording's table of strings; 0 if the table is full, which
   * counts as a cut.
   */
  intern(text: string): number {
    const number = this.arena?.strings.intern(text) ?? NO_STRING_NUMBER
    if (number === NO_STRING_NUMBER) this.countCut()
    return number
  }

  /** Notes that this thread uses one more slot for its open spans. */
  setSpanCount(count: number): void {
    const { arena } = this
    if (arena === undefined) return
    // A thread that had the place before may have left the slot open.
    this.openSpans[((count - 1) * SPAN_SLOT.bytes + SPAN_SLOT.class) >> 2] = 0
    arena.words[arena.placeWord(this.number, PLACE.spans)] = count
  }

  /**
   * Names this thread: in the recording that it is in, and in later ones. The trace names it so
   * from the start.
   */
  setThreadName(name: string): void {
    this.#label.give(name)
    this.#tellLabel()
  }

  #tellLabel(): void {
    const { arena } = this
    if (arena === undefined || this.view.generation !== this.control.generation) return
    arena.setThreadName(this.number, this.#label.name)
    arena.words[arena.placeWord(this.number, PLACE.runs)] = arena.strings.intern(this.#machine.threadFile)
    // Pairs with: Delivery.#readNames, which reads the names again.
    Atomics.add(this.control.words, CONTROL.renamed >> 2, 1)
    this.control.doorbell.ring()
  }

  /** Called when the global buffer refused and counted a record of this thread. */
  refused(): void {
    this.#checkRecorder()
  }

  /** The tag of this thread, which its records in a global buffer carry. */
  get tag(): number {
    return threadTag(this.number, this.thread.threadId)
  }

  /**
   * Calls a function once, when this thread leaves its recording. Code that keeps views of the
   * recording's memory must let go of them then.
   */
  onLeave(callback: () => void): void {
    this.#leaveCallbacks[this.#leaveCallbacks.length] = callback
  }

  #callOnLeave(): void {
    const callbacks = this.#leaveCallbacks
    this.#leaveCallbacks = []
    for (let index = 0; index < callbacks.length; index += 1) callbacks[index]()
  }

  /**
   * Called at switches and refusals. A recording ends with the thread that started it. If that
   * thread was terminated, another thread has to switch off the recording.
   */
  #checkRecorder(): void {
    this.#roomCalls += 1
    if (this.#roomCalls % RECORDER_CHECKS !== 0) return
    const { control } = this
    const wasIn = this.#isInSlowPath
    this.#isInSlowPath = true
    try {
      // This calls functions of the file system. The program may have replaced them by functions
      // that trace.
      if (control.isRecorderDead()) control.disable(this.view.generation)
    } finally {
      this.#isInSlowPath = wasIn
    }
  }

  /** Records refused so far in this CPU's own buffer, for all causes. */
  get discarded(): number {
    if (this.writer === undefined) return 0
    const { full, tooBig, bad } = this.writer.buffer.discarded()
    return full + tooBig + bad
  }

  /** Lets go of the arena of an ended recording. For the thread that recorded. */
  release(): void {
    this.#leave()
    this.arena = undefined
    this.#arena = undefined
  }

  /**
   * Leaves this thread's recording, which is over. The thread never touches that memory again, so
   * the recording thread may use it for another recording (arena-pool.ts).
   *
   * A record of that recording may still be under way on this thread, further down the stack: this
   * call can come from a getter among its arguments. That record has no place in the buffer yet.
   * When it asks for one, its view has no room, and the slow path refuses it without a store. A
   * writer of a global buffer refuses it by itself.
   */
  #leave(): void {
    this.#callOnLeave()
    this.view.limit = -1
    this.view = emptyView()
    this.writer = undefined
    this.globalWriter?.leave()
    this.globalWriter = undefined
    // Last: from here on the memory may be laid out anew.
    this.#place.leave()
  }

  /**
   * Asks the consumer thread, which no user code can block, for the arena. This thread polls a
   * channel for it. So the arena also reaches a thread that never returns to its event loop, and a
   * thread older than the recording. Threads don't inherit the arena, because a worker would hold
   * its memory for life, even if it never traces.
   */
  #ask(generation: number): Arena | undefined {
    const { control } = this
    if (this.#arena?.generation === generation) return this.#arena
    if (control.isRecorderDead()) {
      // The recording thread died without ending its recording, and the consumer with it. No thread
      // will ever answer.
      control.disable(generation)
      return undefined
    }
    const mailbox = this.#machine.openMailbox(arenaChannelName(control.recorder, generation))
    try {
      const check = new ClockCheck()
      const ticket = Atomics.add(control.words, CONTROL.asked >> 2, 1) + 1
      // A consumer answers once more after the switch-off. So either it sees this ticket, or we see
      // that the recording is over.
      if (control.generation !== generation) return undefined
      control.doorbell.ring()
      const hasStarted = Atomics.load(control.words, CONTROL.listening >> 2) === generation
      const patienceMs = hasStarted ? ASK_TIMEOUT_MS : START_TIMEOUT_MS
      // Pairs with: Control.answer, Atomics.store of `answered` after the arena was posted.
      if (
        !this.#machine.waitAtLeast(
          control.words,
          CONTROL.answered >> 2,
          ticket,
          this.#mayWait ? patienceMs : 0,
        )
      ) {
        return undefined
      }
      // A failed consumer gave no time.
      if (control.generation !== generation) return undefined
      const clock = check.pick(control.time)
      if (clock === undefined) {
        if (this.#faultGeneration !== generation)
          control.addClockFault(this.thread.threadId, check.differenceNs)
        this.#faultGeneration = generation
        return undefined
      }
      this.#arena = arenaOf(mailbox.take(), generation)
      this.clock = clock
      return this.#arena
    } finally {
      mailbox.close()
    }
  }

  /** Whether this thread may wait: only at its first record of a recording. */
  get #mayWait(): boolean {
    return this.#waitedGeneration !== this.#skipGeneration
  }

  #take(arena: Arena): boolean {
    if (this.#place.generation !== arena.generation) this.#leave()
    const cpu = this.#place.take(arena, this.thread.identity, this.#mayWait)
    if (cpu === undefined) return false
    const me = this.thread
    arena.setStartTicks(cpu, me.startTicks)
    arena.words[arena.placeWord(cpu, PLACE.threadId)] = me.threadId
    arena.setThreadName(cpu, this.#label.name)
    arena.words[arena.placeWord(cpu, PLACE.spans)] = 0
    arena.words[arena.placeWord(cpu, PLACE.cut)] = 0
    arena.words[arena.placeWord(cpu, PLACE.filtered)] = 0
    arena.words[arena.placeWord(cpu, PLACE.runs)] = arena.strings.intern(this.#machine.threadFile)
    arena.setCame(cpu, now())
    this.openSpans = arena.spanWords(cpu)
    this.arena = arena
    this.number = cpu
    this.placeGeneration = Atomics.load(arena.words, arena.placeWord(cpu, PLACE.generation))
    // Each recording gets a new view, so that a record begun in the previous recording can't get
    // into this one. It is made again when an exception has cut off the code below.
    this.#callOnLeave()
    this.view = emptyView()
    this.writer = undefined
    this.globalWriter = undefined
    if (arena.global === undefined) {
      this.writer = new Writer(arena.channel.buffer(cpu), this.#callbacks(), this.view)
    } else {
      this.globalWriter = new GlobalWriter(arena.global, slotIdentity(cpu), this.#globalCallbacks())
      Object.assign(this.view, this.globalWriter.view)
    }
    // Pairs with: Consumer, Atomics.load of `online`. The place's words and the first sub-buffer
    // are stored before this.
    Atomics.store(arena.words, arena.placeWord(cpu, PLACE.online), 1)
    // Pairs with: Delivery.findNewCpus, Atomics.load of `came`.
    Atomics.add(arena.words, ARENA.came >> 2, 1)
    if (arena.words[ARENA.lastWords >> 2] !== 0) sayLastWords(this)
    return true
  }

  #callbacks(): ConstructorParameters<typeof Writer>[1] {
    const client = this.#client
    const { doorbell } = this.control
    return {
      subbufStart: (_view, start) => client?.subbufStart(this, start),
      subbufEnd: (_view, start, end) => client?.subbufEnd(this, start, end),
      produced: () => doorbell.ring(),
    }
  }

  #globalCallbacks(): ConstructorParameters<typeof GlobalWriter>[2] {
    const { time } = this
    const { doorbell } = this.control
    const { clock } = this
    return {
      clock: () => {
        time[0] = clock()
      },
      produced: () => {
        doorbell.ring()
        this.#checkRecorder()
      },
    }
  }
}

function arenaOf(memory: unknown, generation: number): Arena | undefined {
  if (!isSharedMemory(memory)) return undefined
  try {
    const arena = Arena.attach(memory)
    return arena.generation === generation ? arena : undefined
  } catch (error) {
    // A full stack says nothing about the memory. The next record may have more stack.
    if ((error as Error).message === 'Maximum call stack size exceeded') throw error
    return undefined
  }
}

const HERE = Symbol.for(`rchan.cpu.${RUNTIME_ABI}`)

/** The calling thread's CPU: one for each thread, not for each copy of this module. */
export const thisCpu: Cpu = cpuOfThread()

/**
 * Finds or makes the CPU of this thread. It is kept on the process object, as the control page is
 * (`this-control.ts`). Where it can't be found there, each copy of this module has a CPU of its
 * own. That is correct, too: places are claimed one by one, and all places of a thread are freed
 * when it is dead.
 */
function cpuOfThread(): Cpu {
  const holder = thisProcess as unknown as Record<symbol, Cpu | undefined>
  const found = holder[HERE]
  if (found !== undefined) return found
  const cpu = new Cpu(new Control(thisControl.memory))
  Reflect.defineProperty(holder, HERE, { value: cpu })
  return cpu
}
