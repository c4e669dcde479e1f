/**
 * The delivery of a recording: takes records from the rings of all CPUs, or from their shared ring,
 * and puts them as packets into streams of a sink. Runs on the consumer thread. `Consumer` says
 * when each of its methods is called.
 *
 * It owns the reader's words of every buffer. It keeps the accounts: who wrote, what was delivered,
 * and what was lost.
 *
 * Of a recording in memory it *keeps* all records at first: it takes nothing from the rings, so
 * each does when it is full what its mode says. When a thread dies, its last sub-buffer is closed,
 * and its place gets free. What it wrote stays. The delivery remembers up to which sub-buffer that
 * goes, so later each packet gets its thread. (In a shared ring the records themselves tell. There
 * a record that a dying thread left half written holds its place until files are set up, or it is
 * overwritten.)
 */
import type { Discarded } from '@rchan/ring'
import { Accounts, NONE, reportOf, type LossReport, type ThreadLosses } from './accounts.js'
import { ARENA, PLACE, tagParts, type Arena } from './arena.js'
import type { Control } from './control.js'
import { CONTROL } from './control-page.js'
import { CpuRing, GlobalRing } from './drain.js'
import { DrainedStream, sumOfCauses, type Account } from './drained-stream.js'
import {
  ThreadHistory,
  sumOf,
  type CpuTotals,
  type RingLosses,
  type ThreadTotals,
  type Totals,
} from './ledger.js'
import type { PacketFormat, PacketSpan } from './packet-format.js'
import type { Sink } from './sink.js'
import { ThreadLives } from './thread-lives.js'

/** A dead thread of which sub-buffers may be left in its ring. */
interface Kept {
  readonly thread: ThreadTotals | undefined
  /** The first sub-buffer that the next thread in its place can write. */
  readonly endSequence: number
}

export class Delivery {
  readonly #control: Control
  readonly #arena: Arena
  #format: PacketFormat
  #sink: Sink
  #keeps: boolean
  /** Reports the first error on the way to the sink. */
  readonly #trouble: (message: string) => void
  /**
   * The streams by CPU, each made when its thread is first seen online; or the one stream of a
   * shared buffer.
   */
  #streams: (DrainedStream | undefined)[]
  /** Those that are made. An idle consumer goes through them often, and seldom through all CPUs. */
  #made: DrainedStream[]
  /** The arena's count of threads that came online, at the last look for them. */
  #came = 0
  /** By CPU, oldest first. Shared ring: none. */
  readonly #kept: Kept[][]
  /** The shared ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  readonly #history: ThreadHistory
  readonly #accounts: Accounts
  /** Records of a shared buffer that were delivered, and whose thread nobody knows. */
  #unattributed = 0
  readonly #lives: ThreadLives
  /** The changes of names that were read. */
  #renamed: number
  /**
   * The most sub-buffers to deliver from one ring before the next ring's turn: as many as a ring
   * holds.
   */
  readonly #fairShare: number
  #error: string | undefined
  /** While a set-up is under way: what was before it. */
  #before:
    { readonly format: PacketFormat; readonly sink: Sink; readonly error: string | undefined } | undefined
  /**
   * The stream that reports records without a place. It is always the same one, because a reader
   * adds up the reports of all streams.
   */
  #teller: DrainedStream | undefined

  /**
   * @param shared the shared ring of all CPUs, if they share one.
   * @param keeps whether all records stay in the rings until {@link setUp}.
   */
  constructor(
    control: Control,
    arena: Arena,
    shared: GlobalRing | undefined,
    format: PacketFormat,
    sink: Sink,
    trouble: (message: string) => void,
    keeps = false,
  ) {
    this.#control = control
    this.#arena = arena
    this.#format = format
    this.#sink = sink
    this.#trouble = trouble
    this.#keeps = keeps
    this.#kept = Array.from({ length: arena.possibleCpus }, () => [])
    this.#history = new ThreadHistory(arena)
    this.#lives = new ThreadLives(arena)
    this.#renamed = this.#renames
    this.#accounts = new Accounts(arena)
    this.#shared = shared
    if (shared === undefined) {
      this.#streams = Array.from({ length: arena.possibleCpus })
      this.#made = []
      this.#fairShare = arena.channel.buffer(0).geometry.subbufCount
    } else {
      this.#made = [new DrainedStream(undefined, shared, format, sink)]
      this.#streams = [...this.#made]
      this.#fairShare = shared.buffer.geometry.subbufCount
    }
  }

