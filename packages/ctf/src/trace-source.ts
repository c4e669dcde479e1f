/**
 * What the merges of records and items need of an open trace. Our own traces and those by others
 * are one each. Types only.
 */
import type { TraceFacts } from './facts.js'
import type { TraceItem, TraceThread } from './items.js'
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
  /** The header of the packet that is read. */
  readonly header: PacketHeader | undefined
  /** The record that {@link next} found. */
  readonly record: TraceRecord | undefined
  /** The item that {@link step} found. */
  readonly item: TraceItem | undefined
  /**
   * Steps to the next packet or item.
   *
   * @param isLive whether the file may still grow: then its last packet, if it is empty, does not
   * count yet.
   * @param from packets that end before this time are not looked into.
   * @returns `packet` when `header` is that of the next packet, `item` when `item` is the next one.
   */
  step(isLive: boolean, from: bigint | undefined): 'packet' | 'item' | 'end'
  /** Steps to the next record. @returns whether there is one. */
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
