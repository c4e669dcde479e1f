/**
 * The consumer: drains the buffers of all CPUs, or the one that they share, into a sink. Runs on a
 * thread of its own, which no user code can block, as steps (`doWork`) that a test can take one by
 * one; only `consumer-thread.ts` sleeps.
 *
 * It owns the reader's words of every buffer, gives back the places of dead threads, and answers
 * threads that lack the arena. It depends on no writer's help: a parked thread and one that is busy
 * for ever are drained all the same.
 */
import { Arena, ARENA, PLACE } from './arena.js'
import { now as clock } from './clock.js'
import { CONTROL, Control } from './control-page.js'
import { answer, requestsOf, takeWanted, WANT } from './request.js'
import { DrainedStream, sumOfCauses, type Account } from './drained-stream.js'
import { CpuRing, GlobalRing } from './drain.js'
import {
  ThreadHistory,
  sumOf,
  type CpuTotals,
  type RingLosses,
  type ThreadTotals,
  type Totals,
} from './ledger.js'
import type { Machine } from './machine.js'
import type { PacketFormat, PacketSpan } from './packet-format.js'
import { Reaper } from './reaper.js'
import type { Sink } from './sink.js'

/** Whom the consumer tells. */
export interface Listeners {
  /** Posts the arena to the threads that asked for it. */
  postArena(): void
  /** Tells of the first error on the way to the sink. */
  trouble(message: string): void
}

/** How the consumer works. */
export interface ConsumerOptions {
  /** How often records of incomplete sub-buffers are delivered, in milliseconds. */
  readonly flushIntervalMs: number
  /** How old a sampled end must be before it may be read, in milliseconds. */
  readonly graceMs: number
}

/**
 * How often `finish` looks again for records of threads that were just writing when tracing was
 * switched off.
 */
const FINISH_ROUNDS = 10
/**
 * The same where they share a buffer: a thread that the system doesn't let run while it writes, for
 * as long as a busy machine may take, keeps the records of the others behind its own.
 */
const FINISH_ROUNDS_SHARED = 100

export class Consumer {
  readonly #control: Control
  readonly #arena: Arena
  readonly #format: PacketFormat
  readonly #sink: Sink
  readonly #options: ConsumerOptions
  readonly #machine: Machine
  readonly #listeners: Listeners
  /** By CPU, made when its thread is first seen online; or the one of all. */
  readonly #streams: (DrainedStream | undefined)[]
  /** The one ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  readonly #history: ThreadHistory
  readonly #reaper: Reaper
  /**
   * Sub-buffers to deliver from one ring before the next ring has its turn: as many as it holds.
   */
  readonly #fairShare: number
  #nextFlush: number
  #agedAt = Infinity
  /** The request that was answered last. */
  #answered = 0
  /** Requests that were not begun yet: bits of `WANT`. */
  #wanted = 0
  /**
   * The request that a flush under way is for, and how often more to look until it is done; 0: none
   * is.
   */
  #flushTicket = 0
  #flushRounds = 0
  #error: string | undefined
  /**
   * The stream that tells of records without a place: always the same, or a reader would add them
   * up.
   */
  #teller: DrainedStream | undefined

  constructor(
    control: Control,
    arena: Arena,
    format: PacketFormat,
    sink: Sink,
    options: ConsumerOptions,
    listeners: Listeners,
  ) {
    this.#control = control
    this.#arena = arena
    this.#format = format
    this.#sink = sink
    this.#options = options
    this.#machine = control.machine
    this.#listeners = listeners
    this.#history = new ThreadHistory(arena)
    if (arena.global === undefined) {
      this.#streams = Array.from({ length: arena.possibleCpus })
      this.#fairShare = arena.channel.buffer(0).geometry.subbufCount
    } else {
      this.#shared = new GlobalRing(arena.global)
      this.#streams = [new DrainedStream(undefined, this.#shared, format, sink)]
      this.#fairShare = arena.global.geometry.subbufCount
    }
    this.#reaper = new Reaper(arena, this.#machine, this.#shared, options.graceMs)
    this.#nextFlush = this.#machine.now() + options.flushIntervalMs
  }

