/**
 * `@rchan/ctf/reader`: opens a trace folder that rchan wrote, or another tracer that keeps to what
 * our types have, and gives its events in the order of time.
 *
 * Decides which files of a folder count, merges the streams, and adds up the losses. Runs
 * synchronously on any thread. Never writes. Keeps one packet of each stream in memory.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { CutFact, ThreadFact, TraceFacts } from './facts.js'
import type { DecodedValue } from './field-readers.js'
import { checkFollowOptions, checkItemOptions, followed, itemsOf } from './trace-items.js'
import { ForeignTrace } from './foreign-trace.js'
import { isOurs, OpenedTrace } from './opened-trace.js'
import type { MetadataClock } from './metadata.js'
import type { FollowOptions, ItemOptions, TraceItem } from './items.js'
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
import type { PacketHeader } from './stream.js'
import type { TraceRecord } from './trace-record.js'
import { parseOurs, readMetadataBytes, streamFiles } from './trace-files.js'
import type { StreamReader, TraceSource } from './trace-source.js'
import { TraceError } from './trace-error.js'

export { ALL_CPUS } from './stream.js'
export { parseMetadata } from './tsdl.js'
export { recoverTrace, type RecoveredStream, type RecoverOptions } from './recover.js'
export { TraceError, type TraceErrorPlace } from './trace-error.js'
export { matcherOf, matchesPattern, type Matcher } from './patterns.js'
export type {
  AsyncItem,
  CounterItem,
  EventItem,
  FlowItem,
  FollowOptions,
  FollowSource,
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
  /** Canonical lower-case text form. Empty in a trace by others that has none. */
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
  /**
   * Returns what the trace says, in the order of time: events, spans, losses and more, each as what
   * it is. Keeps one packet of each stream in memory.
   *
   * @throws TypeError for bad options; TraceError during the iteration, as `records`.
   * @example
   * for (const item of openTrace('./trace').items({ events: ['pool:*'] })) {
   *   if (item.type === 'span') console.log(item.event.name, item.end - item.start)
   * }
   */
  items(options?: ItemOptions): IterableIterator<TraceItem>
  /**
   * The same of a recording that still runs: each item some 0.5 s after it was recorded. Ends when
   * the recording has ended, all items before `to` are there, or `signal` is aborted.
   */
  follow(options?: FollowOptions): AsyncIterableIterator<TraceItem>
  /** Returns ns since 1970 for a time of the trace's clock. */
  wallClock(time: bigint): bigint
}

/** The traces of several processes, or of several recordings, read as one. */
export interface TraceSet {
  readonly traces: readonly Trace[]
  /** See {@link Trace.items}. */
  items(options?: ItemOptions): IterableIterator<TraceItem>
  /** See {@link Trace.follow}. */
  follow(options?: FollowOptions): AsyncIterableIterator<TraceItem>
  /** See {@link Trace.wallClock}. */
  wallClock(time: bigint): bigint
}

/**
 * Opens a trace.
 *
 * Every regular file in the folder must be a stream of the trace, except `metadata` and names that
 * start with a dot. Folders and devices are ignored. Other readers demand the same. Synchronous;
 * any thread may call it.
 *
 * @param folder the folder with the file `metadata`.
 * @throws TraceError if there is no trace, if its metadata says something that rchan can't have
 * written, or has no form for in a trace by others, or if a file doesn't start with a packet of
 * this trace.
 * @example
 * for (const { time, cpu, event, fields } of openTrace('./trace').records()) console.log(time, cpu, event.name, fields)
 */
export function openTrace(folder: string): Trace {
  const source = openSource(folder, () => 0)
  const { uuid, env, facts, clock, events } = source
  const streams: TraceStream[] = []
  for (const file of streamFiles(folder)) {
    const packets = source.headers(join(folder, file))
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
    records: () => {
      // Two copies of a stream would give each record twice.
      source.streams()
      return mergedRecords(paths, source)
    },
    losses: () => countLosses(paths, source),
    ...readingOf([folder], [clock]),
  }
}

/** Opens a trace of ours, or one by others. */
function openSource(folder: string, nextIndex: () => number): OpenedTrace | ForeignTrace {
  const bytes = readMetadataBytes(folder)
  if (!isOurs(bytes)) return new ForeignTrace(folder, bytes, nextIndex)
  return new OpenedTrace(folder, parseOurs(bytes, join(folder, 'metadata')), nextIndex())
}

