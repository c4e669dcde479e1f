/**
 * The consumer of a flight recorder: drains nothing. It frees the places of dead threads so that
 * what they wrote stays in their rings, answers threads that lack the arena, and takes snapshots
 * when it is asked. It works in steps, as `Consumer` does, on the same thread.
 */
import { ThreadLives } from './thread-lives.js'
import { Accounts, NONE, reportOf, type LossReport, type ThreadLosses } from './accounts.js'
import { Arena, ARENA, PLACE } from './arena.js'
import { FILES_CALL, LOSSES_CALL } from './call.js'
import { now as clock } from './clock.js'
import type { ConsumerOptions } from './consumer.js'
import type { Control } from './control.js'
import { CpuRing, GlobalRing } from './drain.js'
import { FlightRecorder, SnapshotRefused, type FlightInit } from './flight.js'
import { TELL } from './last-words.js'
import { sendArena, type Listeners } from './listeners.js'
import { Lookout } from './lookout.js'
import { sumOf, type CpuTotals, type Totals } from './ledger.js'
import type { PacketFormat } from './packet-format.js'
import { Reaper } from './reaper.js'
import { answer, requestsOf, takeWanted, WANT } from './request.js'
import { NOWHERE } from './nowhere.js'
import type { Sink } from './sink.js'
import { SNAPSHOT_CALL } from './snapshot-call.js'
import type { Snapshot } from './snapshot-totals.js'
import type { SnapshotSource } from './snapshot.js'
import { Tenures } from './tenures.js'
import { readCause, type SnapshotCause } from './trigger.js'

/** The client's parts of a flight consumer. */
export interface FlightClient {
  /** Makes a sink that writes a folder, which exists. */
  createSink(path: string): Sink
  /** Makes the format of a snapshot; see `CreateFormat`. */
  createFormat(sink: Sink, startedAt: bigint): PacketFormat
}

const NO_LATE_FILES = 'setUpFiles: this is a flight recorder, whose files are its snapshots: call snapshot()'

export class FlightConsumer {
  readonly #control: Control
  readonly #arena: Arena
  readonly #options: ConsumerOptions
  readonly #listeners: Listeners
  readonly #flight: FlightRecorder
  readonly #lookout: Lookout
  readonly #tenures: Tenures
  readonly #lives: ThreadLives
  readonly #reaper: Reaper
  /** The shared ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  /** Readers that keep, by CPU, each made when its first thread is found. */
  readonly #rings: (CpuRing | undefined)[] = []
  readonly #torn: number[] = []
  readonly #accounts: Accounts
  /** Reads what a dead thread left. It writes nowhere. */
  readonly #walker: PacketFormat
  readonly #startedAt = clock()
  #nextLook: number
  /** Until then nothing waits for a look for dead threads, unless they share a buffer. */
  #quietUntil = 0
  #answered = 0
  #wanted = 0
  #error: string | undefined

