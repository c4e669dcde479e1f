/**
 * Reads one stream file, packet by packet and record by record.
 *
 * Owns the file descriptor and the memory of one packet, because a stream may be bigger than
 * memory. The content of a file is untrusted: every size is bounded before it is used. The first
 * violation of the format ends the reading with a TraceError that says where it is. Any thread;
 * never writes.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { Decoder } from './decode.js'
import { wordsOf, type PacketBytes } from './field-readers.js'
import type { TraceItem, TraceThread } from './items.js'
import { PACKET, PACKET_HEADER_BYTES, PACKET_MAGIC } from './packet.js'
import {
  align,
  EVENT_CPU_OFFSET,
  EVENT_THREAD_OFFSET,
  EVENT_HEADER_BYTES,
  EVENT_ID_OFFSET,
  RECORD_ALIGN_BYTES,
} from './record.js'
import { TraceError } from './trace-error.js'
import type { TraceRecord } from './trace-record.js'

/** The maximum size of a packet in bytes. Offsets inside it stay below 2^31. */
const MAX_PACKET_BYTES = 2 ** 30
/**
 * The most bytes of a packet that are content. (A sub-buffer of a recording has at most 256 KiB.
 * The last packet of a stream that is recorded covers room for more, which is empty.)
 */
const MAX_CONTENT_BYTES = 2 ** 20

/**
 * How often a header is read, at most. It changes only once, so two of these reads in a row agree.
 */
const HEADER_TRIES = 4

/** Stands for the CPU of a stream that all CPUs write. */
export const ALL_CPUS = -1

/** The part of a trace's metadata that applies to all its streams. */
export interface StreamFormat {
  /** The uuid of the trace. Every packet carries it. */
  readonly uuid: Uint8Array
  /** Whether records carry their CPU. Otherwise packets do. */
  readonly global: boolean
}

/** The header of a packet, checked. */
export interface PacketHeader {
  /** Start of the packet, in bytes from the start of the file. */
  readonly offset: number
  /** Bytes of the packet, a multiple of 8. */
  readonly packetBytes: number
  /** Bytes from the start of the packet to the exact end of its last record. */
  readonly contentBytes: number
  /** Nanoseconds of the trace's clock; no record of the packet is earlier. */
  readonly timestampBegin: bigint
  /** Nanoseconds of the trace's clock; no record of the packet is later. */
  readonly timestampEnd: bigint
  /** Number of the packet in its stream. A gap means that packets were lost. */
  readonly sequence: number
  /** Events discarded since the start of the stream. */
  readonly eventsDiscarded: number
  /** {@link ALL_CPUS} in a global trace. */
  readonly cpu: number
  /**
   * How often the CPU's place had been taken before. In a global trace this and the thread are 0.
   */
  readonly generation: number
  readonly threadId: number
  /** The same in all files that are parts of one stream. */
  readonly streamInstanceId: bigint
}

/** The packets of one stream file, in the order of the file. */
export class PacketReader implements PacketBytes {
  readonly path: string
  bytes: Buffer
  view: DataView
  words: BigUint64Array | undefined
  limit = 0
  end = 0
  wrong: string | undefined
  stringOf: PacketBytes['stringOf'] = () => undefined
  /** Whether the file was found to end within a packet, which begins at {@link wholeBytes}. */
  isTorn = false
  private readonly fd: number
  private fileBytes: number
  private readonly uuid: Buffer
  /** The header as the previous read found it. */
  private readonly before = Buffer.alloc(PACKET_HEADER_BYTES)
  private readonly global: boolean
  private previous: PacketHeader | undefined

  constructor(path: string, { uuid, global }: StreamFormat) {
    this.path = path
    this.uuid = Buffer.from(uuid)
    this.global = global
    this.bytes = Buffer.alloc(PACKET_HEADER_BYTES)
    this.view = viewOf(this.bytes)
    this.words = wordsOf(this.bytes)
    try {
      this.fd = openSync(path, 'r')
    } catch (error) {
      throw new TraceError(path, `can't be opened (${String(error)})`, { cause: error })
    }
    try {
      this.fileBytes = fstatSync(this.fd).size
    } catch (error) {
      this.close()
      throw new TraceError(path, `can't be read (${String(error)})`, { cause: error })
    }
  }

