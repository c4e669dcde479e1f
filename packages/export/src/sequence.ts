/**
 * The packets of one thread: a sequence of Perfetto's, which has its own interned texts and its own
 * default track.
 *
 * A reader that knows of a loss forgets what the sequence interned. So after a loss the next packet
 * says so, clears that state and sets it up again, and texts are interned anew when they are used.
 */
import type { DecodedValue } from '@rchan/ctf/reader'
import type { PbfWriter } from 'pbf'
import { writeText } from './annotations.js'
import {
  bytesOf,
  CLOCK_ID,
  closeMessage,
  DEFAULTS,
  INTERNED,
  INTERNED_ENTRY,
  PACKET,
  putVarint,
  putVarint64,
  SEQUENCE,
  TAG,
  TRACE,
  TRACK_EVENT,
  TYPE,
  writeFixed64,
  writeKnown,
  writeVarint64,
} from './messages.js'
import type { Plan, Plans } from './plans.js'

/** A point of a flow. */
export interface FlowPoint {
  readonly id: bigint
  readonly ends: boolean
}

/** The value of a counter. */
export interface CounterValue {
  readonly value: number | bigint
  readonly isDouble: boolean
}

/** Bytes of a packet without its fields and what it interns. */
const MOST_BYTES = 128

type Fields = Readonly<Record<string, DecodedValue>>

/** Texts that were not interned before. */
interface Fresh {
  readonly categories: number[]
  readonly names: number[]
  readonly annotations: number[]
}

/** Writes the packets of one sequence. */
export class Sequence {
  readonly #id: number
  readonly #pbf: PbfWriter
  readonly #plans: Plans
  readonly #track: number
  /** What all packets of the sequence have. */
  readonly #headBytes: Uint8Array
  /** The same, and the end of a slice on the thread's track. */
  readonly #endBytes: Uint8Array
  /**
   * By the number of a plan whose texts are interned: what is between the time and the fields of a
   * begin or an instant on the thread's track.
   */
  readonly #begins: (Uint8Array | undefined)[] = []
  readonly #instants: (Uint8Array | undefined)[] = []
  readonly #categories = new Set<number>()
  readonly #names = new Set<number>()
  readonly #annotations = new Set<number>()
  // The event that is being written. These are members, so that no object is made for each event.
  #fresh: Fresh | undefined
  #failed = false
  #cut: 'start' | 'end' | undefined
  #flow: FlowPoint | undefined
  #counter: CounterValue | undefined