  constructor(
    control: Control,
    arena: Arena,
    client: FlightClient,
    init: FlightInit,
    options: ConsumerOptions,
    listeners: Listeners,
  ) {
    this.#control = control
    this.#arena = arena
    this.#options = options
    this.#listeners = listeners
    this.#tenures = new Tenures(arena)
    this.#lives = new ThreadLives(arena)
    this.#accounts = new Accounts(arena)
    if (arena.global !== undefined) this.#shared = new GlobalRing(arena.global)
    this.#reaper = new Reaper(arena, control.machine, this.#shared, options.graceMs)
    const startedAt = this.#startedAt
    this.#walker = client.createFormat(NOWHERE, startedAt)
    this.#flight = new FlightRecorder(init, {
      source: this.#source(),
      createSink: (path) => client.createSink(path),
      createFormat: (sink) => client.createFormat(sink, startedAt),
    })
    this.#lookout = new Lookout(
      init.lookout,
      arena,
      control.machine,
      (cause) => this.take(cause).path,
      (error) => {
        if (!(error instanceof SnapshotRefused)) this.#report((error as Error).message)
      },
    )
    this.#nextLook = control.machine.now() + options.flushIntervalMs
  }

  /**
   * Takes a snapshot now.
   *
   * @throws SnapshotRefused when a limit forbids it; Error when it can't be written.
   */
  take(cause: SnapshotCause): Snapshot {
    const snapshot = this.#flight.take(cause)
    this.#lookout.snapshotTaken()
    return snapshot
  }

  /** Does one step. @returns milliseconds until the next call, unless a thread rings earlier. */
  doWork(): number {
    const { machine } = this.#control
    // Load the ticket before any other look, so that all work below counts for it.
    const ticket = requestsOf(this.#arena)
    this.#wanted |= takeWanted(this.#arena)
    const busy = sendArena(this.#control, this.#listeners)
    this.#stayAhead()
    this.#takeCalls()
    this.#lookout.look(machine.now())
    const now = machine.now()
    const isDue = now >= this.#nextLook && (this.#shared !== undefined || now >= this.#quietUntil)
    if ((this.#wanted & WANT.places) !== 0 || isDue || now >= this.#reaper.dueAt) this.#reap()
    if (now >= this.#nextLook) this.#nextLook = now + this.#options.flushIntervalMs
    // There are no files to flush.
    this.#wanted &= ~(WANT.places | WANT.flush)
    if (this.#wanted === 0 && ticket !== this.#answered) {
      this.#answered = ticket
      answer(this.#arena, ticket)
    }
    Atomics.add(this.#arena.words, ARENA.rounds >> 2, 1)
    if (busy) return 0
    const dueAt = Math.min(this.#nextLook, this.#reaper.dueAt, this.#lookout.dueAt)
    return Math.max(0, dueAt - machine.now())
  }

  /** Whether the consumer was asked to stop. If so, call `finish` next. */
  get isToStop(): boolean {
    return (this.#wanted & WANT.stop) !== 0
  }

  /** Counts what was traced. Call it after tracing was switched off. */
  finish(): Totals {
    this.#control.machine.sleep(this.#options.graceMs)
    this.#shared?.finalize()
    sendArena(this.#control, this.#listeners)
    this.#takeCalls()
    this.#reap()
    const cpus = this.#arena.global === undefined ? this.#cpuTotals() : this.#cpuTotalsOfGlobal()
    const flight = this.#flight.totals()
    return {
      ...(this.#shared === undefined ? sumOf(cpus) : this.#totalsOfGlobal(this.#shared)),
      cpus,
      noBuffer: this.#control.noBuffer,
      error: flight.error ?? this.#error ?? this.#control.clockFault,
      remarks: this.#arena.remarks.all(),
      ...this.#lives.totals,
      losses: this.#losses(),
      flight,
    }
  }

  /** Ends what outlives the thread otherwise. */
  close(): void {
    this.#lookout.close()
  }

  #source(): SnapshotSource {
    const { machine } = this.#control
    const tenures = this.#tenures
    return {
      arena: this.#arena,
      graceMs: this.#options.graceMs,
      startedAt: this.#startedAt,
      tenures,
      lives: this.#lives,
      pause: () => {
        sendArena(this.#control, this.#listeners)
        // This shows an exiting process that we make progress.
        Atomics.add(this.#arena.words, ARENA.rounds >> 2, 1)
      },
      recover: () => this.#reap(),
      sleep: (ms) => machine.sleep(ms),
    }
  }

  /** Touches memory ahead of the writers in their first lap. */
  #stayAhead(): void {
    this.#shared?.stayAhead()
    if (this.#shared !== undefined) return
    this.#tenures.findNew()
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      if (this.#tenures.has(cpu)) this.#ring(cpu).stayAhead()
    }
  }

  #ring(cpu: number): CpuRing {
    return (this.#rings[cpu] ??= new CpuRing(this.#arena.channel.buffer(cpu), { keeps: true }))
  }

  /** Does what other threads called for, one after the other. */
  #takeCalls(): void {
    for (const call of this.#listeners.takeCalls()) {
      try {
        if (call.kind === SNAPSHOT_CALL) call.answer(this.take(readCause(call.argument)))
        else if (call.kind === TELL) call.answer(this.#lookout.tell(readCause(call.argument)))
        else if (call.kind === LOSSES_CALL) call.answer(this.#losses())
        else if (call.kind === FILES_CALL) throw new Error(NO_LATE_FILES)
        else throw new Error(`there is no call ${call.kind}: two versions of rchan are in this process`)
      } catch (error) {
        call.fail(error)
      }
    }
  }

  /** Frees the places of dead threads. What they wrote stays. */
  #reap(): void {
    const dead = this.#reaper.findDead()
    this.#reaper.recover(dead)
    this.#tenures.findNew()
    for (const cpu of dead) {
      if (this.#shared === undefined ? !this.#retire(cpu) : this.#shared.holds(cpu)) continue
      if (this.#shared !== undefined) {
        const completed = this.#shared.completed()
        this.#tenures.end(cpu, completed + 1)
        this.#openAccounts(cpu)
        const refused = this.#shared.refusedByCpu().get(cpu) ?? NONE
        this.#accounts.end(this.#tenures.of(cpu).at(-1)?.thread, 0, refused, 0)
        this.#forgetOverwritten(completed)
      }
      this.#lives.ended(cpu)
      this.#reaper.free(cpu)
      dead.delete(cpu)
    }
    const quietMs = this.#control.machine.quietLookMs ?? 0
    this.#quietUntil = dead.size > 0 ? 0 : this.#control.machine.now() + quietMs
    this.#reaper.tellOfLook(dead.size)
  }

  /** Shared ring: forgets threads of which nothing is left there. Else snapshots grew for ever. */
  #forgetOverwritten(completed: number): void {
    const { global, possibleCpus } = this.#arena
    const oldest = completed - (global?.geometry.subbufCount ?? 0)
    for (let cpu = 0; cpu < possibleCpus; cpu += 1) this.#forget(cpu, oldest)
  }

  /** Forgets the threads of which a ring has nothing from a sub-buffer on. */
  #forget(cpu: number, oldest: number): void {
    this.#tenures.forget(cpu, oldest)
    this.#lives.forget(cpu, this.#tenures.of(cpu)[0]?.thread.generation ?? 0)
  }

  /** Closes what a dead thread left open in its ring. @returns whether its place can be freed. */
  #retire(cpu: number): boolean {
    const { words } = this.#arena
    if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) return true
    try {
      const ring = this.#ring(cpu)
      const torn = ring.retireKept(this.#walker)
      this.#torn[cpu] = (this.#torn[cpu] ?? 0) + torn
      const next = ring.completed()
      this.#tenures.end(cpu, next)
      this.#openAccounts(cpu)
      const { given } = this.#extent(cpu)
      this.#accounts.end(this.#tenures.of(cpu).at(-1)?.thread, given, ring.discarded(), torn)
      this.#forget(cpu, next - ring.buffer.geometry.subbufCount)
      return true
    } catch (error) {
      this.#report((error as Error).message)
      return false
    }
  }

  #openAccounts(cpu: number): void {
    for (const { thread } of this.#tenures.of(cpu)) this.#accounts.open(cpu, thread)
  }

  /** How many records a ring was given, and the oldest that it still holds. */
  #extent(cpu: number): { readonly given: number; readonly oldest: number } {
    // A reader that has passed over nothing yet.
    return new CpuRing(this.#arena.channel.buffer(cpu), { keeps: true }).extent()
  }

  /** What became of all records so far. Nothing is delivered: what is not lost is pending. */
  #losses(): LossReport {
    this.#tenures.findNew()
    const cpus = this.#cpusMet()
    for (const cpu of cpus) this.#openAccounts(cpu)
    const { noBuffer } = this.#control
    const ring = this.#shared
    if (ring === undefined) {
      const rows = cpus.flatMap((cpu): ThreadLosses[] => {
        const discarded = this.#ring(cpu).discarded()
        return this.#accounts.rows(cpu, { ...this.#extent(cpu), discarded }, false)
      })
      return reportOf(rows, undefined, noBuffer)
    }
    const refused = ring.refusedByCpu()
    const rows = cpus.flatMap((cpu) => this.#accounts.sharedRows(cpu, refused.get(cpu) ?? NONE))
    const pending = ring.remaining()
    const { overwritten, torn } = ring
    return reportOf(rows, { delivered: 0, overwritten, torn, unwritten: 0, pending }, noBuffer)
  }

  #report(message: string): void {
    if (this.#error !== undefined) return
    this.#error = message
    this.#listeners.trouble(message)
  }

  #cpuTotals(): CpuTotals[] {
    return this.#cpusMet().flatMap((cpu) => {
      const ring = new CpuRing(this.#arena.channel.buffer(cpu), { keeps: true })
      try {
        const events = ring.remaining()
        return { ...this.#totalsOf(cpu), discarded: ring.discarded(), events, overwritten: ring.older }
      } catch (error) {
        this.#error ??= (error as Error).message
        return []
      }
    })
  }

  #cpuTotalsOfGlobal(): CpuTotals[] {
    const refused = this.#shared?.refusedByCpu()
    return this.#cpusMet().map((cpu) => {
      return { ...this.#totalsOf(cpu), discarded: refused?.get(cpu) ?? { full: 0, tooBig: 0, bad: 0 } }
    })
  }

  #totalsOfGlobal(shared: GlobalRing): ReturnType<typeof sumOf> {
    const held = shared.remaining()
    const { overwritten, torn } = shared
    return { events: held, bytes: 0, discarded: shared.discarded(), overwritten, torn, unwritten: 0 }
  }

  #totalsOf(cpu: number): CpuTotals {
    return {
      cpu,
      threads: this.#tenures.of(cpu).map(({ thread }) => thread),
      events: 0,
      bytes: 0,
      packets: 0,
      discarded: { full: 0, tooBig: 0, bad: 0 },
      overwritten: 0,
      torn: this.#torn[cpu] ?? 0,
      unwritten: 0,
    }
  }

  #cpusMet(): number[] {
    return Array.from({ length: this.#arena.possibleCpus }, (_, cpu) => cpu).filter((cpu) =>
      this.#tenures.has(cpu),
    )
  }
}
