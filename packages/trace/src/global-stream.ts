/**
 * The packets of a global buffer's stream, which all CPUs write. Runs on the consumer thread. It
 * makes the whole header of each packet, because these sub-buffers have none. A header would be one
 * more claim that a dying thread leaves open, and the consumer knows its content already, or reads
 * it off the records.
 *
 * Every span is walked from record to record: for the packet's times, for the number of records of
 * each thread, and to find the holes that dead threads left. The bytes of a hole stay out of the
 * packet; the pieces around it are written by one `writev`. (If an event filled the hole, every
 * reader would show and count an event that no thread traced.) Holes and records are multiples of 8
 * bytes, so the records behind a hole are still aligned.
 */
import {
  align,
  EVENT_CPU_OFFSET,
  EVENT_ID_OFFSET,
  PACKET_HEADER_BYTES,
  RECORD_ALIGN_BYTES,
  recordEnd,
} from '@rchan/ctf'
import { now, type Packet, type PacketSpan, type PacketStream, type SealedPacket } from '@rchan/runtime'
import { PacketMaker } from './packet-header.js'
import { later, u32View, type Layouts } from './packet-span.js'

/** The result of a walk. */
interface Walk {
  records: number
  /** The end of the last record and its gap, in bytes of the sub-buffer. */
  end: number
  firstTime: bigint
  lastTime: bigint
  /** Bytes of the packet's content so far. */
  contentBytes: number
  readonly pieces: Uint8Array[]
  readonly writers: Map<number, number>
  problem: string | undefined
  isCut: boolean
}

/** Makes the packets of the one stream. */
export class GlobalStream implements PacketStream {
  /** A time before any record. */
  readonly #start: bigint
  readonly #layouts: Layouts
  readonly #packets: PacketMaker

  /**
   * @param isLate see runtime's `PacketFormat`.
   * @param instance the number of the stream, which no other stream of the trace has.
   */
  constructor(uuid: Uint8Array, start: bigint, layouts: Layouts, isLate = false, instance = 0) {
    this.#start = start
    this.#layouts = layouts
    this.#packets = new PacketMaker(uuid, instance, start, isLate)
  }

  head(): Packet {
    return this.#packets.empty(this.#start, 0, undefined)
  }

  seal(span: PacketSpan, _thread: undefined, discarded: number, lost: number): SealedPacket {
    const walk = this.#walk(span)
    const packet = this.#packets.make({
      beginTime: walk.firstTime,
      endTime: walk.lastTime,
      lost: discarded + lost,
      thread: undefined,
      contentBytes: walk.contentBytes,
      pieces: walk.pieces,
    })
    const { records, end, writers, problem, isCut } = walk
    return { ...packet, end, records, writers, problem, beginTime: walk.firstTime, isCut }
  }

  written(): void {
    this.#packets.written()
  }

  tail(_thread: undefined, lost: number): Packet {
    return this.#packets.empty(later(now(), this.#packets.endTime), lost, undefined)
  }

  /** Walks from record to record and around the holes. */
  #walk(span: PacketSpan): Walk {
    const walk: Walk = {
      records: 0,
      end: span.from,
      firstTime: this.#packets.endTime,
      lastTime: this.#packets.endTime,
      contentBytes: PACKET_HEADER_BYTES,
      pieces: [],
      writers: new Map(),
      problem: undefined,
      isCut: false,
    }
    const u32 = u32View(span.bytes)
    let from = span.from
    for (const hole of [...(span.holes ?? []), { from: span.end, end: span.end }]) {
      const limit = Math.max(from, hole.from)
      const reached = this.#walkPiece(walk, span, u32, from, limit)
      if (walk.isCut) break
      if (reached < limit) {
        walk.problem = 'events are unreadable, or their times run backwards'
        break
      }
      from = hole.end
      // The next packet begins behind the hole.
      walk.end = Math.max(walk.end, Math.min(hole.end, span.end))
    }
    return walk
  }

  /**
   * Walks a piece without holes. This is most of what the consumer does with a record, so it takes
   * times in halves: a bigint would be an object for each record.
   *
   * @returns the place of the next record: `limit` if everything up to there is records.
   */
  #walkPiece(
    walk: Walk,
    { bytes, until }: PacketSpan,
    u32: Uint32Array,
    from: number,
    limit: number,
  ): number {
    const { writers } = walk
    const layouts = this.#layouts
    const untilHigh = until === undefined ? Infinity : highOf(until)
    const untilLow = until === undefined ? Infinity : lowOf(until)
    let high = highOf(walk.lastTime)
    let low = lowOf(walk.lastTime)
    let first = -1
    let records = 0
    let at = from
    let end = from
    let tag = 0
    let run = 0
    while (at + EVENT_CPU_OFFSET + 4 <= limit) {
      const word = at >> 2
      const layout = layouts[u32[word + EVENT_ID_OFFSET / 4]]
      const next = layout === undefined ? -1 : recordEnd(layout, bytes, at, limit)
      const recordLow = u32[word]
      const recordHigh = u32[word + 1]
      if (next < 0 || recordHigh < high || (recordHigh === high && recordLow < low)) break
      if (recordHigh > untilHigh || (recordHigh === untilHigh && recordLow > untilLow)) {
        walk.isCut = true
        break
      }
      if (first < 0) first = word
      records += 1
      high = recordHigh
      low = recordLow
      const recordTag = u32[word + EVENT_CPU_OFFSET / 4]
      if (recordTag !== tag && run > 0) {
        writers.set(tag, (writers.get(tag) ?? 0) + run)
        run = 0
      }
      tag = recordTag
      run += 1
      end = next
      at = align(next, RECORD_ALIGN_BYTES)
    }
    if (records === 0) return at
    writers.set(tag, (writers.get(tag) ?? 0) + run)
    if (walk.records === 0) walk.firstTime = timeOf(u32[first + 1], u32[first])
    walk.records += records
    walk.lastTime = timeOf(high, low)
    // The content ends exactly with a record. The next record starts on a multiple of 8.
    walk.contentBytes = align(walk.contentBytes, RECORD_ALIGN_BYTES) + end - from
    walk.pieces.push(bytes.subarray(from, at))
    walk.end = at
    return at
  }
}

function highOf(time: bigint): number {
  return Number(time >> 32n)
}

function lowOf(time: bigint): number {
  return Number(time & 0xffff_ffffn)
}

function timeOf(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}
