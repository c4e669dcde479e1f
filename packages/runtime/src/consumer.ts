/**
 * The consumer: has the buffers of all CPUs, or their shared buffer, delivered into a sink (see
 * `Delivery`). It runs on a thread of its own, which no user code can block. It works in steps
 * (`doWork`), which a test can take one by one. Only `consumer-thread.ts` sleeps.
 *
 * A recording in memory has no sink at first. All records stay in the buffers until a thread calls
 * for files (`FILES_CALL`), or the recording stops.
 *
 * It frees the places of dead threads, and answers threads that lack the arena. It needs no help
 * from writers: it also drains the buffer of a thread that is parked, or busy forever.
 */
import { ARENA, type Arena } from './arena.js'
import { Control } from './control.js'
import { FILES_CALL, LOSSES_CALL, type Call } from './call.js'
import { answer, requestsOf, takeWanted, WANT } from './request.js'
import { Delivery } from './delivery.js'
import { GlobalRing } from './drain.js'
import type { Totals } from './ledger.js'
import { sendArena, type Listeners } from './listeners.js'
import type { Machine } from './machine.js'
import type { PacketFormat } from './packet-format.js'
import { Reaper } from './reaper.js'
import type { Sink } from './sink.js'
import { NO_SNAPSHOTS, SNAPSHOT_CALL } from './snapshot-call.js'

/** Makes the sink and the format of a recording. @throws when it can't be used. */
export type MakeTarget = (sinkInit: unknown) => { readonly format: PacketFormat; readonly sink: Sink }

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
  readonly #options: ConsumerOptions
  readonly #machine: Machine
  readonly #listeners: Listeners
  /** The shared ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  readonly #delivery: Delivery
  readonly #reaper: Reaper
  readonly #makeTarget: MakeTarget | undefined
  /** A call for files that is not answered yet. */
  #filesCall: Call | undefined
  #lateSink: Sink | undefined
  #nextFlush: number
  /** The time of the next look for dead threads, if nothing waits for one before. */
  #lookAt = 0
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

  /**
   * @param makeTarget given for a recording in memory: makes what takes the place of `format` and
   * `sink`, into which nothing is written.
   */
  constructor(
    control: Control,
    arena: Arena,
    format: PacketFormat,
    sink: Sink,
    options: ConsumerOptions,
    listeners: Listeners,
    makeTarget?: MakeTarget,
  ) {
    this.#control = control
    this.#arena = arena
    this.#options = options
    this.#machine = control.machine
    this.#listeners = listeners
    if (arena.global !== undefined) this.#shared = new GlobalRing(arena.global)
    this.#makeTarget = makeTarget
    const trouble = (message: string): void => listeners.trouble(message)
    const keeps = makeTarget !== undefined
    this.#delivery = new Delivery(control, arena, this.#shared, format, sink, trouble, keeps)
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
    const delivery = this.#delivery
    const isAskedFor = sendArena(this.#control, this.#listeners)
    this.#takeCalls()
    if (this.#takes(WANT.places)) this.#reap()
    const busy = delivery.drainSome() || isAskedFor
    this.#answerFilesCall()
    const now = this.#machine.now()
    if (now >= this.#agedAt) {
      this.#agedAt = Infinity
      delivery.deliverAged()
      if (this.#flushRounds > 0) this.#goOnFlushing(now)
    }
    if (now >= this.#reaper.dueAt) this.#reap()
    // One flush after the other: a new one would restart the grace period of the previous one.
    const isAsked = this.#flushRounds === 0 && this.#takes(WANT.flush)
    if (now >= this.#nextFlush || isAsked) {
      const wasBlocked = delivery.unblock()
      // In a shared buffer, what a dead thread left half written is in the way of all others.
      const isDue = this.#shared !== undefined || now >= this.#lookAt
      if (isDue || isAsked || wasBlocked || delivery.sample()) this.#reap()
      if (isAsked) this.#beginFlush(ticket)
      if (delivery.sample() || (isAsked && wasBlocked)) this.#agedAt = now + this.#options.graceMs
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

  /** Makes the first step flush, too: what was recorded before this thread was there. */
  flushFirst(): void {
    this.#nextFlush = this.#machine.now()
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
    const delivery = this.#delivery
    // After this sleep, all stores from before the switch-off have left the store buffers.
    this.#machine.sleep(graceMs)
    // From here on a record that does not fit is refused and counted.
    this.#shared?.finalize()
    const rounds = this.#shared === undefined ? FINISH_ROUNDS : FINISH_ROUNDS_SHARED
    for (let round = 0; round < rounds; round += 1) {
      sendArena(this.#control, this.#listeners)
      this.#takeCalls()
      const blocked = delivery.drainAll()
      this.#answerFilesCall()
      // Only `#reap` counts the torn records of dead threads. A thread that has just ended may show
      // as living at first.
      const deadLeft = this.#reap()
      if ((!delivery.sample() && (!deadLeft || delivery.keeps)) || (blocked && round >= FINISH_ROUNDS)) break
      this.#machine.sleep(graceMs)
      delivery.deliverAged()
    }
    return delivery.close()
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

  #endFlush(): void {
    this.#flushRounds = 0
    // The process may end after this.
    this.#delivery.endForNow()
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
      try {
        if (call.kind === SNAPSHOT_CALL) throw new Error(NO_SNAPSHOTS)
        if (call.kind === LOSSES_CALL) call.answer(this.#delivery.losses())
        else if (call.kind === FILES_CALL) this.#setUpFiles(call)
        else throw new Error(`there is no call ${call.kind}: two versions of rchan are in this process`)
      } catch (error) {
        call.fail(error)
      }
    }
  }

  /**
   * Gives files to a recording in memory. The call is answered once what was kept is there, apart
   * from the open sub-buffers, which follow with the next flush. If the files take nothing, it is a
   * recording in memory again.
   */
  #setUpFiles(call: Call): void {
    if (this.#makeTarget === undefined || !this.#delivery.keeps)
      throw new Error('setUpFiles: this recording has its files already')
    const { format, sink } = this.#makeTarget(call.argument)
    this.#delivery.setUp(format, sink)
    this.#lateSink = sink
    this.#nextFlush = this.#machine.now()
    this.#filesCall = call
  }

  /** Call it after each drain: one turn takes as much from a ring as it can hold. */
  #answerFilesCall(): void {
    const call = this.#filesCall
    if (call === undefined) return
    this.#filesCall = undefined
    const error = this.#delivery.settle()
    if (error === undefined) return call.answer(undefined)
    this.#lateSink?.close()
    call.fail(new Error(`${error}; nothing of it is left, and the recording stays in memory`))
  }

  /**
   * Looks for dead threads, and frees their places once nothing of theirs is half done.
   *
   * @returns whether some dead threads of a shared buffer are not cleaned up yet.
   */
  #reap(): boolean {
    const dead = this.#reaper.findDead()
    const left = this.#reaper.recover(dead)
    this.#delivery.findNewCpus(dead.size > 0)
    for (const cpu of dead) {
      if (this.#shared === undefined ? !this.#delivery.retire(cpu) : this.#shared.holds(cpu)) continue
      this.#delivery.retired(cpu)
      this.#reaper.free(cpu)
      // The next thread in this place is another one.
      dead.delete(cpu)
    }
    // What is not done yet goes on with the next flush.
    const isDone = dead.size === 0 && !left
    this.#lookAt = isDone ? this.#machine.now() + (this.#machine.quietLookMs ?? 0) : 0
    this.#reaper.tellOfLook(dead.size)
    return left
  }
}

export type { CpuTotals, Losses, ThreadTotals, Totals } from './ledger.js'
