/**
 * Reads one stream file of a trace by others, packet by packet and record by record.
 *
 * Owns the file descriptor and the memory of one packet. The content of a file is untrusted: every
 * size is bounded before it is used, and each record takes at least a bit. The first violation of
 * the format ends the reading with a TraceError that says where it is. Any thread; never writes.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { Bits } from './bits.js'
import type { DecodedValue } from './field-readers.js'
import type { ForeignDecoder, ForeignFormat, ForeignStream } from './foreign-format.js'
import { itemMaker, type ItemMaker } from './item-maker.js'
import type { TraceItem } from './items.js'
import { parseUuid } from './metadata.js'
import { PACKET_MAGIC } from './packet.js'
import type { EventClass } from './schema.js'
import { ALL_CPUS, type PacketHeader } from './stream.js'
import type { TraceRecord } from './trace-record.js'
import type { ThreadOf } from './trace-source.js'
import { TraceError } from './trace-error.js'

/** Bytes that are read to find the header of a packet: first so many, then at most so many. */
const HEADER_BYTES = [2 ** 12, 2 ** 16] as const
/** The most bytes of a packet that are content. */
const MAX_CONTENT_BYTES = 2 ** 26
/** The most bytes that all readers of one trace have: each keeps one packet. */
const MAX_ALL_BYTES = 2 ** 29
/** Fields of a record's context that become members of the record. */
const KNOWN_CONTEXT = new Set(['cpu_id', 'thread_id', 'vpid', 'vtid', 'pid', 'tid', 'procname'])

/** The header of a packet of another tracer. */
export interface ForeignHeader extends PacketHeader {
  readonly stream: ForeignStream
  /** Without it each file is a stream of its own. */
  readonly hasInstance: boolean
  /** The time in ticks of the clock; undefined if the packet doesn't say it. */
  readonly beginTicks: bigint | undefined
  /** Whether the end is known. Otherwise `timestampEnd` becomes the time of the last record. */
  readonly hasEnd: boolean
  timestampEnd: bigint
  readonly threadName: string
}

type Values = Record<string, DecodedValue>

/** The memory of all readers of a trace. Files can be sparse, so their sizes bound nothing. */
export class PacketMemory {
  #left = MAX_ALL_BYTES

  /** @returns whether there was as much. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

export class ForeignReader {
  readonly path: string
  header: ForeignHeader | undefined
  record: TraceRecord | undefined
  item: TraceItem | undefined
  readonly #threadOf: ThreadOf
  readonly #makers = new Map<EventClass, ItemMaker>()
  readonly #format: ForeignFormat
  readonly #uuid: Buffer | undefined
  readonly #memory: PacketMemory
  readonly #bits = new Bits((what) => this.#fail(what))
  readonly #fd: number
  readonly #fileBytes: number
  #nextOffset = 0
  #packets = 0
  /** What is read, for messages, and its first bit. */
  #doing = ''
  #start = 0
  #lastTime = 0n

