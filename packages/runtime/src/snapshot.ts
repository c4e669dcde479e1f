/**
 * Writes a snapshot: everything that the rings of a recording hold at one moment, as a trace of its
 * own. Runs on the consumer thread, in one go. The threads that trace go on meanwhile, and notice
 * nothing: the readers keep (ring's `ReaderOptions`), so no word of a ring changes.
 *
 * A snapshot is a *consistent cut* by time. The order of the steps is what makes it one:
 *
 * ```text
 *   consumer                                              a thread
 *   1. notes what each ring holds; cut := clock()         comes online
 *   2. looks which threads are online                     clock, stores of the record, `end` (plain)
 *   3. copies and writes the complete sub-buffers         later a switch: Atomics.store(produced)
 *   4. waits a grace period, and looks as in 2
 *   5. samples the `end` of each open sub-buffer
 *   6. waits a grace period
 *   7. copies and writes the rest
 * ```
 *
 * In 3 and 7, only records with time <= cut count.
 *
 * - **What it holds is whole.** A complete sub-buffer was published by `produced`. A part of an
 *   open one is read up to an `end` that has aged for a grace period (6). A copy counts only if the
 *   sub-buffer was not started again meanwhile.
 * - **Each stream is a prefix** of what its ring holds, as far as it was not overwritten: times
 *   never go back in a ring, so from the first record that is later than the cut, all are. One
 *   clock serves all cores, and each thread's was checked against ours (clock.ts).
 * - **Who is seen is there.** Let a record r be in the snapshot, and its thread have learnt of a
 *   record s before it wrote r, by Atomics or any other way that orders memory. Then s was stored
 *   before r's clock was read: time(s) <= time(r) <= cut, and the stores of s, `end` included, were
 *   visible to r's thread before the cut. Processors of Node (x86, arm64) make a store visible to
 *   all other threads at once, and if not, a grace period has passed before the sample (5). So s is
 *   below the sampled end, or in a complete sub-buffer, and its time says that it is taken.
 * - **A thread that is suspended** between its clock and its `end` has not returned from the call,
 *   so nobody can have seen that record. It may come into the snapshot or not; both are consistent,
 *   and within its own stream it stands behind all earlier ones. In a shared ring it holds up what
 *   stands behind it. We look again for a second; then the stream ends before it. That is a prefix
 *   in the order of time, too, so still consistent with itself, and it is said (`problems`).
 * - **A dead thread** stores nothing any more. Its ring is read like any other: what it stored last
 *   has aged, and half a record is not below its `end`. In a shared ring the reaper closes its
 *   claim while we look again.
 * - **What was overwritten** before we came is not in the snapshot. Each thread's part says from
 *   when on it has all events; what is overwritten after we began is counted as lost. If we were
 *   suspended for so long that all that a ring held at the cut (1) is gone, that is counted, too. So
 *   a record s that was seen by r is missing only if it is older than its thread's part, or `lost`
 *   says so.
 */
import { tagParts, threadTag, type Arena } from './arena.js'
import type { ThreadLives } from './thread-lives.js'
import { now } from './clock.js'
import { CpuRing, GlobalRing, type Ring } from './drain.js'
import { DrainedStream } from './drained-stream.js'
import type { PacketFormat, PacketSpan, SnapshotEvent, ThreadTotals } from './packet-format.js'
import type { Sink } from './sink.js'
import type { SnapshotThread } from './snapshot-totals.js'
import type { Tenure, Tenures } from './tenures.js'

/** How often a ring that a thread holds up in the middle of a record is looked at again. */
const ROUNDS = 100
/** The name of the stream with the snapshot's own event. */
const EVENT_STREAM = 'snapshot'

/** What a snapshot is taken of. Its functions are called on the consumer thread. */
export interface SnapshotSource {
  readonly arena: Arena
  readonly graceMs: number
  /** A time before any record, on the clock of the trace. */
  readonly startedAt: bigint
  /** Which thread wrote what. */
  readonly tenures: Tenures
  /** When threads came and went, and which spans they cut off. */
  readonly lives: ThreadLives
  /** Called between packets: serves threads that wait for the consumer. */
  pause(): void
  /** Looks for dead threads of a shared ring, and cleans up after them. */
  recover(): void
  /** Blocks. */
  sleep(ms: number): void
}

/** What a snapshot holds. */
export interface SnapshotContent {
  /** The moment that it shows, on the clock of the trace. */
  readonly cut: bigint
  readonly threads: readonly SnapshotThread[]
  readonly events: number
  readonly bytes: number
  /**
   * Events of its time that are missing, at most: overwritten while it was taken, or unreadable.
   * (Those that were refused when they were traced are told in the trace.)
   */
  readonly lost: number
  /** Sentences about what is not in it and why, apart from what was overwritten before. */
  readonly problems: readonly string[]
}

