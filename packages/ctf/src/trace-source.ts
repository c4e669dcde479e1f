/**
 * What the merges of records and items need of an open trace. Our own traces and those by others
 * are one each. Types only.
 */
import type { TraceFacts } from './facts.js'
import type { TraceThread } from './items.js'
import type { EventClass } from './schema.js'
import type { PacketHeader } from './stream.js'
import type { TraceRecord } from './trace-record.js'

/** The packet headers of a stream file, in the order of the file. */
export interface HeaderReader {
  nextHeader(): PacketHeader | undefined
  close(): void
}

/** The records of a stream file, in the order of the file. See `RecordReader`. */
export interface StreamReader {
  readonly header: PacketHeader | undefined
  readonly record: TraceRecord | undefined
  step(isLive: boolean, from: bigint | undefined): 'packet' | 'record' | 'end'
  next(): boolean
  close(): void
}

/** Finds the thread of a record or a packet. */
export type ThreadOf = (
  threadId: number,
  cpu: number,
  generation: number,
  record?: TraceRecord,
) => TraceThread

export interface TraceSource {
  readonly threadOf: ThreadOf
  /** Whether something of these processes can be in it. */
  mayHave(pids: readonly number[]): boolean
  /** What the metadata says now. */
  latest(): { readonly facts: TraceFacts | undefined; readonly events: readonly EventClass[] }
  /** Whether the recording has ended. */
  isOver(): boolean
  /**
   * The files of each stream, in their order.
   *
   * @throws TraceError if a file is no stream of this trace, or two hold the same packets.
   */
  streams(): string[][]
  headers(path: string): HeaderReader
  open(path: string): StreamReader
  /** Files with the same key are parts of one stream. */
  streamKey(path: string, first: PacketHeader): string
}
