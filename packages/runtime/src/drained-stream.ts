/**
 * A ring and its stream: takes spans from the ring, puts packets into the stream, and keeps the
 * account of both. Runs on the consumer thread.
 */
import type { RingState } from './accounts.js'
import type { Ring } from './drain.js'
import type { RingLosses } from './ledger.js'
import type { PacketFormat, PacketSpan, PacketStream, ThreadTotals, SealedPacket } from './packet-format.js'
import type { Sink, SinkStream, StreamEnd } from './sink.js'

/** The losses of a ring, their sum, and the numbers of its records; see `RingState`. */
export type Account = RingLosses & RingState & { readonly lost: number }

const NOTHING_LOST: StreamEnd = { problem: undefined, lostEvents: 0 }

/** The ring of one CPU, or the shared ring, with its stream. */
export class DrainedStream<R extends Ring = Ring> {
  /** The CPU that writes it; undefined if all CPUs write it. */
  readonly cpu: number | undefined
  readonly ring: R
  /** Events and packets that the sink has taken. */
  events = 0
  packets = 0
  /** Records that were taken from the ring and did not reach the trace. */
  unwritten = 0
  /** Whether the last write failed. It is not tried again before the next flush. */
  isBlocked = false
  /** Set before the first span: see {@link PacketFormat.stream}. */
  isLate = false
  readonly #format: PacketFormat
  readonly #sink: Sink
  #packets: PacketStream | undefined
  #out: SinkStream | undefined
  /** The losses that the stream's last end reports. */
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

  /** Whether the sink has a stream for it. */
  get hasBegun(): boolean {
    return this.#out !== undefined
  }

  /** Bytes of its packets. */
  get bytes(): number {
    return this.#out?.bytes ?? 0
  }

  /** Records refused so far, as far as is known. */
  get refused(): number {
    return sumOfCauses(this.ring.discarded())
  }

  /** Records written and lost so far. */
  get lost(): number {
    return this.ring.overwritten + this.ring.torn + this.unwritten
  }

  /**
   * Puts a span into the stream, as one packet, and marks it as delivered.
   *
   * @param thread the thread that wrote the span; undefined for a shared ring.
   * @param threads see {@link PacketFormat.prepare}.
   * @returns the packet; it is in the stream if it has records.
   * @throws when the sink or the format fails; then the span stays in the ring.
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
   * Gives a late stream its first packet, before any loss: a reader counts from there on. It has no
   * packet yet.
   */
  beginWithNothing(thread: ThreadTotals | undefined): void {
    const { packets, out } = this.#open(undefined, thread)
    out.append(packets.head(undefined, thread), 0)
    packets.written()
  }

  /**
   * Ends the stream with its losses, unless it has this very end already. @throws as {@link write}.
   */
  end(thread: ThreadTotals | undefined, lostRecords: number, threads: readonly ThreadTotals[]): void {
    if (this.#out?.isEnded === true && this.#endedLost === lostRecords) return
    this.#format.prepare(threads)
    const { packets, out } = this.#open(undefined, thread)
    out.end(packets.tail(thread, lostRecords))
    packets.written()
    this.#endedLost = lostRecords
  }

  /** Closes the stream after its last packet. Never throws. */
  close(): StreamEnd {
    return this.#out?.close() ?? NOTHING_LOST
  }

  /** The losses, after the last delivery. Call it once. */
  account(): Account {
    const { ring } = this
    // Records that the sink did not take, and records still being written at the last look.
    const left = ring.remaining()
    this.unwritten += left
    const discarded = ring.discarded()
    return {
      discarded,
      overwritten: ring.overwritten,
      torn: ring.torn,
      unwritten: this.unwritten,
      lost: sumOfCauses(discarded) + this.lost,
      oldest: ring.accounted,
      given: ring.accounted + left,
    }
  }

  #open(
    subbuf: Uint8Array | undefined,
    thread: ThreadTotals | undefined,
  ): { packets: PacketStream; out: SinkStream } {
    this.#packets ??= this.#format.stream(this.cpu, this.isLate)
    this.#out ??= this.#sink.stream(this.name)
    const packets = this.#packets
    const out = this.#out
    if (out.bytes === 0 && !this.isLate) {
      out.append(packets.head(subbuf, thread), 0)
      packets.written()
    }
    return { packets, out }
  }
}

/** The sum of refused records. */
export function sumOfCauses({ full, tooBig, bad }: RingLosses['discarded']): number {
  return full + tooBig + bad
}
