/**
 * What the consumer asks of a format: the only things that it doesn't know itself. A module, given by URL, exports
 * `createFormat`; the consumer thread loads it.
 */
import type { Span } from '@rchan/relay'

/** How one packet goes to its file: a header, then bytes of the span as they stand. */
export interface SealedPacket {
  /** Written before the bytes. Valid until the next call. */
  readonly header: Uint8Array
  /** The bytes of the span that follow, from its sub-buffer's start. */
  readonly from: number
  readonly to: number
  /** The end of the last record in them: the span's end, or less when what follows can't be read. */
  readonly end: number
  /** Records in them. 0: there is nothing to write. */
  readonly records: number
}

/** The format's state of one CPU's stream. */
export interface PacketStream {
  /**
   * The bytes that a stream starts with.
   *
   * @param subbuf the first sub-buffer, from its header on; undefined for a stream without any.
   */
  head(subbuf: Uint8Array | undefined): Uint8Array
  /**
   * Makes the packet for a span. Must not remember it as written before {@link written}: it is called again for the
   * same bytes when the write failed.
   *
   * @param generation of the place, for the thread that wrote.
   * @param discarded records that the owner refused so far, as far as is known; a complete span's header knows it
   * exactly.
   * @param lost records lost so far for other reasons: overwritten, torn, not written.
   */
  seal(span: Span, generation: number, discarded: number, lost: number): SealedPacket
  /** The packet that was sealed last is in the file. */
  written(): void
  /** The bytes that a stream ends with. `lost`: all records of it that were lost. */
  tail(generation: number, lost: number): Uint8Array
}

/** A format, on the consumer thread. */
export interface PacketFormat {
  /** Called before each packet is written: whatever a reader needs to understand it has to be on disk then. */
  prepare(): void
  /** A new stream, for a CPU that wrote for the first time. */
  stream(cpu: number): PacketStream
}

/** What a format module exports under the name `createFormat`. */
export type CreateFormat = (
  init: unknown,
  shared: { readonly control: SharedArrayBuffer; readonly arena: SharedArrayBuffer; readonly folder: string },
) => PacketFormat
