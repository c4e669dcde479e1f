/**
 * The calling thread as a CPU: how it finds the arena, takes a place, and gets a writer. Runs on
 * every thread that traces, at its first record of a recording; nothing of it runs before, and
 * nothing keeps the thread alive.
 *
 * It must never throw into the program that traces (but for a full stack, which is the program's
 * own), and it waits only here, once for a recording, with a deadline.
 */
import { emptyView, GlobalWriter, Writer, type WriterView, isSharedMemory } from '@rchan/ring'
import { ENOUGH_LOOKS, LOOK_SLICE_MS } from '@rchan/sync/look-again'
import { Arena, ARENA, CONSUMER_STATE, PLACE, slotIdentity, THREAD_NAME_BYTES, threadTag } from './arena.js'
import { ClockCheck, now, type Clock } from './clock.js'
import { CONTROL, Control, RUNTIME_ABI } from './control-page.js'
import { TextEncoder, thisProcess } from './process.js'
import { request, WANT } from './request.js'
import type { ThreadIdentity } from '@rchan/threads'
import type { Machine } from './machine.js'

/**
 * The hot path's view. Its generation is equal to a tracepoint's flag when the view is of the
 * recording that runs.
 */
export type CpuView = WriterView

/**
 * What the client does on the thread that writes. The ends of a sub-buffer are those of the CPU's
 * own buffer, see relay's `WriterCallbacks`; a global buffer has none.
 */
export interface CpuClient {
  subbufStart(cpu: Cpu, start: number): void
  subbufEnd(cpu: Cpu, start: number, end: number): void
}

/**
 * Name of the channel on which the consumer posts the arena of a recording. A process can have
 * several control pages (when workers import rchan, and the main thread does not), and each counts
 * its recordings from 1: the identity of the thread that records tells them apart.
 */
export function arenaChannelName(recorderIdentity: number, generation: number): string {
  return `rchan:arena:${RUNTIME_ABI}:${thisProcess.pid}:${recorderIdentity}:${generation}`
}

/** How long a thread waits for the consumer to hand it the arena, in milliseconds. */
const ASK_TIMEOUT_MS = 1000
/**
 * How long a thread that needs a place waits for a consumer that is busy, in slices of a
 * millisecond: about 1 s.
 */
const MOST_PLACE_SLICES = 1000
/**
 * A thread that found no place tries again when one has become free, and at every so many records.
 */
const RETRY_RECORDS = 4096
/**
 * At every so many switches and refusals a thread looks whether the thread that records still
 * lives.
 */
const RECORDER_CHECKS = 1024

const coder = new TextEncoder()
const encodeInto = coder.encodeInto.bind(coder)
/**
 * A thread as a CPU. There is one for a thread, shared by all copies of this module:
 * {@link thisCpu}.
 */
export class Cpu {
  readonly control: Control
  readonly #machine: Machine
  /** What this thread is called, as its places hold it: UTF-8, cut at a character. */
  readonly #name = new Uint8Array(THREAD_NAME_BYTES)
  /**
   * Of the recording that this thread is in; another object for each, so that none is written for
   * another.
   */
  view: CpuView = emptyView()
  /** The arena of the recording of `view.generation`. */
  arena: Arena | undefined
  /** Where each CPU has a buffer of its own: the writer of this one's. */
  writer: Writer | undefined
  /** Where all share one: this thread's writer of it. */
  globalWriter: GlobalWriter | undefined
  /** The time of the record that this thread reserved last in a global buffer. */
  readonly time = new BigInt64Array(1)
  /**
   * What this thread's records are timed by in the recording that it is in: checked when it came
   * online.
   */
  clock: Clock = now
  /** Number of this CPU, and generation of its place. */
  number = -1
  placeGeneration = 0
  #client: CpuClient | undefined
  /**
   * Records to pass over before a place is tried for again, in the recording of this generation.
   */
  #skipRecords = 0
  #skipGeneration = 0
  /**
   * The recording in which this thread has waited for the arena or a place: it never waits again in
   * it.
   */
  #waitedGeneration = 0
  /** The recording in which this thread had no clock that can be trusted. */
  #faultGeneration = 0
  #roomCalls = 0
  /**
   * Within the slow path of a record, this thread can't leave the recording that the record is for.
   */
  #isInSlowPath = false
  #leaveCallbacks: (() => void)[] = []
  /** The arena that had no place for this thread, and how many had become free in it by then. */
  #fullArena: Arena | undefined
  #freedCount = 0
  /**
   * The place that this thread claimed last, and for which recording: known even if an exception
   * cut off the rest.
   */
  #claimedArena: Arena | undefined
  #claimedCpu = -1
  #claimedGeneration = 0
  /** The arena that this thread was given last; by the recorder, on the thread that records. */
  #arena: Arena | undefined