/** A thread's part, while it is written. */
interface Part {
  readonly cpu: number
  readonly thread: ThreadTotals
  events: number
  bytes: number
  /** The time from which on all is there; undefined after a gap, until its next packet. */
  from: bigint | undefined
  hasLostOlder: boolean
}

/**
 * Takes a snapshot into a sink, and closes its streams.
 *
 * @param event why, apart from its time, which is at most that of the cut.
 * @throws the error of the sink or the format; then the sink's content is no snapshot.
 */
export function writeSnapshot(
  source: SnapshotSource,
  makeFormat: () => PacketFormat,
  sink: Sink,
  event: SnapshotEvent,
): SnapshotContent {
  const shared = source.arena.global
  const writer =
    shared === undefined
      ? new CpuSnapshot(source, sink)
      : new SharedSnapshot(source, sink, new GlobalRing(shared, { keeps: true }))
  return writer.write(makeFormat, event)
}

/** What both kinds of snapshots do. */
abstract class SnapshotWriter<R extends Ring> {
  protected readonly source: SnapshotSource
  protected readonly sink: Sink
  readonly #parts = new Map<ThreadTotals, Part>()
  protected cut = 0n
  readonly #problems = new Set<string>()
  /** Streams that have reached the cut, or can't be read on. */
  readonly #ended = new Set<DrainedStream<R>>()
  /** What each ring held just before the cut. */
  readonly #held = new Map<DrainedStream<R>, number>()
  /** The thread of each stream's last span. */
  readonly #lastThreads = new Map<DrainedStream<R>, ThreadTotals | undefined>()

  constructor(source: SnapshotSource, sink: Sink) {
    this.source = source
    this.sink = sink
  }

  /** Opens the streams of rings that are not among those that are open. */
  protected abstract open(format: PacketFormat, streams: DrainedStream<R>[]): void
  /** The records that a ring holds now. */
  protected abstract held(stream: DrainedStream<R>): number
  /** Writes what was not complete, a grace period after the cut. */
  protected abstract writeRest(streams: readonly DrainedStream<R>[]): void
  protected abstract threadOf(stream: DrainedStream<R>, span: PacketSpan): ThreadTotals | undefined
  /** All threads of the trace so far. The list is always the same object, and only grows. */
  protected abstract get threads(): readonly ThreadTotals[]
  protected abstract credit(
    stream: DrainedStream<R>,
    span: PacketSpan,
    sealed: ReturnType<DrainedStream['write']>,
  ): void

  write(makeFormat: () => PacketFormat, event: SnapshotEvent): SnapshotContent {
    const { sink } = this
    // The format takes its time, so it comes before the cut.
    const format = makeFormat()
    this.source.tenures.readNames()
    const streams: DrainedStream<R>[] = []
    this.#findNew(format, streams)
    for (const stream of streams) this.#held.set(stream, this.reading(stream, () => this.held(stream)) ?? 0)
    this.cut = now()
    // Spans that are open at the cut: their ends are not in the snapshot, even if they come soon.
    const facts = this.source.lives.facts(this.cut)
    this.#findNew(format, streams)
    this.#writeCompleted(streams)
    this.source.sleep(this.source.graceMs)
    this.#findNew(format, streams)
    this.writeRest(streams)
    for (const stream of streams) this.#end(stream)
    format.tell(facts)
    this.#writeEvent(format, event)
    for (const stream of streams) checkEnd(stream.close())
    const unreadable = sink.problem()
    if (unreadable !== undefined) throw new Error(unreadable)
    return this.#content(streams)
  }

