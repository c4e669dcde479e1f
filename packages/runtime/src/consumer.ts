/**
 * The consumer: drains the buffers of all CPUs, or the one that they share, into files. Runs on a thread of its own,
 * which no user code can block, as steps (`doWork`) that a test can take one by one; only `consumer-thread.ts` sleeps.
 *
 * It owns the reader's words of every buffer, gives back the places of dead threads, and answers threads that lack
 * the arena. It depends on no writer's help: a parked thread and one that is busy for ever are drained all the same.
 */
import { Arena, ARENA, PLACE } from './arena.js'
import { now as clock } from './clock.js'
import { CONTROL, Control } from './control.js'
import { flushAsked, serveFlush } from './flush.js'
import type { OpenFolder } from './folder.js'
import type { PacketFormat, PacketSpan, PacketStream } from './format.js'
import { CpuRing, GlobalRing, type Ring } from './ring.js'
import { StreamFile, type StreamEnd } from './stream-file.js'
import { Roster, sumOf, type CpuTotals, type RingLosses, type Totals } from './totals.js'

/** What the consumer needs of the world, so that a test can give it another. */
export interface World {
  /** Milliseconds on a clock that never goes back. */
  now(): number
  sleep(ms: number): void
  /** Whether the thread of a place is dead, proven. */
  isDead(identity: number, startTicks: number, exited: boolean): boolean
  /** Posts the arena to the threads that asked for it. */
  postArena(): void
  /** Tells of the first error on the way to the files. */
  trouble(message: string): void
}

/** How the consumer works. */
export interface ConsumerOptions {
  readonly folder: OpenFolder
  /** How often records of incomplete sub-buffers are delivered, in milliseconds. */
  readonly flushIntervalMs: number
  /** How old a sampled end must be before it may be read, in milliseconds. */
  readonly graceMs: number
}

/** A ring and where it goes. */
interface Outlet {
  /** Undefined: all write it. */
  readonly cpu: number | undefined
  readonly ring: Ring
  stream: PacketStream | undefined
  file: StreamFile | undefined
  events: number
  packets: number
  unwritten: number
  /** What the stream's last end says of losses. */
  endedLost: number
  /** The last write failed: not tried again before the next flush. */
  blocked: boolean
}

type Account = RingLosses & { readonly lost: number }

/** How often, after a death, to look again before the next flush whether all is cleaned up. */
const HURRIES = 3
/** How often `finish` looks again for records of threads that were just writing when tracing was switched off. */
const FINISH_ROUNDS = 10
/**
 * The same where they share a buffer: a thread that the system doesn't let run while it writes, for as long as a busy
 * machine may take, keeps the records of the others behind its own.
 */
const FINISH_ROUNDS_SHARED = 100

export class Consumer {
  readonly #control: Control
  readonly #arena: Arena
  readonly #format: PacketFormat
  readonly #options: ConsumerOptions
  readonly #world: World
  /** By CPU, made when its thread is first seen online; or the one of all. */
  readonly #outlets: (Outlet | undefined)[]
  /** The one ring of all CPUs, if they share one. */
  readonly #shared: GlobalRing | undefined
  readonly #roster: Roster
  /** Sub-buffers that are delivered of one ring before the next has its turn: what a buffer holds. */
  readonly #fairShare: number
  #nextFlush: number
  #agedAt = Infinity
  /** The request to flush that was met last, and how often more to look until it is served; 0: it is. */
  #flushTicket = 0
  #flushRounds = 0
  /** When to go on cleaning up after the dead, who they are, and how often more not to wait for the next flush. */
  #reapAt = Infinity
  #dead: ReadonlySet<number> = new Set()
  #hurries = 0
  /** When the next look at what dead threads left in a shared buffer may be. */
  #recoverableAt = -Infinity
  #error: string | undefined
  /** The stream that tells of records without a place: always the same, or a reader would add them up. */
  #teller: Outlet | undefined

  constructor(control: Control, arena: Arena, format: PacketFormat, options: ConsumerOptions, world: World) {
    this.#control = control
    this.#arena = arena
    this.#format = format
    this.#options = options
    this.#world = world
    this.#roster = new Roster(arena)
    if (arena.global === undefined) {
      this.#outlets = Array.from({ length: arena.possibleCpus })
      this.#fairShare = arena.channel.buffer(0).geometry.subbufCount
    } else {
      this.#shared = new GlobalRing(arena.global)
      this.#outlets = [outletOf(undefined, this.#shared)]
      this.#fairShare = arena.global.geometry.subbufCount
    }
    this.#nextFlush = world.now() + options.flushIntervalMs
  }

