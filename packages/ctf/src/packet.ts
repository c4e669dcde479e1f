/**
 * The header of a packet, which precedes the records, and the functions that write it.
 *
 * ```text
 *    0  u32     magic 0xC1FC1FC1            once    once:  the same in every packet of a stream
 *    4  u8[16]  uuid of the trace           once    open:  known when the packet is started
 *   20  u32     stream_id, always 0         once    close: known when it is complete
 *   24  u64     stream_instance_id          once
 *   32  u64     timestamp_begin, ns         open
 *   40  u64     timestamp_end, ns           close
 *   48  u32     cpu_id                      open
 *   52  u32     generation                  open
 *   56  u32     thread_id                   open
 *   60          nothing
 *   64  u64     content_size, bits          close
 *   72  u64     packet_seq_num              when written to the stream
 *   80  u64     events_discarded, so far    close
 *   88  u64     packet_size, bits           close
 *   96          records
 * ```
 *
 * In a global trace each record carries its CPU and its thread, and the bytes from 48 to 64 mean
 * nothing.
 *
 * All fields are little endian and aligned to their size, so each is one plain typed-array store.
 * Sizes are split into two 32-bit halves instead of BigInts, so nothing here allocates.
 */

/** Bytes of a packet header: a multiple of 8, so that the first record follows without a gap. */
export const PACKET_HEADER_BYTES = 96
/** The first word of every packet. */
export const PACKET_MAGIC = 0xc1fc1fc1
/** Byte offsets of the fields of a packet header. */
export const PACKET = {
  magic: 0,
  uuid: 4,
  streamId: 20,
  streamInstanceId: 24,
  timestampBegin: 32,
  timestampEnd: 40,
  cpuId: 48,
  generation: 52,
  threadId: 56,
  contentBits: 64,
  sequence: 72,
  eventsDiscarded: 80,
  packetBits: 88,
} as const

/**
 * Stores a non-negative integer of up to 53 bits as a little-endian u64.
 *
 * @param u32 a view of the memory, 4 bytes per element.
 * @param byteOffset where to store it, a multiple of 4.
 */
export function storeU64(u32: Uint32Array, byteOffset: number, value: number): void {
  u32[byteOffset >>> 2] = value >>> 0
  u32[(byteOffset >>> 2) + 1] = Math.floor(value / 4294967296)
}

/** Reads a value that {@link storeU64} stored. Exact up to 53 bits. */
export function loadU64(u32: Uint32Array, byteOffset: number): number {
  return u32[byteOffset >>> 2] + u32[(byteOffset >>> 2) + 1] * 4294967296
}

/**
 * Stores the sizes of a packet. The content ends exactly where the last record ends; the packet is
 * rounded up to 8 bytes.
 *
 * @returns the bytes of the packet on disk.
 */
export function storeSizes(u32: Uint32Array, headerOffset: number, contentBytes: number): number {
  const packetBytes = (contentBytes + 7) & -8
  storeU64(u32, headerOffset + PACKET.contentBits, contentBytes * 8)
  storeU64(u32, headerOffset + PACKET.packetBits, packetBytes * 8)
  return packetBytes
}
