/**
 * The packets of one CPU's stream. Runs on the consumer thread.
 *
 * The records are never changed. For a complete sub-buffer, the times and the number of discarded
 * events come from its header, which its owner filled. The consumer adds what only it knows: the
 * packet's number in the stream, and the losses on the way. A part of a sub-buffer is walked from
 * record to record, and so is a complete one whose header can't be trusted.
 */
import {
  align,
  EVENT_ID_OFFSET,
  loadU64,
  PACKET,
  PACKET_HEADER_BYTES,
  PACKET_MAGIC,
  RECORD_ALIGN_BYTES,
  recordEnd,
} from '@rchan/ctf'
import {
  now,
  type Packet,
  type PacketSpan,
  type PacketStream,
  type ThreadTotals,
  type SealedPacket,
} from '@rchan/runtime'
import { PacketMaker } from './packet-header.js'
import { later, u32View, u64View, type Layouts } from './packet-span.js'

/** The valid records from the start of a span. */
interface Walk {
  readonly records: number
  /** The end of the last one, in bytes of the sub-buffer. */
  readonly end: number
  /** Times of the first and the last one. */
  readonly firstTime: bigint
  readonly lastTime: bigint
  /** Whether a later record follows that is not wanted. */
  readonly isCut?: boolean
}

export class CpuStream implements PacketStream {
  readonly #layouts: Layouts
  readonly #packets: PacketMaker

  /** @param isLate see runtime's `PacketFormat`. */
  constructor(cpu: number, uuid: Uint8Array, layouts: Layouts, isLate = false) {
    this.#layouts = layouts
    this.#packets = new PacketMaker(uuid, cpu, 0n, isLate)
  }

  head(subbuf: Uint8Array | undefined, thread: ThreadTotals | undefined): Packet {
    const isHeaded = subbuf !== undefined && u32View(subbuf)[PACKET.magic >> 2] === PACKET_MAGIC
    const time = isHeaded ? u64View(subbuf)[PACKET.timestampBegin >> 3] : now()
    return this.#packets.empty(time, 0, thread)
  }

  seal(span: PacketSpan, thread: ThreadTotals | undefined, discarded: number, lost: number): SealedPacket {
    // In bytes of the sub-buffer. Records start on a multiple of 8 in a packet as in a sub-buffer.
    const from = align(span.from, RECORD_ALIGN_BYTES)
    const u32 = u32View(span.bytes)
    const u64 = u64View(span.bytes)
    const isWhole = span.complete && this.#isWhole(span, from, u32, u64)
    const walk = isWhole ? wholeOf(span, u64) : this.#walk(span, from, u32, u64)
    const end = Math.max(walk.end, from)
    const contentBytes = PACKET_HEADER_BYTES + end - from
    const beginTime = isWhole ? u64[PACKET.timestampBegin >> 3] : walk.firstTime
    const packet = this.#packets.make({
      beginTime,
      endTime: walk.lastTime,
      lost: (isWhole ? loadU64(u32, PACKET.eventsDiscarded) : discarded) + lost,
      thread,
      contentBytes,
      pieces: [span.bytes.subarray(from, align(end, RECORD_ALIGN_BYTES))],
    })
    const { isCut = false } = walk
    const bad = span.complete && !isCut ? span.records - walk.records : 0
    const problem = bad > 0 ? `${bad} events are unreadable, or their times run backwards` : undefined
    return { ...packet, end, records: walk.records, problem, beginTime, isCut }
  }

  written(): void {
    this.#packets.written()
  }

  tail(thread: ThreadTotals | undefined, lost: number): Packet {
    return this.#packets.empty(later(now(), this.#packets.endTime), lost, thread)
  }

  /**
   * Whether a complete sub-buffer can be a packet without a walk. Its owner may never have filled
   * the header, or may have a clock that was set back. Then readers would refuse the packets that
   * follow, or all of them.
   */
  #isWhole(span: PacketSpan, from: number, u32: Uint32Array, u64: BigUint64Array): boolean {
    if (u32[PACKET.magic >> 2] !== PACKET_MAGIC) return false
    const begin = u64[PACKET.timestampBegin >> 3]
    const end = u64[PACKET.timestampEnd >> 3]
    if (span.until !== undefined && end > span.until) return false
    // The first record to write must be later than everything that is written already.
    const first = from < span.end ? u64[from >> 3] : end
    return first >= begin && first >= this.#packets.endTime && first <= end
  }

  /**
   * Walks from record to record. Each one is untrusted, because the thread that wrote them may have
   * died.
   */
  #walk(span: PacketSpan, from: number, u32: Uint32Array, u64: BigUint64Array): Walk {
    let records = 0
    let end = span.from
    let firstTime = this.#packets.endTime
    let lastTime = firstTime
    let isCut = false
    for (let at = from; at + EVENT_ID_OFFSET + 4 <= span.end; at = align(end, RECORD_ALIGN_BYTES)) {
      const time = u64[at >> 3]
      const layout = this.#layouts[u32[(at + EVENT_ID_OFFSET) >> 2]]
      if (layout === undefined || time < lastTime) break
      const next = recordEnd(layout, span.bytes, at, span.end)
      if (next < 0) break
      isCut = span.until !== undefined && time > span.until
      if (isCut) break
      if (records === 0) firstTime = time
      records += 1
      lastTime = time
      end = next
    }
    return { records, end, firstTime, lastTime, isCut }
  }
}

function wholeOf(span: PacketSpan, u64: BigUint64Array): Walk {
  const { records, end } = span
  return {
    records,
    end,
    firstTime: u64[PACKET.timestampBegin >> 3],
    lastTime: u64[PACKET.timestampEnd >> 3],
  }
}
