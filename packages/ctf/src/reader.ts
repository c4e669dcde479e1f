/**
 * `@rchan/ctf/reader`: opens a trace folder that rchan wrote, and gives its events in the order of
 * time.
 *
 * Decides which files of a folder count, merges the streams, and adds up the losses. Runs
 * synchronously on any thread. Never writes. Keeps one packet of each stream in memory.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { makeDecoder, type Decoder } from './decode.js'
import { parseFacts, type CutFact, type ThreadFact, type TraceFacts } from './facts.js'
import type { DecodedValue } from './field-readers.js'
import { NO_STRING, parseUuid, type MetadataClock, type MetadataInput } from './metadata.js'
import type { EventClass, Kind, Level, Schema } from './schema.js'
import type {
  Field,
  FieldType,
  FieldTypeName,
  FieldTypeNode,
  FieldTypeValues,
  NumberTypeName,
  TypeOptions,
} from './types.js'
import { PacketReader, RecordReader } from './stream.js'
import type { PacketHeader, RecordFormat, StreamFormat, TraceRecord } from './stream.js'
import { ThreadNames } from './thread-names.js'
import { TraceError } from './trace-error.js'
import { parseMetadata } from './tsdl.js'

export { ALL_CPUS } from './stream.js'
export { parseMetadata } from './tsdl.js'
export { TraceError, type TraceErrorPlace } from './trace-error.js'
export type {
  AsyncItem,
  CounterItem,
  EventItem,
  FlowItem,
  GapItem,
  ItemFields,
  ItemOptions,
  ItemSource,
  LossItem,
  Outcome,
  RecordedItem,
  SpanItem,
  ThreadItem,
  TraceItem,
  TraceProcess,
  TraceThread,
} from './items.js'
export type {
  CutFact,
  DecodedValue,
  EventClass,
  Field,
  FieldType,
  FieldTypeName,
  FieldTypeNode,
  FieldTypeValues,
  Kind,
  Level,
  MetadataClock,
  NumberTypeName,
  Schema,
  ThreadFact,
  TraceFacts,
  TraceRecord,
  TypeOptions,
}

/** A stream file that holds at least one packet. */
export interface TraceStream {
  /** The file's name in the folder. */
  readonly file: string
  /** {@link ALL_CPUS} (−1) in a trace of one global buffer. */
  readonly cpu: number
}

/** Known losses in the streams of one CPU. */
export interface CpuLosses {
  /** {@link ALL_CPUS} (−1) in a trace of one global buffer. */
  readonly cpu: number
  /** Records that were never written, from the CPU's first packet to its last. */
  readonly eventsDiscarded: number
  /** Packets that were written but are not in the trace. */
  readonly packetsLost: number
}

/**
 * An open trace. It keeps no file open: `records()` and `losses()` open the files that they read,
 * and close them.
 */
export interface Trace {
  readonly folder: string
  /** Canonical lower-case text form. */
  readonly uuid: string
  readonly env: Readonly<Record<string, string | number>>
  /** What the trace tells of its threads, and of spans that were cut off; undefined if nothing. */
  readonly facts: TraceFacts | undefined
  /**
   * The trace's clock. A record's time plus the clock's offset is wall-clock time, in ns since
   * 1970.
   */
  readonly clock: MetadataClock
  /** The event classes that the metadata had when the trace was opened. */
  readonly events: readonly EventClass[]
  /** The stream files, sorted by name, without empty ones. */
  readonly streams: readonly TraceStream[]
  /**
   * Returns all events, sorted by time, then by CPU. Each one is read when it is asked for.
   *
   * @throws TraceError during the iteration, at the first violation of the format. The records
   * before it have been delivered then.
   */
  records(): IterableIterator<TraceRecord>
  /**
   * Returns the known losses of each CPU in the trace. Reads all packet headers.
   *
   * @throws TraceError if a packet header violates the format.
   */
  losses(): readonly CpuLosses[]
}

/** The longest metadata file that is read, in bytes. */
const MAX_METADATA_BYTES = 2 ** 26

/**
 * Opens a trace.
 *
 * Every regular file in the folder must be a stream of the trace, except `metadata` and names that
 * start with a dot. Folders and devices are ignored. Other readers demand the same. Synchronous;
 * any thread may call it.
 *
 * @param folder the folder with the file `metadata`.
 * @throws TraceError if there is no trace, if rchan can't have written its metadata, or if a file
 * doesn't start with a packet of this trace.
 * @example
 * for (const { time, cpu, event, fields } of openTrace('./trace').records()) console.log(time, cpu, event.name, fields)
 */