  close(): void {
    closeSync(this.fd)
  }

  /** The end of the packet whose header was read last: up to there the file has whole packets. */
  get wholeBytes(): number {
    return this.previous === undefined ? 0 : this.previous.offset + this.previous.packetBytes
  }

  /**
   * Reads and checks the next packet's header.
   *
   * @param isLive whether the file may have grown, and an empty packet at its end does not count.
   * @returns undefined at the end of the file.
   */
  nextHeader(isLive = false): PacketHeader | undefined {
    if (isLive) this.fileBytes = this.sizeNow()
    const offset = this.wholeBytes
    if (offset === this.fileBytes) return undefined
    if (this.fileBytes - offset < PACKET_HEADER_BYTES) this.failCutOff(offset)
    // While a trace is recorded, its last packet is empty: it covers the room for the packets to
    // come. When the file is done, it is cut off.
    if (this.readHeader(offset) === 'gone') return undefined
    const header = this.parseHeader(offset)
    const isRoom = header.contentBytes === PACKET_HEADER_BYTES
    if (isLive && isRoom && offset + header.packetBytes === this.fileBytes) return undefined
    this.previous = header
    return header
  }

  /** Reads the records of the packet whose header was read last. Sets `limit` and `end`. */
  readContent(header: PacketHeader): void {
    const { contentBytes, offset } = header
    if (this.bytes.length < contentBytes) {
      const grown = Buffer.allocUnsafe(
        Math.max(contentBytes, Math.min(this.bytes.length * 2, MAX_CONTENT_BYTES)),
      )
      this.bytes.copy(grown, 0, 0, PACKET_HEADER_BYTES)
      this.bytes = grown
      this.view = viewOf(grown)
      this.words = wordsOf(grown)
    }
    this.read(PACKET_HEADER_BYTES, contentBytes, offset + PACKET_HEADER_BYTES, offset)
    this.limit = contentBytes
    this.end = PACKET_HEADER_BYTES
  }

  fail(offset: number, what: string): never {
    throw new TraceError(this.path, what, { offset })
  }

  private failCutOff(packetOffset: number): never {
    this.isTorn = true
    throw new TraceError(
      this.path,
      `ends in the middle of a packet at byte ${this.fileBytes}; it is whole up to byte ${packetOffset}: ` +
        `cut it off there to read the rest, as rchan recover does`,
      { offset: packetOffset },
    )
  }

  /**
   * Reads a header. A header changes once: the header of an empty packet becomes that of the real
   * packet in its place. No system promises that a read sees the whole change at once, so the
   * header counts when two reads agree.
   *
   * @returns 'gone' if the file now ends before it.
   */
  private readHeader(offset: number): 'read' | 'gone' {
    for (let tries = 0; tries < HEADER_TRIES; tries += 1) {
      if (this.readSome(0, PACKET_HEADER_BYTES, offset, offset) < PACKET_HEADER_BYTES) {
        if (this.sizeNow() <= offset) return 'gone'
        this.failShorter(offset)
      }
      if (this.before.equals(this.bytes.subarray(0, PACKET_HEADER_BYTES))) break
      this.bytes.copy(this.before, 0, 0, PACKET_HEADER_BYTES)
    }
    return 'read'
  }

  private sizeNow(): number {
    try {
      return fstatSync(this.fd).size
    } catch (error) {
      throw new TraceError(this.path, `can't be read (${String(error)})`, { cause: error })
    }
  }

  /** Fills bytes `from` to `to` of the buffer. */
  private read(from: number, to: number, position: number, packetOffset: number): void {
    if (this.readSome(from, to, position, packetOffset) < to - from) this.failShorter(packetOffset)
  }

  private failShorter(packetOffset: number): never {
    return this.fail(packetOffset, `became shorter while it was read`)
  }