  /**
   * One step: answers requests, delivers complete sub-buffers, and, when it is time, partial ones.
   *
   * @returns milliseconds until it is to be called again if nobody rings; 0 when it found work and
   * may find more.
   */
  doWork(): number {
    const { words } = this.#arena
    // Before anything is looked at: what follows is all for this request.
    const ticket = requestsOf(this.#arena)
    this.#wanted |= takeWanted(this.#arena)
    let busy = this.#sendArena()
    if (this.#takes(WANT.places)) this.#reap()
    this.#findNewCpus()
    for (const stream of this.#streams) {
      if (stream !== undefined && this.#drain(stream, this.#fairShare)) busy = true
    }
    const now = this.#machine.now()
    if (now >= this.#agedAt) {
      this.#agedAt = Infinity
      this.#deliverAged()
      if (this.#flushRounds > 0) this.#goOnFlushing(now)
    }
    if (now >= this.#reaper.dueAt) this.#reap()
    // One request after the other: a new one would begin the grace period of the one before anew.
    const isAsked = this.#flushRounds === 0 && this.#takes(WANT.flush)
    if (now >= this.#nextFlush || isAsked) {
      const wasBlocked = this.#unblock()
      this.#reap()
      if (isAsked) this.#beginFlush(ticket)
      if (this.#sample() || (isAsked && wasBlocked)) this.#agedAt = now + this.#options.graceMs
      else if (isAsked) this.#endFlush()
      this.#nextFlush = now + this.#options.flushIntervalMs
    }
    // All requests up to this ticket are done, except a stop, which the end answers.
    if (this.#flushRounds === 0 && this.#wanted === 0 && ticket !== this.#answered)
      this.#answerRequests(ticket)
    Atomics.add(words, ARENA.rounds >> 2, 1)
    return busy
      ? 0
      : Math.max(0, Math.min(this.#nextFlush, this.#agedAt, this.#reaper.dueAt) - this.#machine.now())
  }

  /** Whether it was asked to stop: then `finish` is what comes next. */
  get isToStop(): boolean {
    return (this.#wanted & WANT.stop) !== 0
  }

  /**
   * After tracing was switched off: delivers everything whose call had returned by then, ends the
   * streams. Waits at least twice the grace period.
   */
  finish(): Totals {
    const { graceMs } = this.#options
    // After this, all stores from before the switch-off have left the store buffers.
    this.#machine.sleep(graceMs)
    // From here on what does not fit is refused, and counted.
    this.#shared?.finalize()
    const rounds = this.#shared === undefined ? FINISH_ROUNDS : FINISH_ROUNDS_SHARED
    for (let round = 0; round < rounds; round += 1) {
      this.#sendArena()
      this.#findNewCpus()
      let blocked = false
      for (const stream of this.#streams) {
        if (stream === undefined) continue
        stream.isBlocked = false
        this.#drain(stream, Infinity)
        if (stream.isBlocked) blocked = true
      }
      // What a dead thread left torn is counted only there. A thread that has just ended may show
      // as living at first.
      const deadLeft = this.#reap()
      if ((!this.#sample() && !deadLeft) || (blocked && round >= FINISH_ROUNDS)) break
      this.#machine.sleep(graceMs)
      this.#deliverAged()
    }
    return this.#close()
  }

  /**
   * A request to flush. What was complete before it was drained in this step. The rest goes out
   * with what is sampled next, and with the sub-buffers that are completed until then: no buffer
   * holds more of them than a fair share.
   */
  #beginFlush(ticket: number): void {
    this.#flushTicket = ticket
    this.#flushRounds = this.#shared === undefined ? 1 : FINISH_ROUNDS_SHARED
    this.#shared?.mark()
  }

  /**
   * What was sampled has been delivered. In a shared buffer it may wait for a thread that is just
   * writing.
   */
  #goOnFlushing(now: number): void {
    this.#flushRounds -= 1
    if (this.#flushRounds > 0 && this.#shared?.hasDeliveredMark() === false) {
      this.#agedAt = now + this.#options.graceMs
    } else this.#endFlush()
  }

  /** Lets streams that could not be written try again. @returns whether there were any. */
  #unblock(): boolean {
    let any = false
    for (const stream of this.#streams) {
      if (stream?.isBlocked !== true) continue
      stream.isBlocked = false
      any = true
    }
    return any
  }

  #endFlush(): void {
    this.#flushRounds = 0
    // The process may not outlive this. If it does, the streams go on in further files.
    const lostOf = (stream: DrainedStream): number => stream.refused + stream.lost
    const { noBuffer } = this.#control
    const streams = this.#tellingStreams(lostOf, noBuffer).filter(({ isBlocked }) => !isBlocked)
    this.#endStreams(streams, lostOf, noBuffer)
    this.#answerRequests(this.#flushTicket)
  }

  #answerRequests(ticket: number): void {
    this.#answered = ticket
    answer(this.#arena, ticket)
  }

  /** Takes something that is wanted. @returns whether it was. */
  #takes(what: number): boolean {
    const isWanted = (this.#wanted & what) !== 0
    this.#wanted &= ~what
    return isWanted
  }

  /** Serves the threads that lack the arena. */
  #sendArena(): boolean {
    const { words } = this.#control
    const asked = Atomics.load(words, CONTROL.asked >> 2)
    if (asked === Atomics.load(words, CONTROL.answered >> 2)) return false
    this.#listeners.postArena()
    this.#control.answer(asked, clock())
    return true
  }

  /** Makes a reader for each CPU that is online for the first time, where each has a buffer. */
  #findNewCpus(): void {
    if (this.#shared !== undefined) return
    const { words, channel } = this.#arena
    for (let cpu = 0; cpu < this.#streams.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`, after the first sub-buffer was started.
      if (this.#streams[cpu] !== undefined) continue
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      this.#streams[cpu] = new DrainedStream(cpu, new CpuRing(channel.reader(cpu)), this.#format, this.#sink)
    }
  }

  /**
   * Delivers the complete sub-buffers, at most so many: a writer that is as fast as the disk must
   * not keep the consumer from the other CPUs, and from threads that ask.
   *
   * @returns whether there were any.
   */
  #drain(stream: DrainedStream, most: number): boolean {
    let found = false
    for (let left = most; left > 0 && !stream.isBlocked; left -= 1) {
      const span = stream.ring.next()
      if (span === undefined || !this.#deliver(stream, span)) break
      found = true
    }
    return found
  }

  #sample(): boolean {
    let any = false
    for (const stream of this.#streams) {
      if (stream !== undefined && stream.ring.sample()) any = true
    }
    return any
  }

  #deliverAged(): void {
    for (const stream of this.#streams) {
      if (stream === undefined) continue
      this.#drain(stream, this.#fairShare)
      const span = stream.isBlocked ? undefined : stream.ring.aged()
      if (span !== undefined) this.#deliver(stream, span)
    }
  }

  /**
   * Writes one packet. @returns whether the sink has it; if not, it stays in the ring and is tried
   * again.
   */
  #deliver(stream: DrainedStream, span: PacketSpan): boolean {
    const { words } = this.#arena
    const { cpu, ring } = stream
    const history = this.#history
    let thread: ThreadTotals | undefined
    // In a buffer of all CPUs any of them may have written.
    if (cpu === undefined) history.findNew()
    else thread = history.present(cpu)
    try {
      // A process that exits sees that we get on.
      Atomics.add(words, ARENA.rounds >> 2, 1)
      const { records, writers, problem, end } = stream.write(span, thread, history.all)
      if (cpu !== undefined && records > 0) history.credit(cpu, thread, records)
      for (const [tag, count] of writers ?? []) history.creditTag(tag, count)
      if (problem !== undefined) this.#report(`${stream.name}: ${problem}`)
      // What is no record of a complete sub-buffer is gone with it. (A global ring counts it
      // itself, as torn.)
      const unreadable = cpu === undefined ? 0 : Math.max(0, span.records - records)
      stream.unwritten += unreadable
      ring.delivered(span, records + unreadable, end)
      return true
    } catch (error) {
      this.#fail(stream, error)
      return false
    }
  }

  /** Those that have something to tell, if only of losses. */
  #tellingStreams(lostOf: (stream: DrainedStream) => number, noBuffer: number): DrainedStream[] {
    const met = this.#streams.filter((stream) => stream !== undefined)
    const streams = met.filter((stream) => stream.hasBegun || lostOf(stream) > 0)
    if (noBuffer > 0 && streams.length === 0 && met[0] !== undefined) streams.push(met[0])
    return streams
  }

  /**
   * Ends streams with the losses of each. Records without a place have none of their own: one
   * tells of them.
   */
  #endStreams(
    streams: readonly DrainedStream[],
    lostOf: (stream: DrainedStream) => number,
    noBuffer: number,
  ): void {
    for (const stream of streams) {
      const isTeller = this.#teller === undefined || this.#teller === stream
      if (!this.#endStream(stream, lostOf(stream) + (isTeller ? noBuffer : 0))) continue
      if (noBuffer > 0) this.#teller ??= stream
    }
  }

  /** Ends a stream with its losses. @returns whether the sink has that. */
  #endStream(stream: DrainedStream, lostRecords: number): boolean {
    const history = this.#history
    const { cpu } = stream
    const thread = cpu === undefined ? undefined : (history.threads(cpu).at(-1) ?? history.latest(cpu))
    try {
      stream.end(thread, lostRecords, history.all)
      return true
    } catch (error) {
      this.#fail(stream, error)
      return false
    }
  }

  /** A stream that could not be written tries again at the next flush. */
  #fail(stream: DrainedStream, error: unknown): void {
    stream.isBlocked = true
    this.#report(messageOf(error))
  }

  #report(message: string): void {
    if (this.#error !== undefined) return
    this.#error = message
    this.#listeners.trouble(message)
  }

  /**
   * Looks for threads that have died, and frees their places once nothing of them is left half
   * done.
   *
   * @returns whether that is still to come for some, in a buffer that they shared.
   */
  #reap(): boolean {
    const dead = this.#reaper.findDead()
    const left = this.#reaper.recover(dead)
    if (this.#shared === undefined) this.#findNewCpus()
    for (const cpu of dead) {
      if (this.#shared === undefined ? !this.#retire(cpu) : this.#shared.holds(cpu)) continue
      this.#history.retired(cpu)
      this.#reaper.free(cpu)
      // The next thread there is another one.
      dead.delete(cpu)
    }
    this.#reaper.tellOfLook(dead.size)
    return left
  }

  /** Drains the buffer of a dead thread. @returns whether all of it is delivered. */
  #retire(cpu: number): boolean {
    const stream = this.#streams[cpu]
    const isOnline = Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, PLACE.online)) === 1
    if (stream === undefined || !isOnline) return true
    const ring = stream.ring as CpuRing
    this.#drain(stream, Infinity)
    const span = stream.isBlocked ? undefined : ring.newest()
    if (span !== undefined) this.#deliver(stream, span)
    if (stream.isBlocked) return false
    ring.retire()
    return true
  }

