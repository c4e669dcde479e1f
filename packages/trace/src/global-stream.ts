/**
 * The packets of a global buffer's stream, which all CPUs write. Runs on the consumer thread; owns
 * each packet's whole header, because these sub-buffers have none: a header would be one more claim
 * that a dying thread leaves open, and all that it could say, the consumer knows or reads off the
 * records.
 *
 * Every span is walked from record to record: for the packet's times, for how many records each
 * thread wrote, and because the pieces that dead threads left have to be found. Their bytes stay
 * out of the packet; the pieces around them go out in one `writev`. (An event that fills the hole
 * would be one that nobody traced, in every reader's output and count.) Holes and records are
 * multiples of 8 bytes, so what follows a hole is still aligned.
 */
import {
  align,
  EVENT_CPU_OFFSET,
  EVENT_ID_OFFSET,
  PACKET_HEADER_BYTES,
  RECORD_ALIGN_BYTES,
  recordEnd,
} from '@rchan/ctf'
import type { Packet, PacketSpan, PacketStream, SealedPacket } from '@rchan/runtime'
import { now } from './clock.js'
import { PacketMaker } from './packet-header.js'
import { later, u32View, u64View, type Layouts } from './span.js'

/** What a walk found. */
interface Walk {
  records: number
  /** Behind the last record and its gap, in bytes of the sub-buffer. */
  end: number
  firstTime: bigint
  lastTime: bigint
  /** Bytes of the packet's content so far. */
  contentBytes: number
  readonly pieces: Uint8Array[]
  readonly writers: Map<number, number>
  problem: string | undefined
}

/** The packets of the one stream. */
export class GlobalStream implements PacketStream {
  /** Before any record. */
  readonly #start: bigint
  readonly #layouts: Layouts
  readonly #packets: PacketMaker

  constructor(uuid: Uint8Array, start: bigint, layouts: Layouts) {
    this.#start = start
    this.#layouts = layouts
    this.#packets = new PacketMaker(uuid, 0, start)
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
    const { records, end, writers, problem } = walk
    return { ...packet, end, records, writers, problem }
  }

  written(): void {
    this.#packets.written()
  }

  tail(_thread: undefined, lost: number): Packet {
    return this.#packets.empty(later(now(), this.#packets.endTime), lost, undefined)
  }

  /** Goes from record to record and around the holes. */
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
    }
    const u32 = u32View(span.bytes)
    const u64 = u64View(span.bytes)
    let from = span.from
    for (const hole of [...(span.holes ?? []), { from: span.end, end: span.end }]) {
      const limit = Math.max(from, hole.from)
      const reached = this.#walkPiece(walk, span.bytes, u32, u64, from, limit)
      if (reached < limit) {
        walk.problem = 'events are unreadable, or their times run backwards'
        break
      }
      from = hole.end
      // Whoever takes up at the end of this packet is behind the hole.
      walk.end = Math.max(walk.end, Math.min(hole.end, span.end))
    }
    return walk
  }

  /** @returns where the next record would start: `limit`, if all up to there are records. */
  #walkPiece(
    walk: Walk,
    bytes: Uint8Array,
    u32: Uint32Array,
    u64: BigUint64Array,
    from: number,
    limit: number,
  ): number {
    const { writers } = walk
    let at = from
    let end = from
    let tag = 0
    let run = 0
    let time = walk.lastTime
    while (at + EVENT_CPU_OFFSET + 4 <= limit) {
      const layout = this.#layouts[u32[(at + EVENT_ID_OFFSET) >> 2]]
      const next = layout === undefined ? -1 : recordEnd(layout, bytes, at, limit)
      const recordTime = u64[at >> 3]
      if (next < 0 || recordTime < time) break
      if (walk.records === 0) walk.firstTime = recordTime
      walk.records += 1
      time = recordTime
      const recordTag = u32[(at + EVENT_CPU_OFFSET) >> 2]
      if (recordTag !== tag && run > 0) {
        writers.set(tag, (writers.get(tag) ?? 0) + run)
        run = 0
      }
      tag = recordTag
      run += 1
      end = next
      at = align(next, RECORD_ALIGN_BYTES)
    }
    if (run > 0) writers.set(tag, (writers.get(tag) ?? 0) + run)
    walk.lastTime = time
    if (end > from) {
      // The content ends exactly with a record; what follows it starts on the next multiple of 8.
      walk.contentBytes = align(walk.contentBytes, RECORD_ALIGN_BYTES) + end - from
      walk.pieces.push(bytes.subarray(from, at))
      walk.end = at
    }
    return at
  }
}