  /** @param track the default one. */
  constructor(id: number, pbf: PbfWriter, plans: Plans, track: number) {
    this.#id = id
    this.#pbf = pbf
    this.#plans = plans
    this.#track = track
    this.#headBytes = bytesOf((head) => {
      head.writeVarintField(PACKET.sequenceId, id)
      head.writeVarintField(PACKET.sequenceFlags, SEQUENCE.needed)
    })
    this.#endBytes = bytesOf((end) => {
      writeKnown(end, this.#headBytes)
      end.writeMessage(PACKET.trackEvent, writeType, TYPE.end)
    })
    this.#begin(false)
  }

  /** Records were lost here. */
  lost(): void {
    this.#begins.length = this.#instants.length = 0
    for (const set of [this.#categories, this.#names, this.#annotations]) set.clear()
    this.#begin(true)
  }

  /**
   * Writes the begin of a slice.
   *
   * @param track 0 for that of the thread.
   */
  begin(
    time: bigint,
    track: number,
    plan: Plan,
    fields: Fields,
    failed: boolean,
    cut: 'start' | 'end' | undefined,
  ): void {
    const middle = this.#begins[plan.number]
    if (middle !== undefined && track === 0 && !failed && cut === undefined) {
      this.#writeUsual(time, middle, plan, fields)
      return
    }
    this.#failed = failed
    this.#cut = cut
    this.#write(TYPE.begin, time, track, plan, fields)
    this.#failed = false
    this.#cut = undefined
  }

  /** Writes the end of a slice about which nothing more is to be said. */
  end(time: bigint, track: number): void {
    if (track !== 0) {
      this.#write(TYPE.end, time, track, undefined, undefined)
      return
    }
    const pbf = this.#pbf
    const packetAt = this.#open(time)
    writeKnown(pbf, this.#endBytes)
    // It is short.
    pbf.buf[packetAt] = pbf.pos - packetAt - 1
  }

  /** Writes the end of a slice that says more of it. */
  endWith(
    time: bigint,
    track: number,
    plan: Plan,
    fields: Fields | undefined,
    failed: boolean,
    cut: 'end' | undefined,
  ): void {
    this.#failed = failed
    this.#cut = cut
    this.#write(TYPE.end, time, track, plan, fields)
    this.#failed = false
    this.#cut = undefined
  }

  /** Writes an instant of the thread; maybe as a point of a flow. */
  instant(time: bigint, plan: Plan, fields: Fields, flow?: FlowPoint): void {
    const middle = this.#instants[plan.number]
    if (middle !== undefined && flow === undefined) {
      this.#writeUsual(time, middle, plan, fields)
      return
    }
    this.#flow = flow
    this.#write(TYPE.instant, time, 0, plan, fields)
    this.#flow = undefined
  }

  /** Writes a value of a counter. */
  counter(time: bigint, track: number, counter: CounterValue): void {
    this.#counter = counter
    this.#write(TYPE.counter, time, track, undefined, undefined)
    this.#counter = undefined
  }

  /** Begins a packet. @returns where its length is. */
  #open(time: bigint): number {
    const pbf = this.#pbf
    // Without pbf's functions for messages: they take a function for each, and cost half of the
    // time.
    if (pbf.pos + MOST_BYTES > pbf.length) pbf.realloc(MOST_BYTES)
    const { buf } = pbf
    const packetAt = pbf.pos + 1
    buf[pbf.pos] = TAG.packet
    buf[packetAt + 1] = TAG.timestamp
    pbf.pos = putVarint64(buf, packetAt + 2, time)
    return packetAt
  }

  /** Writes a packet as most are. @param middle see {@link #begins}. */
  #writeUsual(time: bigint, middle: Uint8Array, plan: Plan, fields: Fields): void {
    const pbf = this.#pbf
    const packetAt = this.#open(time)
    const eventAt = pbf.pos + this.#headBytes.length + 1
    writeKnown(pbf, middle)
    plan.writeFields(pbf, fields)
    closeMessage(pbf, eventAt)
    closeMessage(pbf, packetAt)
  }

  #write(
    type: number,
    time: bigint,
    track: number,
    plan: Plan | undefined,
    fields: Fields | undefined,
  ): void {
    const pbf = this.#pbf
    const isNew = plan !== undefined && this.#begins[plan.number] === undefined
    const fresh = isNew ? this.#intern(plan) : undefined
    const packetAt = this.#open(time)
    if (fresh !== undefined) {
      this.#fresh = fresh
      pbf.writeMessage(PACKET.internedData, writeFresh, this)
      pbf.realloc(MOST_BYTES)
    }
    writeKnown(pbf, this.#headBytes)
    const eventAt = pbf.pos + 1
    pbf.buf[pbf.pos] = TAG.trackEvent
    pbf.pos = eventAt + 1
    this.#writeEvent(type, track, plan, fields)
    closeMessage(pbf, eventAt)
    closeMessage(pbf, packetAt)
  }

  #writeEvent(type: number, track: number, plan: Plan | undefined, fields: Fields | undefined): void {
    const pbf = this.#pbf
    const flow = this.#flow
    const counter = this.#counter
    const { buf } = pbf
    let at = pbf.pos
    if (plan === undefined || type === TYPE.end) {
      buf[at++] = TAG.type
      buf[at++] = type
    }
    if (track !== 0) {
      buf[at++] = TAG.trackUuid
      at = putVarint(buf, at, track)
    }
    pbf.pos = at
    if (plan !== undefined) {
      const failed = this.#failed
      const cut = this.#cut
      // The end of a slice with a name or a category would end only a slice that has the same.
      if (type !== TYPE.end) {
        writeKnown(pbf, type === TYPE.begin ? plan.beginBytes : plan.instantBytes)
        if (failed) pbf.writeVarintField(TRACK_EVENT.categoryIids, this.#plans.failed)
        if (cut !== undefined) pbf.writeVarintField(TRACK_EVENT.categoryIids, this.#plans.cut)
      }
      if (failed) writeText(pbf, this.#plans.outcomeIid, 'failed')
      if (cut !== undefined) writeText(pbf, this.#plans.cutIid, cut)
      if (fields !== undefined) plan.writeFields(pbf, fields)
    }
    if (flow !== undefined) {
      writeFixed64(pbf, flow.ends ? TRACK_EVENT.terminatingFlowIds : TRACK_EVENT.flowIds, flow.id)
    }
    if (counter === undefined) return
    const { value, isDouble } = counter
    if (isDouble) pbf.writeDoubleField(TRACK_EVENT.doubleCounterValue, Number(value))
    else writeVarint64(pbf, TRACK_EVENT.counterValue, BigInt(value))
  }

  #begin(afterLoss: boolean): void {
    const id = this.#id
    const track = this.#track
    this.#pbf.writeMessage(
      TRACE.packet,
      (_, pbf) => {
        pbf.writeVarintField(PACKET.sequenceId, id)
        pbf.writeVarintField(PACKET.sequenceFlags, SEQUENCE.cleared)
        if (afterLoss) pbf.writeVarintField(PACKET.previousPacketDropped, 1)
        pbf.writeMessage(PACKET.defaults, writeDefaults, track)
      },
      undefined,
    )
  }

  #intern(plan: Plan): Fresh {
    this.#begins[plan.number] = this.#middleOf(plan.beginBytes)
    this.#instants[plan.number] = this.#middleOf(plan.instantBytes)
    const { failed, cut, cutIid, outcomeIid } = this.#plans
    return {
      categories: notYet(this.#categories, [failed, cut, ...plan.categoryIids]),
      names: notYet(this.#names, [plan.nameIid]),
      annotations: notYet(this.#annotations, [cutIid, outcomeIid, ...plan.annotationIids]),
    }
  }

  #middleOf(known: Uint8Array): Uint8Array {
    // The length of the event is put there later.
    return Uint8Array.from([...this.#headBytes, TAG.trackEvent, 0, ...known])
  }

  /** @internal For {@link writeFresh}. */
  writeFresh(pbf: PbfWriter): void {
    const { categories, names, annotations } = this.#fresh as Fresh
    const plans = this.#plans
    writeEntries(pbf, INTERNED.categories, categories, plans.categories.texts)
    writeEntries(pbf, INTERNED.names, names, plans.names.texts)
    writeEntries(pbf, INTERNED.annotationNames, annotations, plans.annotations.texts)
  }
}

function writeType(type: number, pbf: PbfWriter): void {
  pbf.writeVarintField(TRACK_EVENT.type, type)
}

function writeFresh(sequence: Sequence, pbf: PbfWriter): void {
  sequence.writeFresh(pbf)
}

function writeDefaults(track: number, pbf: PbfWriter): void {
  pbf.writeVarintField(DEFAULTS.timestampClockId, CLOCK_ID.monotonic)
  pbf.writeMessage(
    DEFAULTS.trackEvent,
    (uuid: number, inner: PbfWriter) => inner.writeVarintField(TRACK_EVENT.trackUuid, uuid),
    track,
  )
}

function writeEntries(
  pbf: PbfWriter,
  field: number,
  iids: readonly number[],
  texts: readonly string[],
): void {
  for (const iid of iids) {
    pbf.writeMessage(
      field,
      (text: string, inner: PbfWriter) => {
        inner.writeVarintField(INTERNED_ENTRY.iid, iid)
        inner.writeStringField(INTERNED_ENTRY.name, text)
      },
      texts[iid],
    )
  }
}

/** Adds numbers to a set, and returns those that were not there. */
function notYet(set: Set<number>, iids: readonly number[]): number[] {
  return iids.filter((iid) => {
    if (set.has(iid)) return false
    set.add(iid)
    return true
  })
}
