/**
 * The consumer: drains the buffers of all CPUs, or their shared buffer, into a sink. It runs on a
 * thread of its own, which no user code can block. It works in steps (`doWork`), which a test can
 * take one by one. Only `consumer-thread.ts` sleeps.
 *
 * It owns the reader's words of every buffer, frees the places of dead threads, and answers threads
 * that lack the arena. It needs no help from writers: it also drains the buffer of a thread that is
 * parked, or busy forever.
 */
import { Arena, ARENA, PLACE } from './arena.js'
import { now as clock } from './clock.js'
import { CONTROL, Control } from './control-page.js'
import type { Call } from './call.js'
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

/** The consumer's calls to its thread. */
export interface Listeners {
  /** Posts the arena to the threads that asked for it. */
  postArena(): void
  /** Takes the calls of other threads that are new. */
  takeCalls(): readonly Call[]
  /** Reports the first error on the way to the sink. */
  trouble(message: string): void
}

/** Options of the consumer. */
export interface ConsumerOptions {
  /** How often records of incomplete sub-buffers are delivered, in milliseconds. */
  readonly flushIntervalMs: number
  /** How old a sampled end must be before it may be read, in milliseconds. */
  readonly graceMs: number
}

/**
 * How often `finish` looks again for records of threads that were writing when tracing was switched
 * off.
 */
