/**
 * A ring and the stream that it becomes: takes spans out of the one and puts packets into the
 * other, and keeps the account of both. Runs on the consumer thread.
 */
import type { Ring } from './drain.js'
import type { RingLosses } from './ledger.js'
import type { PacketFormat, PacketSpan, PacketStream, ThreadTotals, SealedPacket } from './packet-format.js'
import type { Sink, SinkStream, StreamEnd } from './sink.js'

/** The losses of a ring, and their sum. */
export type Account = RingLosses & { readonly lost: number }

const NOTHING_LOST: StreamEnd = { problem: undefined, lostEvents: 0 }

/** The ring of one CPU, or of all, on its way out. */
export class DrainedStream<R extends Ring = Ring> {
  /** Undefined: all CPUs write it. */
  readonly cpu: number | undefined
  readonly ring: R
  /** Events and packets that the sink has taken. */
  events = 0
  packets = 0
  /** Records that were taken from the ring and that no reader gets. */
  unwritten = 0
  /** The last write failed: not tried again before the next flush. */
  isBlocked = false
  readonly #format: PacketFormat
  readonly #sink: Sink
  #packets: PacketStream | undefined
  #out: SinkStream | undefined
  /** What the stream's last end says of losses. */
  #endedLost = 0

  constructor(cpu: number | undefined, ring: R, format: PacketFormat, sink: Sink) {
    this.cpu = cpu
    this.ring = ring
    this.#format = format
    this.#sink = sink
  }

  get name(): string {
    return this.cpu === undefined ? 'global' : `cpu_${this.cpu}`
  }

  /** Whether there is anything of it to be seen. */
  get hasBegun(): boolean {
    return this.#out !== undefined
  }

  /** Bytes of its packets. */
  get bytes(): number {
    return this.#out?.bytes ?? 0
  }

  /** Records that were refused so far, as far as is known. */
  get refused(): number {
    return sumOfCauses(this.ring.discarded())
  }

  /** Records that were written and are lost, so far. */
  get lost(): number {
    return this.ring.overwritten + this.ring.torn + this.unwritten
  }

  /**
   * Puts a span into the stream, as one packet, and marks it as delivered.
   *
   * @param thread that wrote; undefined where all CPUs share the ring.
   * @param threads see {@link PacketFormat.prepare}.
   * @returns the packet; it is in the stream if it has records.
   * @throws where the sink or the format can't; then the span stays in the ring.
   */
  write(span: PacketSpan, thread: ThreadTotals | undefined, threads: readonly ThreadTotals[]): SealedPacket {
    this.#format.prepare(threads)
    const { packets, out } = this.#open(span.bytes, thread)
    const sealed = packets.seal(span, thread, this.refused, this.lost)
    if (sealed.records > 0) {
      out.append(sealed, sealed.records)
      packets.written()
      this.packets += 1
      this.events += sealed.records
    }
    return sealed
  }

  /**
   * Ends the stream with what was lost on it, unless it has just this end. @throws as
   * {@link write}.
   */
  end(thread: ThreadTotals | undefined, lostRecords: number, threads: readonly ThreadTotals[]): void {
    if (this.#out?.isEnded === true && this.#endedLost === lostRecords) return
    this.#format.prepare(threads)
    const { packets, out } = this.#open(undefined, thread)
    out.end(packets.tail(thread, lostRecords))
    packets.written()
    this.#endedLost = lostRecords
  }

  /** Nothing comes any more. Never throws. */
  close(): StreamEnd {
    return this.#out?.close() ?? NOTHING_LOST
  }

  /** The losses, once nothing is delivered any more. To be called once. */
  account(): Account {
    const { ring } = this
    // Records that a sink did not take, and those still being written at the last look.
    this.unwritten += ring.remaining()
    return {
      discarded: ring.discarded(),
      overwritten: ring.overwritten,
      torn: ring.torn,
      unwritten: this.unwritten,
      lost: this.refused + this.lost,
    }
  }

  #open(
    subbuf: Uint8Array | undefined,
    thread: ThreadTotals | undefined,
  ): { packets: PacketStream; out: SinkStream } {
    this.#packets ??= this.#format.stream(this.cpu)
    this.#out ??= this.#sink.stream(this.name)
    const packets = this.#packets
    const out = this.#out
    if (out.bytes === 0) {
      out.append(packets.head(subbuf, thread), 0)
      packets.written()
    }
    return { packets, out }
  }
}

/** Records that were refused. */
export function sumOfCauses({ full, tooBig, bad }: RingLosses['discarded']): number {
  return full + tooBig + bad
}