export function openTrace(folder: string): Trace {
  const metadata = readMetadata(folder)
  const { facts, env } = parseFacts(metadata.env)
  const { uuid, clock, events, global = false } = metadata
  const format: StreamFormat = { uuid: parseUuid(uuid), global }
  const streams: TraceStream[] = []
  for (const file of streamFiles(folder)) {
    const packets = new PacketReader(join(folder, file), format)
    try {
      const header = packets.nextHeader()
      if (header !== undefined) streams.push({ file, cpu: header.cpu })
    } finally {
      packets.close()
    }
  }
  const paths = streams.map(({ file }) => join(folder, file))
  return {
    folder,
    uuid,
    env,
    facts,
    clock,
    events,
    streams,
    records: () => mergedRecords(paths, format, new LiveFormat(folder, metadata)),
    losses: () => countLosses(paths, format),
  }
}

/**
 * What the metadata says of records. A trace that is still being recorded gets new events and
 * threads, so an unknown id makes this class read the metadata again. The recorder replaces the
 * metadata before it writes a packet that needs it.
 */
class LiveFormat implements RecordFormat {
  private readonly folder: string
  private readonly global: boolean
  private readonly decoders = new Map<number, Decoder>()
  private threads: ThreadNames
  private strings: readonly string[]
  /** Identifies the metadata file that `threads` is from. */
  private version: string | undefined

  constructor(folder: string, { events, threads = [], strings = [], global }: MetadataInput) {
    this.folder = folder
    this.global = global === true
    for (const event of events) this.decoders.set(event.id, makeDecoder(event, this.global))
    this.threads = new ThreadNames(threads)
    this.strings = strings
  }

  decoder(id: number): Decoder | undefined {
    if (!this.decoders.has(id)) this.read()
    return this.decoders.get(id)
  }

  threadName(number: number): string {
    const name = this.threads.get(number)
    if (name !== undefined) return name
    // A file that doesn't name the thread must not be read again for each record.
    if (this.version !== versionOf(this.folder)) this.read()
    return this.threads.get(number) ?? ''
  }

  stringOf(number: number): string | undefined {
    if (number === 0) return NO_STRING
    if (number > this.strings.length && this.version !== versionOf(this.folder)) this.read()
    return this.strings[number - 1]
  }

  private read(): void {
    // Taken first: a file that replaces this one during the read is another version.
    this.version = versionOf(this.folder)
    const { events, threads = [], strings = [] } = readMetadata(this.folder)
    this.threads = new ThreadNames(threads)
    this.strings = strings
    for (const event of events) {
      if (!this.decoders.has(event.id)) this.decoders.set(event.id, makeDecoder(event, this.global))
    }
  }
}

/** Identifies a metadata file, so that it can be told from the file that replaces it. */
function versionOf(folder: string): string | undefined {
  try {
    const { ino, size, mtimeMs } = statSync(join(folder, 'metadata'))
    return `${ino} ${size} ${mtimeMs}`
  } catch {
    return undefined
  }
}

function readMetadata(folder: string): MetadataInput {
  const path = join(folder, 'metadata')
  let text: string
  try {
    const { size } = statSync(path)
    if (size > MAX_METADATA_BYTES) {
      throw new TraceError(path, `${size} bytes of metadata, at most ${MAX_METADATA_BYTES} are read`)
    }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof TraceError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new TraceError(folder, `no trace here: a trace is a folder with a file metadata in it`, {
        cause: error,
      })
    }
    throw new TraceError(path, `can't be read (${String(error)})`, { cause: error })
  }
  return parseMetadata(text, path)
}

function streamFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name !== 'metadata' && !name.startsWith('.') && statSync(join(folder, name)).isFile())
      .sort()
  } catch (error) {
    throw new TraceError(folder, `can't be listed (${String(error)})`, { cause: error })
  }
}

function* mergedRecords(
  paths: readonly string[],
  format: StreamFormat,
  records: RecordFormat,
): IterableIterator<TraceRecord> {
  const readers: RecordReader[] = []
  try {
    for (const path of paths) readers.push(new RecordReader(path, format, records))
    const heap = new StreamHeap(readers)
    for (let reader = heap.first; reader !== undefined; reader = heap.first) {
      yield reader.record as TraceRecord
      heap.step()
    }
  } finally {
    for (const reader of readers) reader.close()
  }
}

