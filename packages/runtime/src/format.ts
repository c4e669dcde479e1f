/**
 * What the consumer asks of a format: the only things that it doesn't know itself. A module, given by URL, exports
 * `createFormat`; the consumer thread loads it.
 */
import type { Hole, Span } from '@rchan/ring'
import type { OpenFolder } from './folder.js'

/** What a packet is made of. */
export type PacketSpan = Span & {
  /** Of a global buffer: pieces between `from` and `end` that hold no record, in order. They stay out of the packet. */
  readonly holes?: readonly Hole[]
}

/** A packet on its way to a file: a header, then bytes as they stand. Valid until the stream makes the next one. */
export interface Packet {
  /** Bytes of each header of the stream. */
  readonly headerBytes: number
  /** Bytes of header and pieces; a multiple of 8. */
  readonly bytes: number
  /** What follows the header. */
  readonly pieces: readonly Uint8Array[]
  /** The header of this packet, when it takes `bytes` bytes of the file: as many as it has, or more. */
  header(bytes: number): Uint8Array
  /** The header of an empty packet behind this one, which takes `bytes` bytes of the file. May use the same memory. */
  following(bytes: number): Uint8Array
}

/** How the bytes of a span go to a file. */
export interface SealedPacket extends Packet {
  /** The end of the last record in it: the span's end, or less when what follows can't be read. */
  readonly end: number
  /** Records in it. 0: there is nothing to write. */
  readonly records: number
  /** Of a global buffer: how many of them each thread wrote, by its tag. */
  readonly writers?: ReadonlyMap<number, number>
  /** Why something in the span is no record that a reader takes; undefined if all is well. */
  readonly problem?: string | undefined
}

/** The format's state of one stream: of a CPU, or of all. */
export interface PacketStream {
  /**
   * The packet that a stream starts with; without records.
   *
   * @param subbuf the first sub-buffer, from its header on; undefined for a stream without any.
   */
  head(subbuf: Uint8Array | undefined): Packet
  /**
   * Makes the packet for a span. Must not remember it as written before {@link written}: it is called again for the
   * same bytes when the write failed.
   *
   * @param generation of the place, for the thread that wrote; 0 where all CPUs share the stream.
   * @param discarded records that were refused so far, as far as is known; the header of a complete span of a CPU's own
   * buffer knows it exactly.
   * @param lost records lost so far for other reasons: overwritten, torn, not written.
   */
  seal(span: PacketSpan, generation: number, discarded: number, lost: number): SealedPacket
  /** The packet that was made last is in the file. */
  written(): void
  /** The packet that a stream ends with; without records. `lost`: all records of it that were lost. */
  tail(generation: number, lost: number): Packet
}

/** A format, on the consumer thread. */
export interface PacketFormat {
  /** Called before each packet is written: whatever a reader needs to understand it has to be on disk then. */
  prepare(): void
  /** What is wrong with that, at the end; undefined if nothing is. */
  problem(): string | undefined
  /** A new stream: for a CPU that wrote for the first time; undefined: for all CPUs, which share a buffer. */
  stream(cpu: number | undefined): PacketStream
}

/** What a format module exports under the name `createFormat`. */
export type CreateFormat = (
  init: unknown,
  shared: {
    readonly control: SharedArrayBuffer
    readonly arena: SharedArrayBuffer
    readonly folder: OpenFolder
  },
) => PacketFormat