  /** Whether all records stay in the rings. */
  get keeps(): boolean {
    return this.#keeps
  }

  /**
   * Delivers from now on what was kept, and what comes. Call {@link settle} after the first drain.
   */
  setUp(format: PacketFormat, sink: Sink): void {
    this.#before = { format: this.#format, sink: this.#sink, error: this.#error }
    this.#error = undefined
    this.#deliverTo(format, sink)
    this.#keeps = false
  }

  /**
   * Ends a set-up. If the sink has refused all that there was, everything is as before it, and all
   * records stay in the rings again.
   *
   * @returns the error of the sink then; undefined if it has taken something, or there was nothing.
   */
  settle(): string | undefined {
    const before = this.#before
    if (before === undefined) return undefined
    const error = this.#error
    this.#before = undefined
    this.#error = before.error ?? error
    if (error === undefined) return undefined
    if (this.#made.some(({ events, unwritten }) => events + unwritten > 0)) {
      this.#trouble(error)
      return undefined
    }
    this.#error = before.error
    this.#deliverTo(before.format, before.sink)
    this.#keeps = true
    return error
  }

  #deliverTo(format: PacketFormat, sink: Sink): void {
    this.#format = format
    this.#sink = sink
    this.#streams = this.#streams.map((stream) =>
      stream === undefined ? undefined : new DrainedStream(stream.cpu, stream.ring, format, sink),
    )
    this.#made = this.#streams.filter((stream) => stream !== undefined)
  }

  /**
   * Delivers complete sub-buffers of all rings, a fair share of each. @returns whether there were
   * any.
   */
  drainSome(): boolean {
    this.findNewCpus()
    if (this.#keeps) {
      for (const stream of this.#made) stream.ring.stayAhead()
      return false
    }
    let found = false
    for (const stream of this.#made) if (this.#drain(stream, this.#fairShare)) found = true
    return found
  }

  /** Delivers all complete sub-buffers. @returns whether the sink refused some. */
  drainAll(): boolean {
    this.findNewCpus(true)
    if (this.#keeps) return false
    let blocked = false
    for (const stream of this.#made) {
      stream.isBlocked = false
      this.#drain(stream, Infinity)
      if (stream.isBlocked) blocked = true
    }
    return blocked
  }

  /** Lets blocked streams try again. @returns whether there were any. */
  unblock(): boolean {
    let any = false
    for (const stream of this.#made) {
      if (!stream.isBlocked) continue
      stream.isBlocked = false
      any = true
    }
    return any
  }

  /** Ends the streams with their losses so far. If tracing goes on, they go on in further files. */
  endForNow(): void {
    if (this.#keeps) return
    this.#tellLives()
    const lostOf = (stream: DrainedStream): number => stream.refused + stream.lost
    const { noBuffer } = this.#control
    const streams = this.#tellingStreams(lostOf, noBuffer).filter(({ isBlocked }) => !isBlocked)
    this.#endStreams(streams, lostOf, noBuffer)
  }

  /** Notes that the thread of a place is dead, and that the place is about to be freed. */
  retired(cpu: number): void {
    this.#lives.ended(cpu)
    this.#history.retired(cpu)
    if (this.#shared === undefined) return
    this.#meet(cpu)
    // Also of a thread that was refused nothing: it must not be charged for the next one.
    this.#accounts.end(this.#history.latest(cpu), 0, this.#shared.refusedByCpu().get(cpu) ?? NONE, 0)
  }

  /** What became of all records so far. While threads write, the counts are of about now. */
  losses(): LossReport {
    // A thread may ask before any of its records was looked for.
    this.findNewCpus(true)
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) this.#meet(cpu)
    const { noBuffer } = this.#control
    if (this.#shared !== undefined) {
      const { overwritten, torn } = this.#shared
      const { unwritten } = this.#streams[0] as DrainedStream
      const fate = { overwritten, torn, unwritten, pending: this.#shared.remaining() }
      return this.#reportOfGlobal(this.#shared.refusedByCpu(), fate, noBuffer)
    }
    const rows = this.#made.flatMap((stream) => {
      if (stream.cpu === undefined) return []
      const ring = stream.ring as CpuRing
      return this.#accounts.rows(stream.cpu, { ...ring.extent(), discarded: ring.discarded() }, false)
    })
    return reportOf(rows, undefined, noBuffer)
  }

  /** Opens the account of the thread that has a place now. */
  #meet(cpu: number): void {
    const thread = this.#history.present(cpu)
    if (thread !== undefined) this.#accounts.open(cpu, thread)
  }

  #reportOfGlobal(
    refused: ReadonlyMap<number, Discarded>,
    fate: Omit<LossReport['shared'] & object, 'delivered'>,
    noBuffer: number,
  ): LossReport {
    const rows: ThreadLosses[] = []
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      rows.push(...this.#accounts.sharedRows(cpu, refused.get(cpu) ?? NONE))
    }
    return reportOf(rows, { delivered: this.#unattributed, ...fate }, noBuffer)
  }

  /**
   * Makes a stream for each CPU that is online for the first time, if each CPU has its own buffer.
   *
   * @param isThorough whether to look also where no thread said that it came online. A thread that
   * was terminated in that instant did not. It has written nothing.
   */
  findNewCpus(isThorough = false): void {
    if (this.#shared !== undefined) return
    const { words, channel } = this.#arena
    const came = Atomics.load(words, ARENA.came >> 2)
    if (came === this.#came && !isThorough) return
    this.#came = came
    for (let cpu = 0; cpu < this.#streams.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`, after the first sub-buffer was started.
      if (this.#streams[cpu] !== undefined) continue
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      this.#streams[cpu] = new DrainedStream(cpu, new CpuRing(channel.buffer(cpu)), this.#format, this.#sink)
    }
    this.#made = this.#streams.filter((stream) => stream !== undefined)
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

  /**
   * Remembers how far the open sub-buffers are written. @returns whether some hold undelivered
   * records.
   */
  sample(): boolean {
    if (this.#keeps) return false
    let any = false
    for (const stream of this.#made) if (stream.ring.sample()) any = true
    return any
  }

  /** Delivers what the last {@link sample} saw. It must be a grace period old. */
  deliverAged(): void {
    if (this.#keeps) return
    for (const stream of this.#made) {
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
    else thread = this.#writerOf(cpu, span.sequence)
    if (cpu !== undefined) this.#meet(cpu)
    try {
      this.#readNames()
      // This shows an exiting process that we make progress.
      Atomics.add(words, ARENA.rounds >> 2, 1)
      const { records, writers, problem, end } = stream.write(span, thread, history.all)
      if (cpu !== undefined && records > 0) history.credit(cpu, thread, records)
      for (const [tag, count] of writers ?? []) this.#creditTag(tag, count)
      if (problem !== undefined) this.#tell(`${stream.name}: ${problem}`)
      // The unreadable records of a complete sub-buffer are lost with it. (A global ring counts
      // them itself, as torn.)
      const unreadable = cpu === undefined ? 0 : Math.max(0, span.records - records)
      stream.unwritten += unreadable
      if (cpu !== undefined) this.#accounts.credit(thread, records, unreadable)
      ring.delivered(span, records + unreadable, end)
      return true
    } catch (error) {
      this.#fail(stream, error)
      return false
    }
  }

  get #renames(): number {
    return Atomics.load(this.#control.words, CONTROL.renamed >> 2)
  }

  /** Reads the names of threads again if one has changed. */
  #readNames(): void {
    // Pairs with: Cpu.#tellLabel, Atomics.add after the name.
    const renamed = this.#renames
    if (renamed === this.#renamed) return
    this.#renamed = renamed
    this.#history.readNames()
    this.#format.renamed()
  }

  /**
   * Tells the format of all threads, and of the spans that are cut off. That writes the metadata
   * again: not if somebody has removed or changed it, which stays the error.
   */
  #tellLives(): void {
    try {
      this.#readNames()
      if (this.#sink.problem() !== undefined) return
      this.#format.tell(this.#lives.facts())
      // There may be no stream, which would do it.
      this.#format.prepare(this.#history.all)
    } catch (error) {
      this.#tell(messageOf(error))
    }
  }

  /** The thread that wrote a sub-buffer of a CPU's own ring. */
  #writerOf(cpu: number, sequence: number): ThreadTotals | undefined {
    const kept = this.#kept[cpu]
    // Sub-buffers come in their order.
    while (kept.length > 0 && kept[0].endSequence <= sequence) kept.shift()
    return kept.length > 0 ? kept[0].thread : this.#history.present(cpu)
  }

  /** Credits the thread with a tag with records of a shared buffer. */
  #creditTag(tag: number, records: number): void {
    const thread = this.#history.creditTag(tag, records)
    if (thread === undefined) {
      this.#unattributed += records
      return
    }
    this.#accounts.open(tagParts(tag).cpu, thread)
    this.#accounts.credit(thread, records, 0)
  }

  /** The streams with something to report, if only losses. */
  #tellingStreams(lostOf: (stream: DrainedStream) => number, noBuffer: number): DrainedStream[] {
    const met = this.#made
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
    this.#tell(messageOf(error))
  }

  #tell(message: string): void {
    if (this.#error !== undefined) return
    this.#error = message
    // Of a set-up `settle` tells.
    if (this.#before === undefined) this.#trouble(message)
  }

  /**
   * Drains the buffer of a dead thread, or closes it if all stays there. @returns whether that is
   * done.
   */
  retire(cpu: number): boolean {
    const stream = this.#streams[cpu]
    const isOnline = Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, PLACE.online)) === 1
    if (stream === undefined || !isOnline) return true
    const ring = stream.ring as CpuRing
    if (this.#keeps) return this.#retireKept(cpu, ring)
    this.#drain(stream, Infinity)
    const span = stream.isBlocked ? undefined : ring.newest()
    if (span !== undefined) this.#deliver(stream, span)
    if (stream.isBlocked) return false
    const thread = this.#history.present(cpu)
    if (thread !== undefined) this.#accounts.open(cpu, thread)
    const torn = ring.retire()
    this.#accounts.end(thread, ring.extent().given, ring.discarded(), torn)
    return true
  }

  #retireKept(cpu: number, ring: CpuRing): boolean {
    const thread = this.#history.present(cpu)
    this.#meet(cpu)
    try {
      const torn = new CpuRing(ring.buffer, { keeps: true }).retireKept(this.#format)
      ring.torn += torn
      const endSequence = ring.completed()
      const oldest = endSequence - ring.buffer.geometry.subbufCount
      const kept = this.#kept[cpu]
      // Nothing is left of a thread whose sub-buffers are overwritten.
      while (kept.length > 0 && kept[0].endSequence <= oldest) kept.shift()
      kept.push({ thread, endSequence })
      this.#accounts.end(thread, ring.extent().given, ring.discarded(), torn)
      return true
    } catch (error) {
      this.#tell(messageOf(error))
      return false
    }
  }

  /** Ends every stream with its losses, and closes it. Call it after the last delivery. */
  close(): Totals {
    const { noBuffer } = this.#control
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) this.#meet(cpu)
    this.#tellLives()
    const met = this.#streams.filter((stream) => stream !== undefined)
    // Read the losses once: the trace and the summary have to agree, even if late threads still
    // count more.
    const accounts = new Map(met.map((stream) => [stream, stream.account()]))
    const accountFor = (stream: DrainedStream): Account => accounts.get(stream) as Account
    const refused = this.#shared?.refusedByCpu()
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
      this.#accounts.takeBack(stream.cpu, lostNow)
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
        : this.#cpuTotalsOfGlobal(refused ?? new Map(), met[0].events > 0)
    const error = this.#error ?? this.#control.clockFault
    const losses =
      refused === undefined
        ? reportOf(
            met.flatMap((stream) => this.#accounts.rows(stream.cpu ?? 0, accountFor(stream), true)),
            undefined,
            noBuffer,
          )
        : this.#reportOfGlobal(refused, { ...fateOf(accountFor(met[0])), pending: 0 }, noBuffer)
    return {
      ...sumOf(totals),
      cpus,
      noBuffer,
      error,
      remarks: this.#arena.remarks.all(),
      losses,
      ...this.#lives.totals,
    }
  }

  /** The totals of each CPU of a shared ring. */
  #cpuTotalsOfGlobal(refused: ReadonlyMap<number, Discarded>, isThere: boolean): CpuTotals[] {
    const cpus = new Set([...this.#history.cpus, ...refused.keys()])
    return [...cpus]
      .sort((a, b) => a - b)
      .map((cpu) => ({
        cpu,
        threads: this.#history.threads(cpu),
        events: isThere ? this.#history.events(cpu) : 0,
        discarded: refused.get(cpu) ?? NONE,
        bytes: 0,
        packets: 0,
        overwritten: 0,
        torn: 0,
        unwritten: 0,
      }))
      .filter(({ threads, discarded }) => threads.length > 0 || sumOfCauses(discarded) > 0)
  }
}

function fateOf({ overwritten, torn, unwritten }: Account): Omit<RingLosses, 'discarded'> {
  return { overwritten, torn, unwritten }
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