/** A binary heap of streams that have a record. The stream with the earliest record is on top. */
class StreamHeap {
  private readonly heap: RecordReader[] = []

  constructor(readers: readonly RecordReader[]) {
    for (const reader of readers) if (reader.next()) this.heap.push(reader)
    for (let i = (this.heap.length >> 1) - 1; i >= 0; i -= 1) this.sink(i)
  }

  get first(): RecordReader | undefined {
    return this.heap[0]
  }

  /** Steps the first stream to its next record. */
  step(): void {
    const top = this.heap[0]
    if (!top.next()) {
      const last = this.heap.pop() as RecordReader
      if (this.heap.length === 0) return
      this.heap[0] = last
    }
    this.sink(0)
  }

  private sink(from: number): void {
    const { heap } = this
    const sinking = heap[from]
    let at = from
    for (let child = at * 2 + 1; child < heap.length; child = at * 2 + 1) {
      if (child + 1 < heap.length && comesBefore(heap[child + 1], heap[child])) {
        child += 1
      }
      const next = heap[child]
      if (!comesBefore(next, sinking)) break
      heap[at] = next
      at = child
    }
    heap[at] = sinking
  }
}

function comesBefore(left: RecordReader, right: RecordReader): boolean {
  const a = left.record as TraceRecord
  const b = right.record as TraceRecord
  return a.time < b.time || (a.time === b.time && a.cpu < b.cpu)
}

/** Summary of the packet headers of one file. */
interface FileAccount {
  readonly path: string
  readonly first: PacketHeader
  readonly last: PacketHeader
  readonly packetCount: number
}

function countLosses(paths: readonly string[], format: StreamFormat): CpuLosses[] {
  // Files with the same stream_instance_id are parts of one stream. Its counters run on from file
  // to file.
  const instances = new Map<bigint, FileAccount[]>()
  for (const path of paths) {
    const account = accountOf(path, format)
    if (account === undefined) continue
    const parts = instances.get(account.first.streamInstanceId)
    if (parts === undefined) instances.set(account.first.streamInstanceId, [account])
    else parts.push(account)
  }
  const cpus = new Map<number, { cpu: number; eventsDiscarded: number; packetsLost: number }>()
  for (const parts of instances.values()) {
    parts.sort((a, b) => a.first.sequence - b.first.sequence)
    checkParts(parts)
    const { first } = parts[0]
    const { last } = parts.at(-1) as FileAccount
    let losses = cpus.get(first.cpu)
    if (losses === undefined)
      cpus.set(first.cpu, (losses = { cpu: first.cpu, eventsDiscarded: 0, packetsLost: 0 }))
    losses.eventsDiscarded += last.eventsDiscarded - first.eventsDiscarded
    losses.packetsLost += last.sequence - first.sequence + 1
    for (const { packetCount } of parts) losses.packetsLost -= packetCount
  }
  return [...cpus.values()].sort((a, b) => a.cpu - b.cpu)
}

function accountOf(path: string, format: StreamFormat): FileAccount | undefined {
  const packets = new PacketReader(path, format)
  try {
    const first = packets.nextHeader()
    if (first === undefined) return undefined
    let last = first
    let packetCount = 1
    for (let header = packets.nextHeader(); header !== undefined; header = packets.nextHeader()) {
      last = header
      packetCount += 1
    }
    return { path, first, last, packetCount }
  } finally {
    packets.close()
  }
}

function checkParts(parts: readonly FileAccount[]): void {
  for (let i = 1; i < parts.length; i += 1) {
    const before = parts[i - 1]
    const { path, first } = parts[i]
    if (
      first.cpu !== before.first.cpu ||
      first.sequence <= before.last.sequence ||
      first.eventsDiscarded < before.last.eventsDiscarded
    ) {
      throw new TraceError(
        path,
        `packet has cpu_id=${first.cpu}, packet_seq_num=${first.sequence}, events_discarded=${first.eventsDiscarded}, which ` +
          `do not follow those of ${before.path}, a part of the same stream (stream_instance_id=${first.streamInstanceId})`,
        { offset: 0 },
      )
    }
  }
}