  /**
   * Fills bytes `from` to `to` of the buffer, as far as the file goes. @returns the number of
   * bytes.
   */
  private readSome(from: number, to: number, position: number, packetOffset: number): number {
    let at = from
    while (at < to) {
      let count: number
      try {
        count = readSync(this.fd, this.bytes, at, to - at, position + at - from)
      } catch (error) {
        throw new TraceError(this.path, `can't be read (${String(error)})`, {
          offset: packetOffset,
          cause: error,
        })
      }
      if (count === 0) break
      at += count
    }
    return at - from
  }

  private parseHeader(offset: number): PacketHeader {
    const { view, previous } = this
    const magic = view.getUint32(PACKET.magic, true)
    if (magic !== PACKET_MAGIC) {
      this.fail(
        offset,
        `expected a packet, which starts with magic=0x${PACKET_MAGIC.toString(16)}, found 0x${magic.toString(16).padStart(8, '0')}` +
          (offset === 0 ? ': not a stream of this trace, so it should not be in the folder' : ''),
      )
    }
    const uuid = this.bytes.subarray(PACKET.uuid, PACKET.uuid + 16)
    if (!this.uuid.equals(uuid)) {
      this.fail(
        offset + PACKET.uuid,
        `packet has uuid=${uuid.toString('hex')}, the trace has ${this.uuid.toString('hex')}: it belongs to another trace`,
      )
    }
    const streamId = view.getUint32(PACKET.streamId, true)
    if (streamId !== 0) this.fail(offset + PACKET.streamId, `packet has stream_id=${streamId}, expected 0`)
    const sizes = this.parseSizes(offset)
    const header: PacketHeader = {
      offset,
      ...sizes,
      timestampBegin: view.getBigUint64(PACKET.timestampBegin, true),
      timestampEnd: view.getBigUint64(PACKET.timestampEnd, true),
      sequence: this.count('packet_seq_num', PACKET.sequence, offset),
      eventsDiscarded: this.count('events_discarded', PACKET.eventsDiscarded, offset),
      cpu: this.global ? ALL_CPUS : view.getUint32(PACKET.cpuId, true),
      generation: this.global ? 0 : view.getUint32(PACKET.generation, true),
      threadId: this.global ? 0 : view.getUint32(PACKET.threadId, true),
      streamInstanceId: view.getBigUint64(PACKET.streamInstanceId, true),
    }
    if (header.timestampEnd < header.timestampBegin) {
      this.fail(
        offset + PACKET.timestampEnd,
        `packet has timestamp_end=${header.timestampEnd}, before its timestamp_begin=${header.timestampBegin}`,
      )
    }
    if (previous === undefined && !this.global && BigInt(header.cpu) !== header.streamInstanceId) {
      this.fail(
        offset + PACKET.cpuId,
        `packet has cpu_id=${header.cpu}, and its stream_instance_id=${header.streamInstanceId} is that of another CPU`,
      )
    }
    if (previous !== undefined) this.checkSuccession(previous, header)
    return header
  }

  private parseSizes(offset: number): { packetBytes: number; contentBytes: number } {
    const packetBits = this.view.getBigUint64(PACKET.packetBits, true)
    const contentBits = this.view.getBigUint64(PACKET.contentBits, true)
    const leastBits = BigInt(PACKET_HEADER_BYTES * 8)
    if (packetBits % 64n !== 0n || packetBits < leastBits || packetBits > BigInt(MAX_PACKET_BYTES) * 8n) {
      this.fail(
        offset + PACKET.packetBits,
        `packet has packet_size=${packetBits} bits, expected a multiple of 64, from ${leastBits} to ${MAX_PACKET_BYTES * 8}`,
      )
    }
    if (contentBits % 8n !== 0n || contentBits < leastBits || contentBits > packetBits) {
      this.fail(
        offset + PACKET.contentBits,
        `packet has content_size=${contentBits} bits, expected a multiple of 8, from ${leastBits} to its packet_size=${packetBits}`,
      )
    }
    if (contentBits > BigInt(MAX_CONTENT_BYTES) * 8n) {
      this.fail(
        offset + PACKET.contentBits,
        `packet has content_size=${contentBits} bits, and rchan writes at most ${MAX_CONTENT_BYTES * 8}`,
      )
    }
    const packetBytes = Number(packetBits) / 8
    if (packetBytes > this.fileBytes - offset) this.failCutOff(offset)
    return { packetBytes, contentBytes: Number(contentBits) / 8 }
  }