/**
 * Opens several traces as one. Their times must be of one clock: that of one start of a machine.
 *
 * @param folders each as for {@link openTrace}.
 * @throws TraceError as {@link openTrace}, and if the clocks differ.
 */
export function openTraces(folders: readonly string[]): TraceSet {
  const traces = folders.map((folder) => openTrace(folder))
  const [first] = traces
  if (first === undefined) throw new TypeError('openTraces: folders is empty')
  for (const trace of traces) {
    if (trace.clock.uuid !== first.clock.uuid) {
      throw new TraceError(
        trace.folder,
        `its clock (${trace.clock.uuid}) is not that of ${first.folder} (${first.clock.uuid}): their times can't be compared`,
      )
    }
  }
  return {
    traces,
    ...readingOf(
      folders,
      traces.map(({ clock }) => clock),
    ),
  }
}

/** The folders in which LTTng puts traces, some levels deep: `ust/uid/0/64-bit`. */
const LTTNG_DOMAINS: readonly string[] = ['ust', 'kernel']
const LTTNG_DEPTH = 3

/**
 * Finds the traces in a folder: the folder itself, or those in it, two levels deep. Sessions of
 * LTTng count as one level. A folder in it whose `metadata` is empty is left out: its process died
 * while it began to record.
 *
 * @returns their folders, sorted; none if there is no trace.
 */
export function findTraces(folder: string): string[] {
  return foldersOf(folder, 2, false)
}

/** Whether the process that should have recorded into a folder died before its first packet. */
function hasNotBegun(folder: string): boolean {
  const found = statSync(join(folder, 'metadata'), { throwIfNoEntry: false })
  return found?.isFile() === true && found.size === 0
}

function foldersOf(folder: string, depth: number, isInside = true): string[] {
  let entries
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw new TraceError(folder, `can't be listed (${String(error)})`, { cause: error })
  }
  if (entries.some((entry) => entry.name === 'metadata' && !entry.isDirectory())) {
    return isInside && hasNotBegun(folder) ? [] : [folder]
  }
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => {
      if (LTTNG_DOMAINS.includes(name)) return foldersOf(join(folder, name), LTTNG_DEPTH)
      return depth === 0 ? [] : foldersOf(join(folder, name), depth - 1)
    })
}

function readingOf(
  folders: readonly string[],
  clocks: readonly MetadataClock[],
): Pick<Trace, 'items' | 'follow' | 'wallClock'> {
  const open = (): TraceSource[] => {
    let count = 0
    return folders.map((folder) => openSource(folder, () => (count += 1) - 1))
  }
  const [{ offsetSeconds, offsetNs }] = clocks
  const offset = BigInt(offsetSeconds) * 1_000_000_000n + BigInt(offsetNs)
  return {
    items: (options = {}) => itemsOf(open(), checkItemOptions(options)),
    follow: (options = {}) => {
      const traces = open()
      return followed(
        () => traces,
        checkFollowOptions(options),
        () => process.hrtime.bigint(),
      )
    },
    wallClock: (time) => time + offset,
  }
}

function* mergedRecords(paths: readonly string[], source: TraceSource): IterableIterator<TraceRecord> {
  const readers: StreamReader[] = []
  try {
    for (const path of paths) readers.push(source.open(path))
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
  private readonly heap: StreamReader[] = []

  constructor(readers: readonly StreamReader[]) {
    for (const reader of readers) if (reader.next()) this.heap.push(reader)
    for (let i = (this.heap.length >> 1) - 1; i >= 0; i -= 1) this.sink(i)
  }

  get first(): StreamReader | undefined {
    return this.heap[0]
  }

  /** Steps the first stream to its next record. */
  step(): void {
    const top = this.heap[0]
    if (!top.next()) {
      const last = this.heap.pop() as StreamReader
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

function comesBefore(left: StreamReader, right: StreamReader): boolean {
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

function countLosses(paths: readonly string[], source: TraceSource): CpuLosses[] {
  // Files with the same stream_instance_id are parts of one stream. Its counters run on from file
  // to file.
  const instances = new Map<string, FileAccount[]>()
  for (const path of paths) {
    const account = accountOf(path, source)
    if (account === undefined) continue
    const key = source.streamKey(path, account.first)
    const parts = instances.get(key)
    if (parts === undefined) instances.set(key, [account])
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

function accountOf(path: string, source: TraceSource): FileAccount | undefined {
  const packets = source.headers(path)
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