  constructor(control: Control) {
    this.control = control
    this.#machine = control.machine
    try {
      encodeInto(this.#machine.threadName, this.#name)
    } catch {
      // The stack is full, or the program has broken built-ins before: a trace can do without.
    }
  }

  /** Who this thread is. */
  get thread(): ThreadIdentity {
    return this.#machine.thread
  }

  /**
   * Sets what happens at the ends of a sub-buffer; no thread comes online before. The first copy of
   * the client in a thread is the one.
   */
  setClient(client: CpuClient): void {
    this.#client ??= client
  }

  /**
   * Recorder: makes the arena known to the thread that records, and the clock that it has checked.
   */
  setArena(arena: Arena, clock: Clock = now): void {
    this.#arena = arena
    this.clock = clock
  }

  /**
   * The slow path of a record: brings this thread online for the recording that runs.
   *
   * @returns whether the view now writes to that recording. If not, nothing is recorded (then
   * nothing is counted), or there was no place (the record is counted as without a buffer).
   */
  online(): boolean {
    const { generation } = this.control
    if (generation === 0) return false
    if (this.view.generation === generation) return true
    // Its sub-buffers would have no headers, or its records no times: nobody could read them.
    if (this.#client === undefined) {
      this.control.countNoBuffer()
      return false
    }
    if (
      this.#isInSlowPath ||
      (this.#skipRecords > 0 && this.#skipGeneration === generation && !this.#hasFreed())
    ) {
      this.#skipRecords -= 1
    } else {
      this.#fullArena = undefined
      // First, so that code which this calls (a patched `fs`, say) and which traces does not come
      // here again.
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
      // A clock may be put right, and is then taken at once.
      if (this.#faultGeneration !== generation) this.#waitedGeneration = generation
      if (this.control.generation !== generation) return false
    }
    this.control.countNoBuffer()
    return false
  }

  /**
   * The slow path of a record that does not fit the open sub-buffer. See relay's `Writer.room`.
   *
   * @param writer the one that the record is for: it may be of a recording that is over.
   * @returns where the record goes, or a negative number when it is not to be written.
   */
  makeRoom(writer: Writer, length: number): number {
    this.#checkRecorder()
    // Of a recording that this thread has left: its memory may be another's.
    if (writer !== this.writer) return -1
    if (this.view.generation !== this.control.generation) return writer.refuse()
    return writer.room(length)
  }

  /**
   * The arguments of a record could not be read, or did not fit. See {@link makeRoom}.
   *
   * @param reason says why, for the first such record of the tracepoint in a recording.
   */
  discardBad(writer: Writer | GlobalWriter, id: number, reason: () => string): void {
    if (writer !== this.writer && writer !== this.globalWriter) return
    writer.discardBad()
    this.arena?.remarks.say(id, reason)
  }

  /** This thread could not reserve a record in the global buffer, which has counted it. */
  refused(): void {
    this.#checkRecorder()
  }

  /** Which thread writes: what the records of a global buffer carry. */
  get tag(): number {
    return threadTag(this.number, this.thread.threadId)
  }

  /**
   * Calls a function once, when this thread leaves the recording that it is in. Code that keeps
   * views of the recording's memory lets go of them then.
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
   * At switches and refusals. A recording ends with the thread that started it; if that was
   * terminated, somebody has to switch it off.
   */
  #checkRecorder(): void {
    this.#roomCalls += 1
    if (this.#roomCalls % RECORDER_CHECKS !== 0) return
    const { control } = this
    const wasIn = this.#isInSlowPath
    this.#isInSlowPath = true
    try {
      // Runs functions of the file system, which may be the program's own and trace.
      if (control.isRecorderDead()) control.disable(this.view.generation)
    } finally {
      this.#isInSlowPath = wasIn
    }
  }

  /** Records that were refused so far in this CPU's own buffer, all causes. */
  get discarded(): number {
    if (this.writer === undefined) return 0
    const { full, tooBig, bad } = this.writer.buffer.discarded()
    return full + tooBig + bad
  }

  /** Lets go of the arena of a recording that is over. For the thread that recorded. */
  release(): void {
    this.#leave()
    this.arena = undefined
    this.#arena = undefined
  }

  /**
   * Leaves the recording that this thread was in, which is over: it never touches that memory
   * again, so the thread that records may use it for another recording (arena-pool.ts).
   *
   * A record of that recording may still be under way on this very thread, further down the stack:
   * this call can come out of a getter among its arguments. It has not looked for its place yet.
   * When it does, the view that it holds has no room, and the slow path refuses it without a store;
   * a writer of a global buffer refuses by itself.
   */
  #leave(): void {
    this.#callOnLeave()
    this.view.limit = -1
    this.view = emptyView()
    this.writer = undefined
    this.globalWriter?.leave()
    this.globalWriter = undefined
    const arena = this.#claimedArena
    if (arena === undefined) return
    // Last. Pairs with: ArenaPool, Atomics.load of `left`.
    Atomics.store(arena.words, arena.placeWord(this.#claimedCpu, PLACE.left), 1)
    this.#claimedArena = undefined
  }

  /**
   * Whether a place has become free since this thread found none. A plain read: stale by a moment
   * does no harm.
   */
  #hasFreed(): boolean {
    return this.#fullArena !== undefined && this.#fullArena.words[ARENA.freed >> 2] !== this.#freedCount
  }

  /**
   * Asks the consumer thread, which no user code can block, for the arena. It comes by a channel
   * that is polled, so it comes to a thread that never returns to its event loop, and to one that
   * is older than the recording. Threads don't inherit it: a worker would hold its memory for life,
   * also when it never traces.
   */
  #ask(generation: number): Arena | undefined {
    const { control } = this
    if (this.#arena?.generation === generation) return this.#arena
    if (control.isRecorderDead()) {
      // It died without ending its recording, and the consumer with it: nobody will ever answer.
      control.disable(generation)
      return undefined
    }
    const mailbox = this.#machine.openMailbox(arenaChannelName(control.recorder, generation))
    try {
      const check = new ClockCheck()
      const ticket = Atomics.add(control.words, CONTROL.asked >> 2, 1) + 1
      // A consumer answers once more after the switch-off, so either it sees this ticket, or we see
      // that it is over.
      if (control.generation !== generation) return undefined
      control.doorbell.ring()
      // Pairs with: Control.answer, Atomics.store of `answered` after the arena was posted.
      if (
        !this.#machine.waitAtLeast(
          control.words,
          CONTROL.answered >> 2,
          ticket,
          this.#mayWait ? ASK_TIMEOUT_MS : 0,
        )
      ) {
        return undefined
      }
      // A consumer that has failed has told no time.
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

  /** Waiting is for the first record of a recording. */
  get #mayWait(): boolean {
    return this.#waitedGeneration !== this.#skipGeneration
  }

  #take(arena: Arena): boolean {
    if (this.#claimedArena?.generation !== arena.generation) this.#leave()
    const cpu = this.#claim(arena) ?? this.#claimFreed(arena)
    if (cpu === undefined) return false
    const me = this.thread
    arena.setStartTicks(cpu, me.startTicks)
    arena.words[arena.placeWord(cpu, PLACE.threadId)] = me.threadId
    arena.setThreadName(cpu, this.#name)
    this.arena = arena
    this.number = cpu
    this.placeGeneration = Atomics.load(arena.words, arena.placeWord(cpu, PLACE.generation))
    // A view of its own for each recording, so that a record which was begun in the one before
    // can't get into this. Anew when an exception has cut off what follows.
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
    // Pairs with: Consumer, Atomics.load of `online`; the place's words and the first sub-buffer
    // are stored before.
    Atomics.store(arena.words, arena.placeWord(cpu, PLACE.online), 1)
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

  /**
   * Takes a free place by storing this thread's identity in it. CPU 0 is for the thread that
   * records.
   */
  #claim(arena: Arena): number | undefined {
    if (this.#claimedGeneration === arena.generation) return this.#claimedCpu
    const { identity } = this.thread
    const { words } = arena
    // Pairs with: ArenaPool, which stores `generation` when the recording is over and then loads
    // `joining`. So the memory is not laid out anew from here on until we have counted down, or we
    // see that it may have been.
    Atomics.add(words, ARENA.joining >> 2, 1)
    try {
      if (Atomics.load(words, ARENA.generation >> 2) !== arena.generation) return undefined
      const first = words[ARENA.recorder >> 2] === identity ? 0 : 1
      for (let cpu = first; cpu < arena.possibleCpus; cpu += 1) {
        const owner = arena.placeWord(cpu, PLACE.owner)
        // Pairs with: Consumer, Atomics.store of 0 once the thread before is dead and its buffer
        // drained.
        if (Atomics.compareExchange(words, owner, 0, identity) !== 0) continue
        this.#claimedGeneration = arena.generation
        this.#claimedArena = arena
        this.#claimedCpu = cpu
        return cpu
      }
      return undefined
    } finally {
      // From here on the place that we have keeps the memory as it is.
      Atomics.sub(words, ARENA.joining >> 2, 1)
    }
  }

  /**
   * Has the consumer look for dead threads, again and again, and takes what that frees.
   *
   * The wait ends by an answer: enough looks found that all live (see sync's `look-again`; here the
   * consumer looks, and all threads that wait share its looks). A look that found dead threads
   * whose places are not free yet does not count: they will be. It ends, too, with the recording,
   * and when a consumer that is busy does not get to it for about a second.
   */
  #claimFreed(arena: Arena): number | undefined {
    const { words } = arena
    // Without a consumer nobody would answer; and the one place of a thread that records and lives
    // is never free.
    const isHopeless = arena.possibleCpus === 1
    const mayWait =
      this.#mayWait && !isHopeless && Atomics.load(words, ARENA.state >> 2) === CONSUMER_STATE.running
    let looksLeft = mayWait ? ENOUGH_LOOKS : 1
    for (let slices = 0; looksLeft > 0 && slices < MOST_PLACE_SLICES; slices += 1) {
      const looks = Atomics.load(words, ARENA.looks >> 2)
      request(arena, this.control, WANT.places)
      // Pairs with: Reaper.tellOfLook, Atomics.add of `looks` after the owner of each place that it
      // freed is 0.
      const isAnswered =
        mayWait && this.#machine.waitAtLeast(words, ARENA.looks >> 2, looks + 1, LOOK_SLICE_MS)
      // Before the claim: what is freed after it changes this, and is seen at the next record.
      this.#freedCount = Atomics.load(words, ARENA.freed >> 2)
      const cpu = this.#claim(arena)
      if (cpu !== undefined) return cpu
      if (!mayWait || this.control.generation !== arena.generation) break
      if (!isAnswered) continue
      if (Atomics.load(words, ARENA.leaving >> 2) === 0) looksLeft -= 1
      slices += 1
      // Pairs with: Reaper.free, Atomics.add of `freed`.
      this.#machine.waitAtLeast(words, ARENA.freed >> 2, this.#freedCount + 1, LOOK_SLICE_MS)
    }
    this.#fullArena = arena
    return undefined
  }
}

function arenaOf(memory: unknown, generation: number): Arena | undefined {
  if (!isSharedMemory(memory)) return undefined
  try {
    const arena = Arena.attach(memory)
    return arena.generation === generation ? arena : undefined
  } catch (error) {
    // A full stack says nothing about the memory, and the next record may have more of it.
    if ((error as Error).message === 'Maximum call stack size exceeded') throw error
    return undefined
  }
}

const HERE = Symbol.for(`rchan.cpu.${RUNTIME_ABI}`)

/** The calling thread's CPU: one for a thread, not for a copy of this module. */
export const thisCpu: Cpu = cpuOfThread()

/**
 * Kept on the process object, which all realms of a thread share: a test runner that makes a `vm`
 * context for each file has one `globalThis` for each. Where it can't be kept or found there (jest
 * gives each context a copy of the object), each copy is a CPU of its own. That is right, too:
 * places are claimed one by one, and all that the same thread holds are freed when it is dead.
 */
function cpuOfThread(): Cpu {
  const holder = thisProcess as unknown as Record<symbol, Cpu | undefined>
  const found = holder[HERE]
  if (found !== undefined) return found
  const cpu = new Cpu(Control.ofProcess())
  Reflect.defineProperty(holder, HERE, { value: cpu })
  return cpu
}