  constructor(path: string, format: ForeignFormat, memory: PacketMemory, threadOf: ThreadOf) {
    this.path = path
    this.#format = format
    this.#threadOf = threadOf
    this.#memory = memory
    this.#uuid = format.uuid === '' ? undefined : Buffer.from(parseUuid(format.uuid))
    try {
      this.#fd = openSync(path, 'r')
    } catch (error) {
      throw new TraceError(path, `can't be opened (${String(error)})`, { cause: error })
    }
    try {
      this.#fileBytes = fstatSync(this.#fd).size
    } catch (error) {
      closeSync(this.#fd)
      throw new TraceError(path, `can't be read (${String(error)})`, { cause: error })
    }
  }

  close(): void {
    closeSync(this.#fd)
    this.#memory.giveBack(this.#bits.bytes.length)
    this.#bits.bytes = Buffer.alloc(0)
  }

  /** Steps to the next packet or item. The file does not grow. */
  step(_isLive: boolean, from: bigint | undefined): 'packet' | 'item' | 'end' {
    const found = this.#step(from)
    if (found !== 'record') return found
    this.item = this.#itemOf(this.record as TraceRecord)
    return 'item'
  }

  #itemOf(record: TraceRecord): TraceItem {
    const { time, event, fields, context, threadId, cpu, generation } = record
    let make = this.#makers.get(event)
    if (make === undefined) this.#makers.set(event, (make = itemMaker(event)))
    return make(time, this.#threadOf(threadId, cpu, generation, record), fields, context)
  }

  #step(from: bigint | undefined): 'packet' | 'record' | 'end' {
    const { header } = this
    const bits = this.#bits
    if (header !== undefined) {
      if (bits.at < bits.limit) {
        this.record = this.#decode(header)
        return 'record'
      }
      if (!header.hasEnd) header.timestampEnd = this.#lastTime
    }
    const next = this.nextHeader()
    if (next === undefined) return 'end'
    const isSkipped = from !== undefined && next.hasEnd && next.timestampEnd < from
    if (isSkipped) bits.at = bits.limit
    else this.#readContent(next)
    this.#lastTime = next.timestampBegin
    if (next.beginTicks !== undefined) bits.time = next.beginTicks
    return 'packet'
  }

  /** Steps to the next record. @returns whether there is one. */
  next(): boolean {
    for (;;) {
      const found = this.#step(undefined)
      if (found === 'record') return true
      if (found === 'end') {
        this.record = undefined
        return false
      }
    }
  }

  /**
   * Reads and checks the next packet's header.
   *
   * @returns undefined at the end of the file.
   */
  nextHeader(): ForeignHeader | undefined {
    const offset = this.#nextOffset
    if (offset === this.#fileBytes) return undefined
    const left = this.#fileBytes - offset
    const [few, many] = HEADER_BYTES
    let header: ForeignHeader
    try {
      header = this.#readHeader(offset, Math.min(left, few))
    } catch (error) {
      if (left <= few || !(error instanceof TraceError)) throw error
      header = this.#readHeader(offset, Math.min(left, many))
    }
    this.#checkSuccession(header)
    this.header = header
    this.#nextOffset = offset + header.packetBytes
    this.#packets += 1
    return header
  }

  #readHeader(offset: number, count: number): ForeignHeader {
    const { packetHeader, streams } = this.#format
    const bits = this.#bits
    this.#fill(0, count, offset)
    bits.at = 0
    bits.limit = count * 8
    this.#begin('a packet', offset)
    const head = packetHeader?.(bits) ?? {}
    this.#checkIdentity(head)
    const streamId = head.stream_id === undefined ? undefined : Number(head.stream_id)
    const only = streams.size === 1 ? streams.values().next().value : undefined
    const stream = streamId === undefined ? only : streams.get(streamId)
    if (stream === undefined) {
      return bits.fail(
        streamId === undefined
          ? `it has no stream_id, and the metadata has ${streams.size} streams`
          : `it has stream_id=${streamId}, which no stream in the metadata has`,
      )
    }
    const context = stream.packetContext?.read(bits) ?? {}
    return this.#headerOf(offset, stream, head, context)
  }

  #checkIdentity(head: Values): void {
    const { magic, uuid } = head
    if (magic !== undefined && Number(magic) !== PACKET_MAGIC) {
      this.#fail(
        `expected a packet with magic=0x${PACKET_MAGIC.toString(16)}, found 0x${Number(magic).toString(16).padStart(8, '0')}` +
          (this.#nextOffset === 0 ? ': not a stream of this trace, so it should not be in the folder' : ''),
      )
    }
    if (
      this.#uuid !== undefined &&
      Array.isArray(uuid) &&
      !this.#uuid.equals(Buffer.from(uuid as number[]))
    ) {
      this.#fail(
        `it has uuid=${Buffer.from(uuid as number[]).toString('hex')}, the trace has ${this.#uuid.toString('hex')}: it belongs to another trace`,
      )
    }
  }

  #headerOf(offset: number, stream: ForeignStream, head: Values, context: Values): ForeignHeader {
    const { toNs } = this.#format
    const begin = wholeOf(context.timestamp_begin)
    const end = wholeOf(context.timestamp_end)
    // A packet that a crash left open has no end.
    const hasEnd = end !== undefined && !(end === 0n && (begin ?? 0n) > 0n)
    if (hasEnd && begin !== undefined && end < begin) {
      this.#fail(`it has timestamp_end=${end}, before its timestamp_begin=${begin}`)
    }
    const timestampBegin =
      begin === undefined ? later(this.#lastTime, this.header?.timestampEnd) : toNs(begin)
    const cells = stream.packetContext?.cells
    const instance = wholeOf(head.stream_instance_id)
    const thread = context.thread_id
    return {
      offset,
      ...this.#sizesOf(offset, context),
      timestampBegin,
      timestampEnd: hasEnd ? toNs(end) : timestampBegin,
      hasEnd,
      beginTicks: begin,
      sequence: this.#countOf(context, 'packet_seq_num') ?? this.#packets,
      // LTTng reads its counters while threads write: a packet that was ended later can have less.
      eventsDiscarded: Math.max(
        this.#countOf(context, 'events_discarded') ?? 0,
        this.header?.eventsDiscarded ?? 0,
      ),
      cpu: numberIn(cells?.get('cpu_id')) ?? ALL_CPUS,
      generation: numberIn(cells?.get('generation')) ?? -1,
      threadId: numberIn(cells?.get('thread_id')) ?? -1,
      threadName: nameOf(thread),
      streamInstanceId: instance ?? 0n,
      hasInstance: instance !== undefined && context.packet_seq_num !== undefined,
      stream,
    }
  }

  /** The sizes of a packet. Without them it is the whole file. */
  #sizesOf(offset: number, context: Values): { packetBytes: number; contentBytes: number } {
    const left = BigInt(this.#fileBytes - offset) * 8n
    const head = this.#bits.at
    const contentSize = wholeOf(context.content_size)
    const packetBits = wholeOf(context.packet_size) ?? contentSize ?? left
    const contentBits = contentSize ?? packetBits
    if (packetBits % 8n !== 0n || packetBits === 0n || packetBits < BigInt(head)) {
      this.#fail(
        `it has packet_size=${packetBits} bits, expected a multiple of 8, at least the ${head} of its header`,
      )
    }
    if (packetBits > left) {
      this.#fail(`it has packet_size=${packetBits} bits, and only ${left} are left: the file ends within it`)
    }
    if (contentBits > packetBits || contentBits < BigInt(head)) {
      this.#fail(
        `it has content_size=${contentBits} bits, expected from the ${head} of its header to its packet_size=${packetBits}`,
      )
    }
    if (contentBits > BigInt(MAX_CONTENT_BYTES * 8)) {
      this.#fail(`it has content_size=${contentBits} bits, and at most ${MAX_CONTENT_BYTES * 8} are read`)
    }
    this.#bits.limit = Number(contentBits)
    return { packetBytes: Number(packetBits) / 8, contentBytes: Math.ceil(Number(contentBits) / 8) }
  }

  #countOf(context: Values, name: string): number | undefined {
    const value = wholeOf(context[name])
    if (value !== undefined && value > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.#fail(`it has ${name}=${value}, more than can have been counted`)
    }
    return value === undefined ? undefined : Number(value)
  }

  #checkSuccession(header: ForeignHeader): void {
    const previous = this.header
    if (previous === undefined) return
    this.#begin('a packet', header.offset)
    const same: readonly (readonly [string, unknown, unknown])[] = [
      ['stream_id', header.stream.id, previous.stream.id],
      ['stream_instance_id', header.streamInstanceId, previous.streamInstanceId],
      ['cpu_id', header.cpu, previous.cpu],
    ]
    for (const [name, now, before] of same) {
      if (now !== before) this.#fail(`it has ${name}=${String(now)}, the one before has ${String(before)}`)
    }
    if (header.timestampBegin < previous.timestampEnd) {
      this.#fail(
        `it has timestamp_begin=${header.timestampBegin} ns, before the end ${previous.timestampEnd} of the one before`,
      )
    }
    if (header.sequence <= previous.sequence) {
      this.#fail(`it has packet_seq_num=${header.sequence}, the one before has ${previous.sequence}`)
    }
  }

  /** Reads the rest of a packet's content. The position is that behind the header. */
  #readContent({ offset, contentBytes }: ForeignHeader): void {
    const { length } = this.#bits.bytes
    if (length < contentBytes) this.#grow(Math.max(contentBytes, Math.min(length * 2, MAX_CONTENT_BYTES)))
    this.#fill(0, contentBytes, offset)
  }

  #grow(size: number): void {
    const { bytes: before } = this.#bits
    if (!this.#memory.take(size - before.length)) {
      this.#fail(`one packet of each stream takes more than ${MAX_ALL_BYTES} bytes of memory`)
    }
    const bytes = Buffer.allocUnsafe(size)
    this.#bits.bytes = bytes
    this.#bits.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Fills bytes `from` to `to` of the buffer. */
  #fill(from: number, to: number, position: number): void {
    if (this.#bits.bytes.length < to) this.#grow(to)
    let at = from
    while (at < to) {
      let count: number
      try {
        count = readSync(this.#fd, this.#bits.bytes, at, to - at, position + at - from)
      } catch (error) {
        throw new TraceError(this.path, `can't be read (${String(error)})`, {
          offset: position,
          cause: error,
        })
      }
      if (count === 0)
        throw new TraceError(this.path, 'became shorter while it was read', { offset: position })
      at += count
    }
  }

  #decode(header: ForeignHeader): TraceRecord {
    const bits: Bits = this.#bits
    const { stream } = header
    const start = bits.at
    this.#start = header.offset + (start >> 3)
    this.#doing = 'a record'
    stream.readHeader(bits)
    const id = Number(stream.eventId.value)
    const decoder = stream.decoder(id)
    if (decoder === undefined) bits.fail(`it has id=${id}, which no event of stream ${stream.id} has`)
    this.#doing = `a record of ${decoder.event.name}`
    const context = stream.eventContext?.read(bits)
    const own = decoder.readContext?.(bits)
    const fields = decoder.read(bits)
    if (bits.at === start) bits.fail('it has no bits, so there is no end of them')
    const time = this.#format.toNs(bits.time)
    this.#checkTime(time, header)
    return this.#recordOf(header, time, decoder, fields, context, own)
  }

  #checkTime(time: bigint, header: ForeignHeader): void {
    if (time < this.#lastTime) {
      this.#fail(`it has the time ${time} ns, before ${this.#lastTime}: time runs backwards`)
    }
    if (header.hasEnd && time > header.timestampEnd) {
      this.#fail(`it has the time ${time} ns, after its packet's timestamp_end=${header.timestampEnd}`)
    }
    this.#lastTime = time
  }

  #recordOf(
    header: ForeignHeader,
    time: bigint,
    { event }: ForeignDecoder,
    fields: Values,
    context: Values | undefined,
    own: Values | undefined,
  ): TraceRecord {
    const { cpu, generation, threadId, threadName } = header
    if (context === undefined && own === undefined) {
      return { time, cpu, generation, threadId, threadName, event, fields }
    }
    const cells = header.stream.eventContext?.cells
    const pid = numberIn(cells?.get('vpid')) ?? numberIn(cells?.get('pid'))
    const thread = ['vtid', 'tid', 'thread_id'] as const
    const tid = thread.map((name) => numberIn(cells?.get(name))).find((number) => number !== undefined)
    // A thread is not bound to a CPU there.
    const hasCpu = tid !== undefined && cpu !== ALL_CPUS
    const more: Values = hasCpu ? { cpu_id: cpu } : {}
    let hasMore = hasCpu
    for (const [name, value] of Object.entries({ ...context, ...own })) {
      if (KNOWN_CONTEXT.has(name) && context !== undefined && Object.hasOwn(context, name)) continue
      more[name] = value
      hasMore = true
    }
    return {
      time,
      cpu: numberIn(cells?.get('cpu_id')) ?? cpu,
      generation,
      threadId: tid ?? threadId,
      threadName: nameOf(context?.procname) || nameOf(context?.thread_id) || threadName,
      event,
      fields,
      ...(pid === undefined ? {} : { pid }),
      ...(hasMore ? { context: more } : {}),
    }
  }

  #begin(doing: string, offset: number): void {
    this.#doing = doing
    this.#start = offset
  }

  #fail(what: string): never {
    throw new TraceError(this.path, `${this.#doing} starts here: ${what}`, { offset: this.#start })
  }
}

function later(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b > a ? b : a
}

function wholeOf(value: DecodedValue): bigint | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : undefined
}

function numberIn(cell: { readonly value: number | bigint } | undefined): number | undefined {
  return cell === undefined ? undefined : Number(cell.value)
}

/** The label of a thread's number. A number without a label is its own text, and no name. */
function nameOf(value: DecodedValue): string {
  return typeof value === 'string' && !/^-?\d+$/.test(value) ? value : ''
}
