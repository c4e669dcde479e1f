/**
 * What the consumer asks of a format: the only things that it doesn't know itself. The
 * program of the consumer thread brings one, and a sink.
 */
import type { Hole, Span } from '@rchan/ring'
import type { Packet, Sink } from './sink.js'

export type { Packet }

/** What a packet is made of. */
export type PacketSpan = Span & {
  /**
   * Of a global buffer: pieces between `from` and `end` that hold no record, in order. They stay
   * out of the packet.
   */
  readonly holes?: readonly Hole[]
}

/** A thread that was a CPU. */
export interface ThreadTotals {
  /** How often its place had been given back before. */
  readonly generation: number
  /** Node's number of the thread; 0 is the main thread. */
  readonly threadId: number
  /** What it is called; never empty. */
  readonly threadName: string
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
   * @param thread that wrote it; undefined where all CPUs share the stream, or none is known.
   */
  head(subbuf: Uint8Array | undefined, thread: ThreadTotals | undefined): Packet
  /**
   * Makes the packet for a span. Must not remember it as written before {@link written}: it is
   * called again for the same bytes when the write failed.
   *
   * @param thread that wrote; undefined where all CPUs share the stream.
   * @param discarded records that were refused so far, as far as is known; the header of a complete
   * span of a CPU's own buffer knows it exactly.
   * @param lost records lost so far for other reasons: overwritten, torn, not written.
   */
  seal(span: PacketSpan, thread: ThreadTotals | undefined, discarded: number, lost: number): SealedPacket
  /** The sink has the packet that was made last. */
  written(): void
  /**
   * The packet that a stream ends with; without records. `lost`: all records of it that were lost.
   */
  tail(thread: ThreadTotals | undefined, lost: number): Packet
}

/** A format, on the consumer thread. */
export interface PacketFormat {
  /**
   * Called before each packet is written: whatever a reader needs to understand it has to be in the
   * sink then.
   *
   * @param threads all that came online so far. The same list each time, which only grows.
   */
  prepare(threads: readonly ThreadTotals[]): void
  /**
   * A new stream: for a CPU that wrote for the first time; undefined: for all CPUs, which share a
   * buffer.
   */
  stream(cpu: number | undefined): PacketStream
}

/** What a format module exports under the name `createFormat`. */
export type CreateFormat = (
  init: unknown,
  shared: {
    readonly control: SharedArrayBuffer
    readonly arena: SharedArrayBuffer
    readonly sink: Sink
  },
) => PacketFormat
