/**
 * The format that the consumer writes packets in. It covers everything about packets that the
 * consumer doesn't know itself. The program of the consumer thread brings a format and a sink.
 */
import type { Hole, Span } from '@rchan/ring'
import type { Packet, Sink } from './sink.js'

export type { Packet }

/** The bytes of a ring that become a packet. */
export type PacketSpan = Span & {
  /**
   * For a global buffer: pieces between `from` and `end` without a record, in order. They stay out
   * of the packet.
   */
  readonly holes?: readonly Hole[]
}

/** A thread that was a CPU. */
export interface ThreadTotals {
  /** How often its place had been given back before. */
  readonly generation: number
  /** Node's number of the thread; 0 is the main thread. */
  readonly threadId: number
  /** The name of the thread; never empty. */
  readonly threadName: string
}

/** A packet made from a span. */
export interface SealedPacket extends Packet {
  /** The end of the last record in it: the span's end, or less if the rest can't be read. */
  readonly end: number
  /** Records in it; 0 if there is nothing to write. */
  readonly records: number
  /** For a global buffer: the number of records of each thread, by its tag. */
  readonly writers?: ReadonlyMap<number, number>
  /** The reason why a part of the span is no valid record; undefined if all is well. */
  readonly problem?: string | undefined
}

/** The format's state of one stream: of a CPU, or of all CPUs. */
export interface PacketStream {
  /**
   * Makes the first packet of a stream, without records.
   *
   * @param subbuf the first sub-buffer, from its header on; undefined for a stream without any.
   * @param thread the thread that wrote it; undefined for a shared stream, or if none is known.
   */
  head(subbuf: Uint8Array | undefined, thread: ThreadTotals | undefined): Packet
  /**
   * Makes the packet for a span. It must not remember the packet as written before {@link written}:
   * after a failed write it is called again for the same bytes.
   *
   * @param thread the thread that wrote the span; undefined for a shared stream.
   * @param discarded records refused so far, as far as is known; the header of a complete span of a
   * CPU's own buffer has the exact number.
   * @param lost records lost so far for other reasons: overwritten, torn, not written.
   */
  seal(span: PacketSpan, thread: ThreadTotals | undefined, discarded: number, lost: number): SealedPacket
  /** Notes that the sink has the last packet. */
  written(): void
  /** Makes the last packet of a stream, without records. `lost`: all lost records of the stream. */
  tail(thread: ThreadTotals | undefined, lost: number): Packet
}

/** A format, on the consumer thread. */
export interface PacketFormat {
  /**
   * Called before each packet is written. It puts everything into the sink that a reader needs to
   * understand the packet.
   *
   * @param threads all threads that came online so far. The list is always the same object, and
   * only grows.
   */
  prepare(threads: readonly ThreadTotals[]): void
  /**
   * Makes a new stream, for a CPU that wrote for the first time, or for a shared buffer if `cpu` is
   * undefined.
   */
  stream(cpu: number | undefined): PacketStream
}

/** The function that a format module exports under the name `createFormat`. */
export type CreateFormat = (
  init: unknown,
  shared: {
    readonly control: SharedArrayBuffer
    readonly arena: SharedArrayBuffer
    readonly sink: Sink
  },
) => PacketFormat