  private count(name: string, at: number, offset: number): number {
    const value = this.view.getBigUint64(at, true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.fail(offset + at, `packet has ${name}=${value}, more than can have been counted`)
    }
    return Number(value)
  }

  private checkSuccession(previous: PacketHeader, header: PacketHeader): void {
    const { offset } = header
    if (header.cpu !== previous.cpu) {
      this.fail(offset + PACKET.cpuId, `packet has cpu_id=${header.cpu}, the one before has ${previous.cpu}`)
    }
    if (header.streamInstanceId !== previous.streamInstanceId) {
      this.fail(
        offset + PACKET.streamInstanceId,
        `packet has stream_instance_id=${header.streamInstanceId}, the one before has ${previous.streamInstanceId}`,
      )
    }
    if (header.timestampBegin < previous.timestampEnd) {
      this.fail(
        offset + PACKET.timestampBegin,
        `packet has timestamp_begin=${header.timestampBegin}, before the end ${previous.timestampEnd} of the one before`,
      )
    }
    if (header.sequence <= previous.sequence) {
      this.fail(
        offset + PACKET.sequence,
        `packet has packet_seq_num=${header.sequence}, the one before has ${previous.sequence}`,
      )
    }
    if (header.eventsDiscarded < previous.eventsDiscarded) {
      this.fail(
        offset + PACKET.eventsDiscarded,
        `packet has events_discarded=${header.eventsDiscarded}, less than ${previous.eventsDiscarded} of the one before`,
      )
    }
  }
}

/** What the metadata says of records. */
export interface RecordFormat {
  /** @returns undefined if no event has this id. */
  decoder(id: number): Decoder | undefined
  /** @returns the name of the thread with this number; empty if none is known. */
  threadName(number: number): string
  /** @returns the interned string of this number; undefined if the metadata has none. */
  stringOf(number: number): string | undefined
}

/** Finds the thread of a packet or record. */
type FindThread = (threadId: number, cpu: number, generation: number) => TraceThread

/**
 * The records of one stream file, or the items that they are, in the order of the file: what
 * `StreamReader` asks.
 */
export class RecordReader {
  /** The header of the packet that is read. */
  header: PacketHeader | undefined
  /** The record that {@link next} found. */
  record: TraceRecord | undefined
  /** The item that {@link step} found. */
  item: TraceItem | undefined
  private readonly packets: PacketReader
  private readonly format: RecordFormat
  private readonly threadOf: FindThread
  private readonly global: boolean
  private lastTime = 0n
  /** Of a record: the name of its thread, the thread that {@link threadName} is of. */
  private threadId = -1
  private threadName = ''
  /** Of an item: the thread of the packet; in a global trace, of the last record. */
  private thread: TraceThread | undefined

  constructor(path: string, streamFormat: StreamFormat, format: RecordFormat, threadOf: FindThread) {
    this.packets = new PacketReader(path, streamFormat)
    this.global = streamFormat.global
    this.format = format
    this.threadOf = threadOf
    this.packets.stringOf = (number) => format.stringOf(number)
  }

  close(): void {
    this.packets.close()
  }

  /** Steps to the next packet or item. */
  step(isLive: boolean, from: bigint | undefined): 'packet' | 'item' | 'end' {
    const { packets, header } = this
    if (header !== undefined && packets.end < packets.limit) {
      this.item = this.readItem(header)
      return 'item'
    }
    const next = packets.nextHeader(isLive)
    if (next === undefined) return 'end'
    const isSkipped = from !== undefined && next.timestampEnd < from
    this.begin(next, isSkipped)
    return 'packet'
  }

  /** Steps to the next record. @returns whether there is one. */
  next(): boolean {
    const { packets } = this
    while (this.header === undefined || packets.end >= packets.limit) {
      const next = packets.nextHeader()
      if (next === undefined) {
        this.record = this.header = undefined
        return false
      }
      this.begin(next, false)
    }
    this.record = this.readRecord(this.header)
    return true
  }