  /** Finds the threads that have come online. */
  #findNew(format: PacketFormat, streams: DrainedStream<R>[]): void {
    this.source.tenures.findNew()
    this.open(format, streams)
  }

  /** Writes the next span of a stream. @returns whether there was one, and more may follow. */
  protected deliver(stream: DrainedStream<R>, take: () => PacketSpan | undefined): boolean {
    if (this.#ended.has(stream)) return false
    const { overwritten } = stream.ring
    const span = this.reading(stream, take)
    if (stream.ring.overwritten > overwritten) this.#breakParts(stream)
    if (span === undefined) return false
    this.source.pause()
    if (!stream.hasBegun) stream.isLate = span.sequence > 0
    const thread = this.threadOf(stream, span)
    this.#lastThreads.set(stream, thread)
    const sealed = stream.write({ ...span, until: this.cut }, thread, this.threads)
    if (sealed.records > 0) this.credit(stream, span, sealed)
    if (sealed.isCut === true) {
      this.#ended.add(stream)
      // The oldest record that is left is later than the cut: all that the ring held then is gone.
      const gone = stream.events === 0 ? (this.#held.get(stream) ?? 0) : 0
      if (gone > 0 && stream.isLate) {
        stream.beginWithNothing(thread)
        stream.unwritten += gone
      }
      return false
    }
    const unreadable = span.complete ? Math.max(0, span.records - sealed.records) : 0
    if (unreadable > 0) this.tell(`${stream.name}: ${sealed.problem ?? 'events are unreadable'}`)
    stream.unwritten += stream.cpu === undefined ? 0 : unreadable
    stream.ring.delivered(span, sealed.records + (stream.cpu === undefined ? 0 : unreadable), sealed.end)
    return true
  }

  /** Whether a stream has reached the cut. */
  protected hasEnded(stream: DrainedStream<R>): boolean {
    return this.#ended.has(stream)
  }

  /** Reads a ring. Damaged memory of one ring must not cost the others. */
  protected reading<T>(stream: DrainedStream<R>, read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      this.#ended.add(stream)
      this.tell(`${stream.name}: ${(error as Error).message}`)
      return undefined
    }
  }

  protected tell(problem: string): void {
    this.#problems.add(problem)
  }

  /** The part of a thread; made with its first packet. */
  protected part({ cpu, thread }: Tenure, from: bigint, hasLostOlder: boolean): Part {
    let part = this.#parts.get(thread)
    if (part === undefined) {
      part = { cpu, thread, events: 0, bytes: 0, from, hasLostOlder }
      this.#parts.set(thread, part)
    }
    part.from ??= from
    return part
  }

  /** The owner was faster than we: what we have of this ring so far ends with a gap. */
  #breakParts({ cpu }: DrainedStream<R>): void {
    for (const part of this.#parts.values()) {
      if (cpu !== undefined && part.cpu !== cpu) continue
      part.from = undefined
      part.hasLostOlder = true
    }
  }

  /**
   * One sub-buffer of each ring in turn: all writers come closer to the oldest data meanwhile, and
   * so we are ahead of each of them if we are faster than all together.
   */
  #writeCompleted(streams: readonly DrainedStream<R>[]): void {
    const before = streams.map((stream) => this.reading(stream, () => stream.ring.completed()) ?? 0)
    for (let isMore = true; isMore;) {
      isMore = false
      streams.forEach((stream, index) => {
        if (this.deliver(stream, () => stream.ring.next(before[index]))) isMore = true
      })
    }
  }

  #end(stream: DrainedStream<R>): void {
    if (!stream.hasBegun) return
    stream.end(this.#lastThreads.get(stream), stream.refused + stream.lost, this.threads)
  }

  #writeEvent(format: PacketFormat, event: SnapshotEvent): void {
    const at = event.at > this.cut ? this.cut : event.at
    const { packets, span, writer } = format.snapshotStream({ ...event, at })
    // Also the threads of which there is nothing but that they were there.
    const others = this.source.tenures.all().map(({ thread }) => thread)
    format.prepare([...this.threads, ...others, writer])
    const out = this.sink.stream(EVENT_STREAM)
    const sealed = packets.seal(span, writer, 0, 0)
    out.append(sealed, sealed.records)
    packets.written()
    out.end(packets.tail(writer, 0))
    checkEnd(out.close())
  }

  #content(streams: readonly DrainedStream<R>[]): SnapshotContent {
    const sum = (of: (stream: DrainedStream<R>) => number): number =>
      streams.reduce((total, stream) => total + of(stream), 0)
    const threads = [...this.#parts.values()].map(
      ({ cpu, thread, events, bytes, from, hasLostOlder }): SnapshotThread => {
        return {
          cpu,
          ...thread,
          events,
          bytes,
          reachMs: Number(this.cut - (from ?? this.cut)) / 1e6,
          hasLostOlder,
        }
      },
    )
    return {
      cut: this.cut,
      threads: threads.sort((a, b) => a.cpu - b.cpu || a.generation - b.generation),
      events: sum(({ events }) => events),
      bytes: sum(({ bytes }) => bytes),
      lost: sum(({ lost }) => lost),
      problems: [...this.#problems],
    }
  }
}

/** A snapshot of rings of which each has one writer. */
class CpuSnapshot extends SnapshotWriter<CpuRing> {
  readonly #threads: ThreadTotals[] = []

  protected get threads(): readonly ThreadTotals[] {
    return this.#threads
  }