  /** Ends every stream with its losses, and closes it. */
  #close(): Totals {
    const { noBuffer } = this.#control
    const met = this.#streams.filter((stream) => stream !== undefined)
    // Read once: what the trace says and what the summary says have to agree, whatever late threads
    // still count.
    const accounts = new Map(met.map((stream) => [stream, stream.account()]))
    const accountFor = (stream: DrainedStream): Account => accounts.get(stream) as Account
    const lostOf = (stream: DrainedStream): number => accountFor(stream).lost
    const streams = this.#tellingStreams(lostOf, noBuffer)
    this.#endStreams(streams, lostOf, noBuffer)
    // Where a reader finds no trace, there is none, whatever we wrote.
    const unreadable = this.#sink.problem()
    this.#error ??= unreadable
    for (const stream of met) {
      const { problem, lostEvents } = stream.close()
      this.#error ??= problem
      const lostNow = unreadable === undefined ? lostEvents : stream.events
      const account = accountFor(stream)
      accounts.set(stream, { ...account, unwritten: account.unwritten + lostNow })
      stream.events -= lostNow
    }
    const totals = streams.map((stream) => ({
      stream,
      ...withoutSum(accountFor(stream)),
      events: stream.events,
      bytes: stream.bytes,
    }))
    const cpus =
      this.#shared === undefined
        ? totals.map(({ stream: { cpu = 0, packets }, ...rest }) => {
            return { cpu, threads: this.#history.threads(cpu), packets, ...rest }
          })
        : this.#cpuTotalsOfGlobal(this.#shared, met[0].events > 0)
    const error = this.#error ?? this.#control.clockFault
    return { ...sumOf(totals), cpus, noBuffer, error, remarks: this.#arena.remarks.all() }
  }

  /** What came of each CPU of those that shared a ring. */
  #cpuTotalsOfGlobal(ring: GlobalRing, isThere: boolean): CpuTotals[] {
    const refused = ring.refusedByCpu()
    const cpus = new Set([...this.#history.cpus, ...refused.keys()])
    return [...cpus]
      .sort((a, b) => a - b)
      .map((cpu) => ({
        cpu,
        threads: this.#history.threads(cpu),
        events: isThere ? this.#history.events(cpu) : 0,
        discarded: refused.get(cpu) ?? { full: 0, tooBig: 0, bad: 0 },
        bytes: 0,
        packets: 0,
        overwritten: 0,
        torn: 0,
        unwritten: 0,
      }))
      .filter(({ threads, discarded }) => threads.length > 0 || sumOfCauses(discarded) > 0)
  }
}

function withoutSum({ discarded, overwritten, torn, unwritten }: Account): RingLosses {
  return { discarded, overwritten, torn, unwritten }
}

/**
 * The file system's message says it all; any other error is a fault of ours, and where it came from
 * matters.
 */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'syscall' in error ? error.message : (error.stack ?? error.message)
}

export type { CpuTotals, Losses, ThreadTotals, Totals } from './ledger.js'