  /** Begins a packet. */
  private begin(header: PacketHeader, isSkipped: boolean): void {
    const { packets } = this
    this.header = header
    this.thread = undefined
    if (isSkipped) {
      packets.limit = 0
      packets.end = 0
    } else packets.readContent(header)
    this.lastTime = header.timestampBegin
  }

  private readRecord(header: PacketHeader): TraceRecord {
    const packets: PacketReader = this.packets
    const start = this.startOfRecord(header)
    const time = timeAt(packets, start)
    const decoder = this.decoderAt(header, start)
    packets.wrong = undefined
    const fields = decoder.decode(packets, start)
    if (fields === undefined) this.failRecord(header, start, decoder)
    if (time < this.lastTime || time > header.timestampEnd) this.failTime(header, start, time)
    this.lastTime = time
    const { global } = this
    const threadId = global ? packets.view.getUint16(start + EVENT_THREAD_OFFSET, true) : header.threadId
    if (threadId !== this.threadId) {
      this.threadId = threadId
      this.threadName = this.format.threadName(threadId)
    }
    return {
      time,
      cpu: global ? packets.view.getUint16(start + EVENT_CPU_OFFSET, true) : header.cpu,
      generation: global ? -1 : header.generation,
      threadId,
      threadName: this.threadName,
      event: decoder.event,
      fields,
    }
  }

  private readItem(header: PacketHeader): TraceItem {
    const packets: PacketReader = this.packets
    const start = this.startOfRecord(header)
    const time = timeAt(packets, start)
    const decoder = this.decoderAt(header, start)
    packets.wrong = undefined
    let { thread } = this
    if (thread === undefined || this.global) thread = this.threadAt(header, start)
    const item = decoder.item(packets, start, time, thread)
    if (item === undefined) this.failRecord(header, start, decoder)
    if (time < this.lastTime || time > header.timestampEnd) this.failTime(header, start, time)
    this.lastTime = time
    return item
  }

  private startOfRecord(header: PacketHeader): number {
    const { end, limit } = this.packets
    const start = align(end, RECORD_ALIGN_BYTES)
    if (start + EVENT_HEADER_BYTES > limit) this.failEnd(header, start, 'a record')
    return start
  }

  private decoderAt(header: PacketHeader, start: number): Decoder {
    const id = this.packets.view.getUint32(start + EVENT_ID_OFFSET, true)
    const decoder = this.format.decoder(id)
    if (decoder === undefined) {
      this.packets.fail(
        header.offset + start + EVENT_ID_OFFSET,
        `record has id=${id}, which no event in the metadata has`,
      )
    }
    return decoder
  }

  private threadAt(header: PacketHeader, start: number): TraceThread {
    const { view } = this.packets
    this.thread = this.global
      ? this.threadOf(
          view.getUint16(start + EVENT_THREAD_OFFSET, true),
          view.getUint16(start + EVENT_CPU_OFFSET, true),
          -1,
        )
      : this.threadOf(header.threadId, header.cpu, header.generation)
    return this.thread
  }

  private failRecord(header: PacketHeader, start: number, { event }: Decoder): never {
    const { wrong } = this.packets
    if (wrong === undefined) this.failEnd(header, start, `a record of ${event.name}`)
    return this.packets.fail(header.offset + start, `a record of ${event.name} starts here: ${wrong}`)
  }

  private failEnd(header: PacketHeader, start: number, what: string): never {
    return this.packets.fail(
      header.offset + start,
      `${what} starts here and does not end inside the packet's content, which ends at byte ${header.offset + header.contentBytes}`,
    )
  }

  private failTime(header: PacketHeader, start: number, time: bigint): never {
    return this.packets.fail(
      header.offset + start,
      time < this.lastTime
        ? `record has timestamp=${time}, before ${this.lastTime}: time runs backwards`
        : `record has timestamp=${time}, after its packet's timestamp_end=${header.timestampEnd}`,
    )
  }
}

function timeAt({ words, view }: PacketBytes, start: number): bigint {
  return words === undefined ? view.getBigUint64(start, true) : words[start >> 3]
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
