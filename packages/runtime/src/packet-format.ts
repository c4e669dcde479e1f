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
  /**
   * For a snapshot: the last time that counts, on the clock of the trace. Later records stay out of
   * the packet.
   */
  readonly until?: bigint
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

/** A thread that was a CPU, and when. Times are ns of the trace's clock. */
export interface ThreadLife extends ThreadTotals {
  readonly cpu: number
  /** The file that it runs; empty if that is not known. */
  readonly runs: string
  /** When it came online in this recording. */
  readonly came: bigint
  /** When it was found dead; undefined if it lived on. */
  readonly went: bigint | undefined
  /** Records in which a value was cut. */
  readonly cut: number
  /** Records that limits have kept out. */
  readonly filtered: number
}

/** A span that had not ended when its thread died, or the recording ended. */
export interface CutSpan {
  readonly cpu: number
  readonly generation: number
  readonly threadId: number
  /** The id of its tracepoint. */
  readonly id: number
  readonly start: bigint
  /** When it was cut off. */
  readonly at: bigint
}

/** What is known of a recording apart from its records. */
export interface RecordingFacts {
  readonly lives: readonly ThreadLife[]
  readonly cuts: readonly CutSpan[]
  /** When this was known. */
  readonly end: bigint
  /** Lives and cut spans that are not told, because there were too many. */
  readonly untold: number
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
  /** The time from which on the packet has all records of its stream, on the clock of the trace. */
  readonly beginTime?: bigint
  /** Whether the span goes on with a record that is later than its `until`. */
  readonly isCut?: boolean
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
   *
   * @param isLate whether what was written before its first span is gone. Then no `head` is asked
   * for, and what was lost before the end of that span is not told as a loss.
   */
  stream(cpu: number | undefined, isLate?: boolean): PacketStream
  /**
   * Notes that names of threads have changed. They are in the sink with the next {@link prepare}.
   */
  renamed(): void
  /**
   * Tells what is known of the threads, apart from their records. It is in the sink with the next
   * {@link prepare}.
   */
  tell(facts: RecordingFacts): void
  /** Makes the stream of a snapshot's own event, which says why the snapshot was taken. */
  snapshotStream(event: SnapshotEvent): SnapshotStream
}

/** Why a snapshot was taken, as its trace tells it. */
export interface SnapshotEvent {
  readonly trigger: string
  readonly reason: string
  /** When the trigger fired, on the clock of the trace. */
  readonly at: bigint
  /** Node's number of the thread that it is about; −1 for none. */
  readonly thread: number
  /** Snapshots that were not taken since the one before. */
  readonly notTaken: number
}

/** The stream with the one event of a snapshot. */
export interface SnapshotStream {
  readonly packets: PacketStream
  /** The event. */
  readonly span: PacketSpan
  /** The thread that writes it: the calling one. */
  readonly writer: ThreadTotals
}

/** The function that a format module exports under the name `createFormat`. */
export type CreateFormat = (
  init: unknown,
  shared: {
    readonly control: SharedArrayBuffer
    readonly arena: SharedArrayBuffer
    readonly sink: Sink
    /**
     * Given if the records are older than the format, as in a snapshot, or when files are set up
     * late: a time before any record, on the clock of the trace. Such a trace has an id of its own.
     */
    readonly startedAt?: bigint
  },
) => PacketFormat