  protected open(format: PacketFormat, streams: DrainedStream<CpuRing>[]): void {
    const { arena, tenures } = this.source
    for (let cpu = 0; cpu < arena.possibleCpus; cpu += 1) {
      if (!tenures.has(cpu) || streams.some((stream) => stream.cpu === cpu)) continue
      const ring = new CpuRing(arena.channel.buffer(cpu), { keeps: true })
      streams.push(new DrainedStream(cpu, ring, format, this.sink))
    }
  }

  protected held({ ring }: DrainedStream<CpuRing>): number {
    const { given, oldest } = ring.extent()
    return Math.max(0, given - Math.max(0, oldest))
  }

  protected writeRest(streams: readonly DrainedStream<CpuRing>[]): void {
    for (const stream of streams) this.reading(stream, () => stream.ring.sample())
    this.source.sleep(this.source.graceMs)
    for (const stream of streams) {
      while (this.deliver(stream, () => stream.ring.next()));
      this.deliver(stream, () => stream.ring.aged())
    }
  }

  protected threadOf(
    { cpu = 0 }: DrainedStream<CpuRing>,
    { sequence }: PacketSpan,
  ): ThreadTotals | undefined {
    const writer = this.source.tenures.at(cpu, sequence)?.thread
    if (writer !== undefined && !this.#threads.includes(writer)) this.#threads.push(writer)
    return writer
  }

  protected credit(
    { cpu = 0 }: DrainedStream<CpuRing>,
    span: PacketSpan,
    { records, bytes, beginTime = 0n }: ReturnType<DrainedStream['write']>,
  ): void {
    const tenure = this.source.tenures.at(cpu, span.sequence)
    if (tenure === undefined) return
    const part = this.part(tenure, beginTime, span.sequence > tenure.firstSequence)
    part.events += records
    part.bytes += bytes
  }
}

/** A snapshot of the one ring that all threads write. */
class SharedSnapshot extends SnapshotWriter<GlobalRing> {
  readonly #ring: GlobalRing
  readonly #threads: ThreadTotals[] = []
  /** Of the one ring: what it reaches back to, it does for all threads. */
  #from: bigint | undefined
  #isLate = false
  #overwritten = 0

  constructor(source: SnapshotSource, sink: Sink, ring: GlobalRing) {
    super(source, sink)
    this.#ring = ring
  }

  protected get threads(): readonly ThreadTotals[] {
    return this.#threads
  }

  protected open(format: PacketFormat, streams: DrainedStream<GlobalRing>[]): void {
    for (const { thread } of this.source.tenures.all()) {
      if (!this.#threads.includes(thread)) this.#threads.push(thread)
    }
    if (streams.length > 0) return
    const stream = new DrainedStream(undefined, this.#ring, format, this.sink)
    streams.push(stream)
    // What a thread had seen at the cut was reserved by then.
    this.reading(stream, () => this.#ring.mark())
  }

  /** All threads write one ring. Where it ends says nothing of one of them. */
  protected held(): number {
    return 0
  }

  protected writeRest([stream]: readonly DrainedStream<GlobalRing>[]): void {
    for (let round = 0; ; round += 1) {
      while (this.deliver(stream, () => this.#ring.next()));
      this.deliver(stream, () => this.#ring.aged())
      if (this.hasEnded(stream) || this.#hasDelivered(stream)) return
      if (round === ROUNDS) break
      this.source.pause()
      this.source.recover()
      this.source.sleep(this.source.graceMs)
    }
    this.tell('a thread was stopped in the middle of an event: the events behind it are not in the snapshot')
  }

  #hasDelivered(stream: DrainedStream<GlobalRing>): boolean {
    return this.reading(stream, () => this.#ring.hasDeliveredMark()) ?? true
  }

  protected threadOf(): undefined {
    return undefined
  }

  protected credit(
    _stream: DrainedStream<GlobalRing>,
    span: PacketSpan,
    { writers, beginTime = 0n }: ReturnType<DrainedStream['write']>,
  ): void {
    if (this.#from === undefined || this.#ring.overwritten > this.#overwritten) {
      this.#from = beginTime
      this.#isLate = span.sequence > 0
      this.#overwritten = this.#ring.overwritten
    }
    for (const [tag, records] of writers ?? []) {
      const { cpu, thread } = tagParts(tag)
      const writer = this.source.tenures.of(cpu).findLast(({ thread: { threadId } }) => {
        return tagParts(threadTag(0, threadId)).thread === thread
      })
      // Else the tag comes from damaged memory.
      if (writer !== undefined) this.part(writer, this.#from, this.#isLate).events += records
    }
  }
}

function checkEnd({ problem }: { readonly problem: string | undefined }): void {
  if (problem !== undefined) throw new Error(problem)
}
