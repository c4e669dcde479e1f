/**
 * A trace in Perfetto's format (`.pftrace`). Streams: memory doesn't grow with the trace.
 *
 * A span comes when it has ended, so the packets are not in the order of their times. This relies
 * on two things. Perfetto's processor sorts all packets of a file by their times before it pairs
 * the begins and ends of slices; it sorts in a window only if the file has a trace configuration
 * that asks for it, and ours has none. And packets of the same time stay in the order of the file.
 * So the begin and the end of a span are written when it comes, and two spans share a track only if
 * their packets, sorted so, nest (`nest.ts`). Asynchronous spans have both records, so theirs are
 * in order.
 */
import { AsyncPairs, Extents, LossMarks, surelyRanFrom } from '@rchan/analysis'
import type {
  AsyncItem,
  CounterItem,
  FlowItem,
  GapItem,
  ItemOptions,
  ItemSource,
  LossItem,
  SpanItem,
  ThreadItem,
  TraceItem,
  TraceProcess,
  TraceThread,
} from '@rchan/ctf/reader'
import { PbfWriter } from 'pbf'
import { CalledFunctions } from './called-functions.js'
import { piecesOf, type Conversion } from './conversion.js'
import { flowId } from './flow-id.js'
import { FreeLanes } from './free-lanes.js'
import { Identities } from './identity.js'
import { CLOCK, CLOCK_ID, CLOCK_SNAPSHOT, PACKET, TRACE, writeVarint64 } from './messages.js'
import { Lanes } from './nest.js'
import { Plans } from './plans.js'
import { Sequence } from './sequence.js'
import { seriesOf, type Series } from './series.js'
import { Times } from './times.js'
import { GENERAL_SEQUENCE, Tracks } from './tracks.js'

const CHUNK_BYTES = 65_536
/** Threads that are gone, of which it is still known what they wrote: a cut span may come. */
const MOST_GONE = 256
/** Tracks of one name for spans whose begin is missing. Further ones are shown as a point. */
const MOST_BEGUN_BEFORE = 1024
const MOST_INT64 = 2n ** 63n - 1n

/**
 * Converts a trace to Perfetto's format.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toPerfetto(source: ItemSource, options?: ItemOptions): IterableIterator<Uint8Array> {
  return piecesOf(startPerfetto, source, options)
}

/** Starts a conversion to Perfetto's format. */
export function startPerfetto(source: ItemSource): Conversion<Uint8Array> {
  return new PerfettoConversion(source)
}

/** What is known of a thread. */
interface ThreadState {
  readonly thread: TraceThread
  readonly track: number
  readonly sequence: Sequence
  readonly lanes: Lanes
  /** The tracks of the lanes behind the first one, which is the thread's own track. */
  readonly laneTracks: (number | undefined)[]
  readonly counters: Map<CounterItem['event'], readonly CounterTrack[]>
  lossLanes: Lanes | undefined
  readonly lossTracks: (number | undefined)[]
}

interface CounterTrack {
  readonly series: Series
  readonly track: number
}

/** The tracks of the asynchronous spans of one name. */
interface Family {
  readonly lanes: FreeLanes
  readonly tracks: number[]
}

/** An asynchronous span's place. */
interface AsyncPlace {
  readonly family: Family
  readonly lane: number
}

class PerfettoConversion implements Conversion<Uint8Array> {
  readonly extents = new Extents()
  readonly losses = new LossMarks()
  readonly #pbf = new PbfWriter(new Uint8Array(CHUNK_BYTES * 2))
  readonly #functions = new CalledFunctions((item) => this.#convert(item))
  readonly #source: ItemSource
  readonly #identities = new Identities()
  readonly #plans = new Plans()
  readonly #times = new Times()
  readonly #tracks = new Tracks(this.#pbf)
  readonly #threads = new Map<TraceThread, ThreadState>()
  readonly #gone = new Set<TraceThread>()
  readonly #families = new Map<TraceProcess, Map<string, Family>>()
  readonly #pairs = new AsyncPairs<AsyncPlace>()
  #sequences = GENERAL_SEQUENCE
  #general: Sequence | undefined
  #generalTracks = new Map<number, { readonly lanes: Lanes; readonly tracks: (number | undefined)[] }>()
  #latest: ThreadState | undefined
  readonly #lossPlan = this.#plans.make('lost events', ['rchan:loss'], [{ name: 'events', type: 'u64' }])
  readonly #gapPlan = this.#plans.make('missing packets', ['rchan:loss'], [{ name: 'packets', type: 'u64' }])
  readonly #camePlan = this.#plans.make('thread came', ['rchan:thread'], [{ name: 'runs', type: 'string' }])
  readonly #wentPlan = this.#plans.make('thread went', ['rchan:thread'], [{ name: 'how', type: 'string' }])

  constructor(source: ItemSource) {
    this.#source = source
  }

