/**
 * The headers of one stream's packets. This file counts the packets, and ensures that neither their
 * times nor the count of losses go back. Runs on the consumer thread.
 */
import { PACKET, PACKET_HEADER_BYTES, PACKET_MAGIC, storeSizes, storeU64 } from '@rchan/ctf'
import type { Packet, ThreadTotals } from '@rchan/runtime'
import { later } from './packet-span.js'

/** An id that no thread has. */
const NO_THREAD = 0xffffffff

/** The input of a packet. */
export interface PacketContent {
  readonly beginTime: bigint
  readonly endTime: bigint
  /** Records of the stream that were lost so far, of all causes. */
  readonly lost: number
  /** The thread that wrote it; undefined if all CPUs share the stream, or if no thread is known. */
  readonly thread: ThreadTotals | undefined
  /** Bytes to the end of the last record, including the header. */
  readonly contentBytes: number
  /** The records, up to the next multiple of 8. */
  readonly pieces: readonly Uint8Array[]
}

/** Makes the packets of one stream. */
export class PacketMaker {
  readonly #bytes = new Uint8Array(PACKET_HEADER_BYTES)
  readonly #u32 = new Uint32Array(this.#bytes.buffer)
  readonly #u64 = new BigUint64Array(this.#bytes.buffer)
  /** The state of the packet that was written last. */
  #sequence = -1
  #endTime: bigint
  #lost = 0
  /** The state of the packet that was made last. */
  #madeEndTime = 0n
  #madeLost = 0
  /** Losses that are older than the stream; undefined until its first packet tells them. */
  #lostBefore: number | undefined

  /**
   * @param startTime a time before any record.
   * @param isLate whether the losses up to the first packet with records are older than the stream.
   */
  constructor(uuid: Uint8Array, instance: number, startTime: bigint, isLate = false) {
    this.#lostBefore = isLate ? undefined : 0
    this.#endTime = startTime
    this.#u32[PACKET.magic >> 2] = PACKET_MAGIC
    this.#bytes.set(uuid, PACKET.uuid)
    storeU64(this.#u32, PACKET.streamInstanceId, instance)
    this.#u32[PACKET.cpuId >> 2] = instance
  }

  /** No record that is still to be written is earlier. */
  get endTime(): bigint {
    return this.#endTime
  }

  /**
   * Makes a packet. It is valid until the next one is made, and counts only after {@link written}.
   */
  make(content: PacketContent): Packet {
    // Packets don't overlap: the rest of a sub-buffer begins where the part before it ends.
    let beginTime = later(content.beginTime, this.#endTime)
    this.#madeEndTime = later(content.endTime, beginTime)
    // No two packets begin at the same time: babeltrace2 sorts the packets of several files by it,
    // and swaps equal ones.
    if (beginTime === this.#madeEndTime && beginTime > this.#endTime) beginTime -= 1n
    // Readers would take a count that goes back for 2^64 losses.
    if (content.pieces.length > 0) this.#lostBefore ??= content.lost
    this.#madeLost = Math.max(this.#lost, content.lost - (this.#lostBefore ?? content.lost))
    const { thread, contentBytes, pieces } = content
    const header = (sequence: number, begin: bigint, used: number, bytes: number): Uint8Array => {
      this.#u64[PACKET.timestampBegin >> 3] = begin
      this.#u64[PACKET.timestampEnd >> 3] = this.#madeEndTime
      storeSizes(this.#u32, 0, used)
      storeU64(this.#u32, PACKET.packetBits, bytes * 8)
      storeU64(this.#u32, PACKET.sequence, sequence)
      storeU64(this.#u32, PACKET.eventsDiscarded, this.#madeLost)
      this.#u32[PACKET.generation >> 2] = thread?.generation ?? 0
      this.#u32[PACKET.threadId >> 2] = thread?.threadId ?? NO_THREAD
      return this.#bytes
    }
    const sequence = this.#sequence + 1
    return {
      headerBytes: PACKET_HEADER_BYTES,
      bytes: (contentBytes + 7) & -8,
      pieces,
      header: (bytes) => header(sequence, beginTime, contentBytes, bytes),
      following: (bytes) => header(sequence + 1, this.#madeEndTime, PACKET_HEADER_BYTES, bytes),
    }
  }

  /** Makes a packet without records. */
  empty(time: bigint, lost: number, thread: ThreadTotals | undefined): Packet {
    const contentBytes = PACKET_HEADER_BYTES
    return this.make({ beginTime: time, endTime: time, lost, thread, contentBytes, pieces: [] })
  }

  /** The packet that was made last is in the file. */
  written(): void {
    this.#sequence += 1
    this.#endTime = this.#madeEndTime
    this.#lost = this.#madeLost
  }
}