  /**
   * One step: answers who asked, delivers what is complete, and, when it is time, what is not.
   *
   * @returns milliseconds until it is to be called again if nobody rings; 0 when it found work and may find more.
   */
  doWork(): number {
    const { words } = this.#arena
    // Before anything is looked at: what follows is all for this request.
    const ticket = flushAsked(this.#arena)
    let busy = this.#answer()
    if (Atomics.exchange(words, ARENA.wanted >> 2, 0) === 1) this.#reap()
    this.#meet()
    for (const outlet of this.#outlets) {
      if (outlet !== undefined && this.#drain(outlet, this.#fairShare)) busy = true
    }
    const now = this.#world.now()
    if (now >= this.#agedAt) {
      this.#agedAt = Infinity
      this.#deliverAged()
      if (this.#flushRounds > 0) this.#goOnFlushing(now)
    }
    if (now >= this.#reapAt) this.#reap()
    // One request after the other: a new one would begin the grace period of the one before anew.
    const isAsked = this.#flushRounds === 0 && ticket !== this.#flushTicket
    if (now >= this.#nextFlush || isAsked) {
      const wasBlocked = this.#unblock()
      this.#reap()
      if (isAsked) this.#beginFlush(ticket)
      if (this.#sample() || (isAsked && wasBlocked)) this.#agedAt = now + this.#options.graceMs
      else if (isAsked) this.#endFlush()
      this.#nextFlush = now + this.#options.flushIntervalMs
    }
    Atomics.add(words, ARENA.rounds >> 2, 1)
    return busy ? 0 : Math.max(0, Math.min(this.#nextFlush, this.#agedAt, this.#reapAt) - this.#world.now())
  }

  /**
   * After tracing was switched off: delivers everything whose call had returned by then, ends the streams.
   * Waits at least twice the grace period.
   */
  finish(): Totals {
    const { graceMs } = this.#options
    // What was stored before the switch-off has left the store buffers after this.
    this.#world.sleep(graceMs)
    // From here on what does not fit is refused, and counted.
    this.#shared?.finalize()
    const rounds = this.#shared === undefined ? FINISH_ROUNDS : FINISH_ROUNDS_SHARED
    for (let round = 0; round < rounds; round += 1) {
      this.#answer()
      this.#meet()
      let blocked = false
      for (const outlet of this.#outlets) {
        if (outlet === undefined) continue
        outlet.blocked = false
        this.#drain(outlet, Infinity)
        if (outlet.blocked) blocked = true
      }
      // What a dead thread left torn is counted only there. A thread that has just ended may show as living at first.
      const deadLeft = this.#reap()
      if ((!this.#sample() && !deadLeft) || (blocked && round >= FINISH_ROUNDS)) break
      this.#world.sleep(graceMs)
      this.#deliverAged()
    }
    return this.#close()
  }

  /**
   * A request to flush. What was complete before it was drained in this step. The rest goes out with what is sampled
   * next, and with the sub-buffers that are completed until then: no buffer holds more of them than a fair share.
   */
  #beginFlush(ticket: number): void {
    this.#flushTicket = ticket
    this.#flushRounds = this.#shared === undefined ? 1 : FINISH_ROUNDS_SHARED
    this.#shared?.mark()
  }

  /** What was sampled has been delivered. In a shared buffer it may wait for a thread that is just writing. */
  #goOnFlushing(now: number): void {
    this.#flushRounds -= 1
    if (this.#flushRounds > 0 && this.#shared?.hasDeliveredMark() === false) {
      this.#agedAt = now + this.#options.graceMs
    } else this.#endFlush()
  }

  /** What could not be written is tried again. @returns whether there was any. */
  #unblock(): boolean {
    let any = false
    for (const outlet of this.#outlets) {
      if (outlet?.blocked !== true) continue
      outlet.blocked = false
      any = true
    }
    return any
  }

  #endFlush(): void {
    this.#flushRounds = 0
    // The process may not outlive this. If it does, the streams go on in further files.
    const lostOf = (outlet: Outlet): number => sumOfCauses(outlet.ring.discarded()) + lost(outlet)
    const { unplaced } = this.#control
    const streams = this.#streams(lostOf, unplaced).filter(({ blocked }) => !blocked)
    this.#endStreams(streams, lostOf, unplaced)
    serveFlush(this.#arena, this.#flushTicket)
  }

  /** Serves the threads that lack the arena. */
  #answer(): boolean {
    const { words } = this.#control
    const asked = Atomics.load(words, CONTROL.asked >> 2)
    if (asked === Atomics.load(words, CONTROL.answered >> 2)) return false
    this.#world.postArena()
    this.#control.answer(asked, clock())
    return true
  }

  /** Makes a reader for each CPU that is online for the first time, where each has a buffer. */
  #meet(): void {
    if (this.#shared !== undefined) return
    const { words, channel } = this.#arena
    for (let cpu = 0; cpu < this.#outlets.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`, after the first sub-buffer was started.
      if (this.#outlets[cpu] !== undefined) continue
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      this.#outlets[cpu] = outletOf(cpu, new CpuRing(channel.reader(cpu)))
    }
  }

  /**
   * Delivers the complete sub-buffers, at most so many: a writer that is as fast as the disk must not keep the
   * consumer from the other CPUs, and from those who ask.
   *
   * @returns whether there were any.
   */
  #drain(outlet: Outlet, most: number): boolean {
    let found = false
    for (let left = most; left > 0 && !outlet.blocked; left -= 1) {
      const span = outlet.ring.next()
      if (span === undefined || !this.#deliver(outlet, span)) break
      found = true
    }
    return found
  }

  #sample(): boolean {
    let any = false
    for (const outlet of this.#outlets) {
      if (outlet !== undefined && outlet.ring.sample()) any = true
    }
    return any
  }

  #deliverAged(): void {
    for (const outlet of this.#outlets) {
      if (outlet === undefined) continue
      this.#drain(outlet, this.#fairShare)
      const span = outlet.blocked ? undefined : outlet.ring.aged()
      if (span !== undefined) this.#deliver(outlet, span)
    }
  }

  /** Writes one packet. @returns whether it is in the file; if not, it stays in the buffer and is tried again. */
  #deliver(outlet: Outlet, span: PacketSpan): boolean {
    const { words } = this.#arena
    const { cpu, ring } = outlet
    const generation =
      cpu === undefined ? 0 : Atomics.load(words, this.#arena.placeWord(cpu, PLACE.generation))
    try {
      // A process that exits sees that we get on.
      Atomics.add(words, ARENA.rounds >> 2, 1)
      this.#format.prepare()
      const { stream, file } = this.#open(outlet, span.bytes)
      const sealed = stream.seal(span, generation, sumOfCauses(ring.discarded()), lost(outlet))
      if (sealed.records > 0) {
        file.append(sealed, sealed.records)
        stream.written()
        outlet.packets += 1
        outlet.events += sealed.records
        if (cpu !== undefined) this.#roster.wrote(cpu, generation, sealed.records)
        for (const [tag, records] of sealed.writers ?? []) {
          this.#roster.wrote(tag & 0xffff, tag >>> 16, records)
        }
      }
      if (sealed.problem !== undefined) this.#report(`${nameOf(outlet)}: ${sealed.problem}`)
      // What is no record of a complete sub-buffer is gone with it. (A global ring counts it itself, as torn.)
      const unreadable = cpu === undefined ? 0 : Math.max(0, span.records - sealed.records)
      outlet.unwritten += unreadable
      ring.delivered(span, sealed.records + unreadable, sealed.end)
      return true
    } catch (error) {
      this.#fail(outlet, error)
      return false
    }
  }

  #open(outlet: Outlet, subbuf: Uint8Array | undefined): { stream: PacketStream; file: StreamFile } {
    outlet.stream ??= this.#format.stream(outlet.cpu)
    outlet.file ??= new StreamFile(this.#options.folder, nameOf(outlet))
    const { stream, file } = outlet
    if (file.bytes === 0) {
      file.append(stream.head(subbuf), 0)
      stream.written()
    }
    return { stream, file }
  }

  /** Those that have something to tell, if only of losses. */
  #streams(lostOf: (outlet: Outlet) => number, unplaced: number): Outlet[] {
    const met = this.#outlets.filter((outlet) => outlet !== undefined)
    const streams = met.filter((outlet) => outlet.file !== undefined || lostOf(outlet) > 0)
    if (unplaced > 0 && streams.length === 0 && met[0] !== undefined) streams.push(met[0])
    return streams
  }

  /** Ends streams with what was lost on each. Records without a place have none of their own: one tells of them. */
  #endStreams(streams: readonly Outlet[], lostOf: (outlet: Outlet) => number, unplaced: number): void {
    for (const outlet of streams) {
      const isTeller = this.#teller === undefined || this.#teller === outlet
      if (!this.#endStream(outlet, lostOf(outlet) + (isTeller ? unplaced : 0))) continue
      if (unplaced > 0) this.#teller ??= outlet
    }
  }

  /** Ends a stream with what was lost on it. @returns whether it is in the file. */
  #endStream(outlet: Outlet, lostRecords: number): boolean {
    const generation = outlet.cpu === undefined ? 0 : this.#roster.threads(outlet.cpu).at(-1)?.generation
    try {
      if (outlet.file?.isEnded === true && outlet.endedLost === lostRecords) return true
      this.#format.prepare()
      const { stream, file } = this.#open(outlet, undefined)
      file.end(stream.tail(generation ?? 0, lostRecords))
      stream.written()
      outlet.endedLost = lostRecords
      return true
    } catch (error) {
      this.#fail(outlet, error)
      return false
    }
  }

  /** What could not be written is tried again at the next flush. */
  #fail(outlet: Outlet, error: unknown): void {
    outlet.blocked = true
    this.#report(messageOf(error))
  }

  #report(message: string): void {
    if (this.#error !== undefined) return
    this.#error = message
    this.#world.trouble(message)
  }

  /**
   * Looks for threads that have died, and frees their places once nothing of them is left half done.
   *
   * @returns whether that is still to come for some, in a buffer that they shared.
   */
  #reap(): boolean {
    const { words } = this.#arena
    const dead = new Set<number>()
    for (let cpu = 0; cpu < this.#arena.possibleCpus; cpu += 1) {
      const word = (of: number): number => this.#arena.placeWord(cpu, of)
      const owner = Atomics.load(words, word(PLACE.owner))
      if (owner === 0) continue
      const exited = Atomics.load(words, word(PLACE.exited)) === 1
      if (this.#world.isDead(owner, this.#arena.startTicks(cpu), exited)) dead.add(cpu)
    }
    const left = this.#shared !== undefined && this.#recover(this.#shared, dead)
    if (this.#shared === undefined) this.#meet()
    for (const cpu of dead) {
      if (this.#shared === undefined ? !this.#retire(cpu) : this.#shared.holds(cpu)) continue
      this.#free(cpu)
      // The next thread there is another one.
      dead.delete(cpu)
    }
    // Pairs with: Cpu.#claimFreed, which has waited for the look, and then looks what there is to come.
    Atomics.store(words, ARENA.leaving >> 2, dead.size)
    Atomics.add(words, ARENA.looks >> 2, 1)
    Atomics.notify(words, ARENA.looks >> 2)
    return left
  }

  /** Cleans up after dead threads in a buffer that they shared. @returns whether there is more to do. */
  #recover(ring: GlobalRing, dead: ReadonlySet<number>): boolean {
    const now = this.#world.now()
    if (now < this.#recoverableAt) {
      // What is unclear is decided when two looks saw the same of it, so the two must not be too close; threads that
      // need a place have us look each millisecond.
      const mayBeMore = dead.size > 0 || this.#dead.size > 0
      if (mayBeMore) this.#reapAt = Math.min(this.#reapAt, this.#recoverableAt)
      return mayBeMore
    }
    this.#recoverableAt = now + this.#options.graceMs
    if ([...dead].some((cpu) => !this.#dead.has(cpu))) this.#hurries = HURRIES
    this.#dead = dead
    const left = ring.recover(dead)
    // What is unclear is decided when it has not changed since: soon, because others wait behind it.
    this.#reapAt = left && this.#hurries > 0 ? this.#recoverableAt : Infinity
    // A slot is free when the sub-buffer of its hole is given back, so that must not stay open till others fill it.
    if (left && this.#hurries === HURRIES) ring.flush()
    this.#hurries -= 1
    return left
  }

  /** Drains the buffer of a dead thread. @returns whether all of it is delivered. */
  #retire(cpu: number): boolean {
    const outlet = this.#outlets[cpu]
    const isOnline = Atomics.load(this.#arena.words, this.#arena.placeWord(cpu, PLACE.online)) === 1
    if (outlet === undefined || !isOnline) return true
    const ring = outlet.ring as CpuRing
    this.#drain(outlet, Infinity)
    const span = outlet.blocked ? undefined : ring.newest()
    if (span !== undefined) this.#deliver(outlet, span)
    if (outlet.blocked) return false
    ring.retire()
    return true
  }

  /** The thread is dead, so its words are ours until `owner` is 0. */
  #free(cpu: number): void {
    const { words } = this.#arena
    const word = (of: number): number => this.#arena.placeWord(cpu, of)
    this.#roster.leave(cpu)
    Atomics.store(words, word(PLACE.online), 0)
    Atomics.store(words, word(PLACE.exited), 0)
    Atomics.add(words, word(PLACE.generation), 1)
    this.#arena.setStartTicks(cpu, 0)
    // Pairs with: Cpu.#claim, compare-and-exchange from 0.
    Atomics.store(words, word(PLACE.owner), 0)
    Atomics.add(words, ARENA.freed >> 2, 1)
    Atomics.notify(words, ARENA.freed >> 2)
  }

  /** Ends every stream with what was lost on it, and closes the files. */
  #close(): Totals {
    const { unplaced } = this.#control
    const met = this.#outlets.filter((outlet) => outlet !== undefined)
    // Read once: what the trace says and what the summary says have to agree, whatever late threads still count.
    const accounts = new Map(met.map((outlet) => [outlet, accountOf(outlet)]))
    const accountFor = (outlet: Outlet): Account => accounts.get(outlet) as Account
    const lostOf = (outlet: Outlet): number => accountFor(outlet).lost
    const streams = this.#streams(lostOf, unplaced)
    this.#endStreams(streams, lostOf, unplaced)
    // Where a reader finds no trace, there is none, whatever we wrote.
    const unreadable = this.#options.folder.problem() ?? this.#format.problem()
    this.#error ??= unreadable
    for (const outlet of met) {
      const { problem, lostEvents } = outlet.file?.close() ?? NOTHING_LOST
      this.#error ??= problem
      const lostNow = unreadable === undefined ? lostEvents : outlet.events
      const account = accountFor(outlet)
      accounts.set(outlet, { ...account, unwritten: account.unwritten + lostNow })
      outlet.events -= lostNow
    }
    const totals = streams.map((outlet) => ({
      outlet,
      ...withoutSum(accountFor(outlet)),
      events: outlet.events,
      bytes: outlet.file?.bytes ?? 0,
    }))
    const cpus =
      this.#shared === undefined
        ? totals.map(({ outlet: { cpu = 0, packets }, ...rest }) => {
            return { cpu, threads: this.#roster.threads(cpu), packets, ...rest }
          })
        : this.#sharers(this.#shared, met[0].events > 0)
    return { ...sumOf(totals), cpus, unplaced, error: this.#error ?? this.#control.clockFault }
  }

  /** What came of each CPU of those that shared a ring. */
  #sharers(ring: GlobalRing, isThere: boolean): CpuTotals[] {
    const refused = ring.refusedByCpu()
    const cpus = new Set([...this.#roster.cpus, ...refused.keys()])
    return [...cpus]
      .sort((a, b) => a - b)
      .map((cpu) => ({
        cpu,
        threads: this.#roster.threads(cpu),
        events: isThere ? this.#roster.events(cpu) : 0,
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

function outletOf(cpu: number | undefined, ring: Ring): Outlet {
  return {
    cpu,
    ring,
    stream: undefined,
    file: undefined,
    events: 0,
    packets: 0,
    unwritten: 0,
    endedLost: 0,
    blocked: false,
  }
}

const NOTHING_LOST: StreamEnd = { problem: undefined, lostEvents: 0 }

/** The name of the first file of a stream. */
function nameOf({ cpu }: Outlet): string {
  return cpu === undefined ? 'global' : `cpu_${cpu}`
}

/** What a ring lost, at the end. */
function accountOf(outlet: Outlet): Account {
  const { ring } = outlet
  // What a file did not take, and what was still being written when we looked for the last time.
  outlet.unwritten += ring.remaining()
  const discarded = ring.discarded()
  return {
    discarded,
    overwritten: ring.overwritten,
    torn: ring.torn,
    unwritten: outlet.unwritten,
    lost: sumOfCauses(discarded) + lost(outlet),
  }
}

/** Records that were refused. */
function sumOfCauses({ full, tooBig, bad }: RingLosses['discarded']): number {
  return full + tooBig + bad
}

/** Records that were written and are lost. */
function lost({ ring, unwritten }: Outlet): number {
  return ring.overwritten + ring.torn + unwritten
}

function withoutSum({ discarded, overwritten, torn, unwritten }: Account): RingLosses {
  return { discarded, overwritten, torn, unwritten }
}

/** The file system's message says it all; any other error is a fault of ours, and where it came from matters. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'syscall' in error ? error.message : (error.stack ?? error.message)
}

export type { CpuTotals, Losses, ThreadTotals, Totals } from './totals.js'