  push(item: TraceItem): Uint8Array | undefined {
    this.#functions.push(item)
    return this.#takeFull()
  }

  #takeFull(least = CHUNK_BYTES): Uint8Array | undefined {
    const pbf = this.#pbf
    if (pbf.pos < least) return undefined
    const bytes = pbf.buf.slice(0, pbf.pos)
    pbf.pos = 0
    return bytes
  }

  #convert(item: TraceItem): void {
    if (this.extents.from === undefined) this.#writeClocks(item.time)
    this.extents.add(item)
    switch (item.type) {
      case 'event':
        this.#thread(item.thread).sequence.instant(item.at, this.#plans.of(item.event), item.fields)
        return
      case 'span':
        this.#span(item)
        return
      case 'async':
        if (item.phase === 'begin') this.#begin(item)
        else this.#end(item)
        return
      case 'flow':
        this.#flow(item)
        return
      case 'counter':
        this.#counter(item)
        return
      case 'thread':
        this.#life(item)
        return
      default:
        this.#loss(item)
    }
  }

  /** Cuts what is open. */
  *finish(): IterableIterator<Uint8Array> {
    this.#functions.finish(this.extents.to)
    for (const { begin, value } of this.#pairs.open()) {
      this.#cut(begin, value, this.extents.toOf(begin.thread.process))
      const piece = this.#takeFull()
      if (piece !== undefined) yield piece
    }
    const rest = this.#takeFull(1)
    if (rest !== undefined) yield rest
  }

  /** Tells which moment of the wall clock the first item's time is. */
  #writeClocks(time: bigint): void {
    const wall = this.#source.wallClock(time)
    this.#pbf.writeMessage(
      TRACE.packet,
      (_, packet) => {
        packet.writeVarintField(PACKET.sequenceId, GENERAL_SEQUENCE)
        packet.writeMessage(
          PACKET.clockSnapshot,
          (_none, snapshot: PbfWriter) => {
            for (const [id, ns] of [
              [CLOCK_ID.monotonic, time],
              [CLOCK_ID.realtime, wall],
            ] as const) {
              snapshot.writeMessage(
                CLOCK_SNAPSHOT.clocks,
                (_nothing, clock: PbfWriter) => {
                  clock.writeVarintField(CLOCK.clockId, id)
                  writeVarint64(clock, CLOCK.timestamp, ns)
                },
                undefined,
              )
            }
            snapshot.writeVarintField(CLOCK_SNAPSHOT.primaryTraceClock, CLOCK_ID.monotonic)
          },
          undefined,
        )
      },
      undefined,
    )
  }

  #thread(thread: TraceThread): ThreadState {
    if (this.#latest?.thread === thread) return this.#latest
    let state = this.#threads.get(thread)
    if (state === undefined) {
      const track = this.#tracks.thread(this.#identities.thread(thread))
      state = {
        thread,
        track,
        sequence: this.#newSequence(track),
        lanes: new Lanes('as-written'),
        laneTracks: [],
        counters: new Map(),
        lossLanes: undefined,
        lossTracks: [],
      }
      this.#threads.set(thread, state)
    }
    this.#latest = state
    return state
  }

  #newSequence(track: number): Sequence {
    this.#sequences += 1
    return new Sequence(this.#sequences, this.#pbf, this.#plans, track)
  }

  #span({ thread, event, start, end, outcome, fields }: SpanItem): void {
    const state = this.#thread(thread)
    const { sequence } = state
    const lane = state.lanes.place(this.#times.of(start), this.#times.of(end))
    const track =
      lane === 0
        ? 0
        : this.#laneTrack(state.laneTracks, lane, state.track, this.#identities.thread(thread).name)
    const cut = outcome === 'cut' ? 'end' : undefined
    sequence.begin(start, track, this.#plans.of(event), fields, outcome === 'failed', cut)
    sequence.end(end, track)
  }

  /** The track of a lane; a new one for a span that has no lane. */
  #laneTrack(tracks: (number | undefined)[], lane: number, parent: number, name: string): number {
    if (lane < 0) return this.#tracks.add({ parent, name })
    return (tracks[lane] ??= this.#tracks.add({ parent, name: lane === 0 ? name : `${name} ${lane + 1}` }))
  }

  #begin(item: AsyncItem): void {
    const { time, thread, event, name, fields } = item
    const { family, lane } = this.#pairs.begin(
      item,
      () => {
        const of = this.#family(item)
        return { family: of, lane: of.lanes.take(time) }
      },
      (open) => this.#cut(open.begin, open.value, time),
    )
    const track = this.#asyncTrack(family, lane, item)
    this.#thread(thread).sequence.begin(time, track, this.#plans.of(event, name), fields, false, undefined)
  }

  #end(item: AsyncItem): void {
    const { time, thread, event, name, fields, outcome } = item
    const open = this.#pairs.end(item)
    const { sequence } = this.#thread(thread)
    const family = open?.value.family ?? this.#family(item)
    const plan = this.#plans.of(event, name)
    const failed = outcome === 'failed'
    if (open !== undefined) {
      const { lane } = open.value
      sequence.endWith(time, family.tracks[lane], plan, fields, failed, undefined)
      family.lanes.give(lane, time)
      return
    }
    const start = family.lanes.count < MOST_BEGUN_BEFORE ? surelyRanFrom(item, this) : time
    const lane = family.lanes.take(start)
    const track = this.#asyncTrack(family, lane, item)
    sequence.begin(start, track, plan, fields, failed, 'start')
    sequence.end(time, track)
    family.lanes.give(lane, time)
  }

  #cut({ thread }: AsyncItem, { family, lane }: AsyncPlace, time: bigint): void {
    const { sequence } = this.#thread(thread)
    sequence.endWith(time, family.tracks[lane], this.#cutPlan, undefined, false, 'end')
    family.lanes.give(lane, time)
  }

  #family({ thread: { process }, name }: AsyncItem): Family {
    let families = this.#families.get(process)
    if (families === undefined) this.#families.set(process, (families = new Map()))
    let family = families.get(name)
    if (family === undefined) families.set(name, (family = { lanes: new FreeLanes(), tracks: [] }))
    return family
  }

  #asyncTrack({ tracks }: Family, lane: number, { thread, name }: AsyncItem): number {
    // All have the same name: viewers show them together.
    return (tracks[lane] ??= this.#tracks.add({
      parent: this.#tracks.process(this.#identities.process(thread.process)),
      name,
    }))
  }

  #flow({ time, thread, event, fields, phase, id }: FlowItem): void {
    const point = { id: flowId(thread.process, event.name, id), ends: phase === 'end' }
    this.#thread(thread).sequence.instant(time, this.#plans.of(event), fields, point)
  }

  #counter({ time, thread, event, fields }: CounterItem): void {
    const { sequence, track: parent, counters } = this.#thread(thread)
    let tracks = counters.get(event)
    if (tracks === undefined) {
      tracks = seriesOf(event).map((series) => {
        const { name, unit } = series
        return { series, track: this.#tracks.add({ parent, name, counter: { unit } }) }
      })
      counters.set(event, tracks)
    }
    for (const { series, track } of tracks) {
      const value = fields[series.field] as number | bigint | undefined
      if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) continue
      const isDouble = series.isDouble || value > MOST_INT64
      sequence.counter(time, track, { value, isDouble })
    }
  }

  #life({ time, thread, phase, runs, how }: ThreadItem): void {
    const { sequence } = this.#thread(thread)
    if (phase === 'came') {
      sequence.instant(time, this.#camePlan, { runs })
      return
    }
    sequence.instant(time, this.#wentPlan, { how })
    this.#gone.delete(thread)
    this.#gone.add(thread)
    if (this.#gone.size <= MOST_GONE) return
    const [oldest] = this.#gone
    this.#gone.delete(oldest)
    this.#threads.delete(oldest)
    if (this.#latest?.thread === oldest) this.#latest = undefined
  }

  #loss(item: LossItem | GapItem): void {
    this.losses.add(item)
    const { from, to, cpu } = item
    const isLoss = item.type === 'loss'
    const plan = isLoss ? this.#lossPlan : this.#gapPlan
    const fields = isLoss ? { events: item.events } : { packets: item.packets }
    const thread = isLoss ? item.thread : undefined
    let sequence: Sequence
    let track: number
    if (thread !== undefined) {
      const state = this.#thread(thread)
      ;({ sequence } = state)
      state.lossLanes ??= new Lanes('as-written')
      const lane = state.lossLanes.place(this.#times.of(from), this.#times.of(to))
      track = this.#laneTrack(state.lossTracks, lane, state.track, 'lost events')
      sequence.lost()
    } else {
      let general = this.#generalTracks.get(cpu)
      if (general === undefined) {
        this.#generalTracks.set(cpu, (general = { lanes: new Lanes('as-written'), tracks: [] }))
      }
      const lane = general.lanes.place(this.#times.of(from), this.#times.of(to))
      // It belongs to no process, so it has no parent.
      track = general.tracks[Math.max(lane, 0)] ??= this.#tracks.add({ name: `losses of CPU ${cpu}` })
      // Which threads lost records is not known, so all of that CPU begin anew.
      for (const state of this.#threads.values()) if (state.thread.cpu === cpu) state.sequence.lost()
      sequence = this.#general ??= this.#newSequence(track)
    }
    sequence.begin(from, track, plan, fields, false, undefined)
    sequence.end(to, track)
  }

  /** For the end of an asynchronous span that has none: it names only the cut. */
  readonly #cutPlan = this.#plans.make('cut', [], [])
}