const FINISH_ROUNDS = 10
/**
 * The same for a shared buffer. There a thread that the system suspends in the middle of a write
 * holds up the records of the others. On a busy machine this can last long.
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
  /**
   * The streams by CPU, each made when its thread is first seen online; or the one stream of a
   * shared buffer.
   */
  readonly #streams: (DrainedStream | undefined)[]
  /** The shared ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  readonly #history: ThreadHistory
  readonly #reaper: Reaper
  /**
   * The most sub-buffers to deliver from one ring before the next ring's turn: as many as a ring
   * holds.
   */
  readonly #fairShare: number
  #nextFlush: number
  #agedAt = Infinity
  /** The ticket of the last answered request. */
  #answered = 0
  /** Requests not begun yet, as bits of `WANT`. */
  #wanted = 0
  /**
   * The ticket of the flush under way, and the number of looks left for it; 0 looks if no flush is
   * under way.
   */
  #flushTicket = 0
  #flushRounds = 0
  #error: string | undefined
  /**
   * The stream that reports records without a place. It is always the same one, because a reader
   * adds up the reports of all streams.
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
   * Does one step: answers requests, and delivers complete sub-buffers, and partial ones when they
   * are due.
   *
   * @returns milliseconds until the next call, unless a thread rings earlier; 0 when it found work
   * and may find more.
   */
  doWork(): number {
    const { words } = this.#arena
    // Load the ticket before any other look, so that all work below counts for it.
    const ticket = requestsOf(this.#arena)
    this.#wanted |= takeWanted(this.#arena)
    let busy = this.#sendArena()
    this.#takeCalls()
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
    // One flush after the other: a new one would restart the grace period of the previous one.
    const isAsked = this.#flushRounds === 0 && this.#takes(WANT.flush)
    if (now >= this.#nextFlush || isAsked) {
      const wasBlocked = this.#unblock()
      this.#reap()
      if (isAsked) this.#beginFlush(ticket)
      if (this.#sample() || (isAsked && wasBlocked)) this.#agedAt = now + this.#options.graceMs
      else if (isAsked) this.#endFlush()
      this.#nextFlush = now + this.#options.flushIntervalMs
    }
    // All requests up to this ticket are done, except a stop: the end answers that.
    if (this.#flushRounds === 0 && this.#wanted === 0 && ticket !== this.#answered)
      this.#answerRequests(ticket)
    Atomics.add(words, ARENA.rounds >> 2, 1)
    return busy
      ? 0
      : Math.max(0, Math.min(this.#nextFlush, this.#agedAt, this.#reaper.dueAt) - this.#machine.now())
  }

  /** Whether the consumer was asked to stop. If so, call `finish` next. */
  get isToStop(): boolean {
    return (this.#wanted & WANT.stop) !== 0
  }

  /**
   * Delivers every record whose call returned before tracing was switched off, and ends the
   * streams. Call it after the switch-off. It waits at least twice the grace period.
   */
  finish(): Totals {
    const { graceMs } = this.#options
    // After this sleep, all stores from before the switch-off have left the store buffers.
    this.#machine.sleep(graceMs)
    // From here on a record that does not fit is refused and counted.
    this.#shared?.finalize()
    const rounds = this.#shared === undefined ? FINISH_ROUNDS : FINISH_ROUNDS_SHARED
    for (let round = 0; round < rounds; round += 1) {
      this.#sendArena()
      this.#takeCalls()
      this.#findNewCpus()
      let blocked = false
      for (const stream of this.#streams) {
        if (stream === undefined) continue
        stream.isBlocked = false
        this.#drain(stream, Infinity)
        if (stream.isBlocked) blocked = true
      }
      // Only `#reap` counts the torn records of dead threads. A thread that has just ended may show
      // as living at first.
      const deadLeft = this.#reap()
      if ((!this.#sample() && !deadLeft) || (blocked && round >= FINISH_ROUNDS)) break
      this.#machine.sleep(graceMs)
      this.#deliverAged()
    }
    return this.#close()
  }

  /**
   * Begins a flush. This step has drained the sub-buffers that were complete before the request.
   * The rest goes out with the next sample, and with the sub-buffers that are completed until then:
   * no buffer holds more of them than a fair share.
   */
  #beginFlush(ticket: number): void {
    this.#flushTicket = ticket
    this.#flushRounds = this.#shared === undefined ? 1 : FINISH_ROUNDS_SHARED
    this.#shared?.mark()
  }

  /**
   * Goes on with a flush after the sampled parts were delivered. In a shared buffer the flush may
   * have to wait for a thread that is still writing.
   */
  #goOnFlushing(now: number): void {
    this.#flushRounds -= 1
    if (this.#flushRounds > 0 && this.#shared?.hasDeliveredMark() === false) {
      this.#agedAt = now + this.#options.graceMs
    } else this.#endFlush()
  }

  /** Lets blocked streams try again. @returns whether there were any. */
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
    // The process may end after this. If it goes on, the streams continue in further files.
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

  /** Takes a request, if it is wanted. @returns whether it was wanted. */
  #takes(what: number): boolean {
    const isWanted = (this.#wanted & what) !== 0
    this.#wanted &= ~what
    return isWanted
  }

  /** Does what other threads called for. */
  #takeCalls(): void {
    for (const call of this.#listeners.takeCalls()) {
      call.fail(new Error(`there is no call ${call.kind}: two versions of rchan are in this process`))
    }
  }

  /** Answers the threads that lack the arena. @returns whether there were any. */
  #sendArena(): boolean {
    const { words } = this.#control
    const asked = Atomics.load(words, CONTROL.asked >> 2)
    if (asked === Atomics.load(words, CONTROL.answered >> 2)) return false
    this.#listeners.postArena()
    this.#control.answer(asked, clock())
    return true
  }

  /**
   * Makes a stream for each CPU that is online for the first time, if each CPU has its own buffer.
   */
  #findNewCpus(): void {
    if (this.#shared !== undefined) return
    const { words, channel } = this.#arena
    for (let cpu = 0; cpu < this.#streams.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`, after the first sub-buffer was started.
      if (this.#streams[cpu] !== undefined) continue
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      this.#streams[cpu] = new DrainedStream(cpu, new CpuRing(channel.buffer(cpu)), this.#format, this.#sink)
    }
  }

  /**
   * Delivers at most `most` complete sub-buffers. A writer as fast as the disk must not keep the
   * consumer from the other CPUs, or from threads that ask.
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
   * Writes one packet. @returns whether the sink has it. If not, the records stay in the ring, and
   * a later call tries again.
   */
  #deliver(stream: DrainedStream, span: PacketSpan): boolean {
    const { words } = this.#arena
    const { cpu, ring } = stream
    const history = this.#history
    let thread: ThreadTotals | undefined
    // Any CPU may have written into a shared buffer.
    if (cpu === undefined) history.findNew()
    else thread = history.present(cpu)
    try {
      // This shows an exiting process that we make progress.
      Atomics.add(words, ARENA.rounds >> 2, 1)
      const { records, writers, problem, end } = stream.write(span, thread, history.all)
      if (cpu !== undefined && records > 0) history.credit(cpu, thread, records)
      for (const [tag, count] of writers ?? []) history.creditTag(tag, count)
      if (problem !== undefined) this.#report(`${stream.name}: ${problem}`)
      // The unreadable records of a complete sub-buffer are lost with it. (A global ring counts
      // them itself, as torn.)
      const unreadable = cpu === undefined ? 0 : Math.max(0, span.records - records)
      stream.unwritten += unreadable
      ring.delivered(span, records + unreadable, end)
      return true
    } catch (error) {
      this.#fail(stream, error)
      return false
    }
  }

  /** The streams with something to report, if only losses. */
  #tellingStreams(lostOf: (stream: DrainedStream) => number, noBuffer: number): DrainedStream[] {
    const met = this.#streams.filter((stream) => stream !== undefined)
    const streams = met.filter((stream) => stream.hasBegun || lostOf(stream) > 0)
    if (noBuffer > 0 && streams.length === 0 && met[0] !== undefined) streams.push(met[0])
    return streams
  }

  /**
   * Ends streams, each with its losses. Records without a place belong to no stream, so one stream
   * reports them.
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

  /** Ends a stream with its losses. @returns whether the sink has the end. */
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

  /** Blocks a stream after an error. It tries again at the next flush. */
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
   * Looks for dead threads, and frees their places once nothing of theirs is half done.
   *
   * @returns whether some dead threads of a shared buffer are not cleaned up yet.
   */
  #reap(): boolean {
    const dead = this.#reaper.findDead()
    const left = this.#reaper.recover(dead)
    if (this.#shared === undefined) this.#findNewCpus()
    for (const cpu of dead) {
      if (this.#shared === undefined ? !this.#retire(cpu) : this.#shared.holds(cpu)) continue
      this.#history.retired(cpu)
      this.#reaper.free(cpu)
      // The next thread in this place is another one.
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
    // Read the losses once: the trace and the summary have to agree, even if late threads still
    // count more.
    const accounts = new Map(met.map((stream) => [stream, stream.account()]))
    const accountFor = (stream: DrainedStream): Account => accounts.get(stream) as Account
    const lostOf = (stream: DrainedStream): number => accountFor(stream).lost
    const streams = this.#tellingStreams(lostOf, noBuffer)
    this.#endStreams(streams, lostOf, noBuffer)
    // If a reader finds no trace there, nothing that we wrote counts.
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

  /** The totals of each CPU of a shared ring. */
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
 * The message of a file system's error is enough. Any other error is a bug of ours, so its stack
 * matters.
 */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'syscall' in error ? error.message : (error.stack ?? error.message)
}

export type { CpuTotals, Losses, ThreadTotals, Totals } from './ledger.js'
