/**
 * Repairs a trace whose writing broke off: a stream file may end within a packet then, and no
 * reader takes the trace. The process was killed, the disk was full, a copy was not complete.
 * Synchronous, any thread. The only code of the reader that writes to a trace: it shortens files.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { parseFacts } from './facts.js'
import { parseUuid } from './metadata.js'
import { isOurs } from './opened-trace.js'
import { PACKET, PACKET_HEADER_BYTES, PACKET_MAGIC } from './packet.js'
import { PacketReader, type StreamFormat } from './stream.js'
import { readMetadata, readMetadataBytes, streamFiles } from './trace-files.js'
import { TraceError } from './trace-error.js'

/** Options of {@link recoverTrace}. */
export interface RecoverOptions {
  /** Repairs the trace although the process that recorded it seems to run. */
  readonly force?: boolean
}

/** A stream file that was cut back. */
export interface RecoveredStream {
  /** The file's name in the folder. */
  readonly file: string
  /** Whole packets that it has. */
  readonly packets: number
  /** Its bytes now. */
  readonly keptBytes: number
  /** Bytes that were cut off. */
  readonly cutBytes: number
}

/** How many bytes are searched at once. */
const CHUNK_BYTES = 2 ** 16

/**
 * Cuts each stream of a trace back to its last whole packet. What it cuts off is half a packet, or
 * zeros up to the file's end. Changes no file if all are whole, or if one is damaged in another
 * way. A second call finds nothing to do.
 *
 * @returns the streams that were cut; none if the trace was whole.
 * @throws TraceError if there is no trace, if a stream is damaged in a way that cutting doesn't
 * repair, or if there is something to cut and the trace is still being recorded.
 * @example
 * for (const { file, cutBytes } of recoverTrace('./trace')) console.log(file, cutBytes)
 */
export function recoverTrace(folder: string, { force = false }: RecoverOptions = {}): RecoveredStream[] {
  if (!isOurs(readMetadataBytes(folder))) {
    throw new TraceError(join(folder, 'metadata'), 'is not by rchan, whose traces alone are recovered')
  }
  const metadata = readMetadata(folder)
  const format: StreamFormat = { uuid: parseUuid(metadata.uuid), global: metadata.global === true }
  const torn: RecoveredStream[] = []
  for (const file of streamFiles(folder)) {
    const found = findTear(join(folder, file), format)
    if (found !== undefined) torn.push({ file, ...found })
  }
  const { env, facts } = parseFacts(metadata.env)
  if (torn.length > 0 && !force && facts === undefined && isRunning(env.pid)) {
    throw new TraceError(
      folder,
      `the process that records it still runs (pid=${env.pid}): stop it first, or use force if that is another process by now`,
    )
  }
  for (const stream of torn) shorten(join(folder, stream.file), stream)
  return torn
}

function isRunning(pid: unknown): boolean {
  if (typeof pid !== 'number' || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Returns where a stream file stops being whole; undefined if it is whole. */
function findTear(path: string, format: StreamFormat): Omit<RecoveredStream, 'file'> | undefined {
  const reader = new PacketReader(path, format)
  let packets = 0
  try {
    while (reader.nextHeader() !== undefined) packets += 1
    return undefined
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    const keptBytes = reader.wholeBytes
    const tail = openTail(path, constants.O_RDONLY)
    try {
      // Nothing but zeros comes of a crash of the system. A file of zeros alone may be anything.
      const isZeros = packets > 0 && isZero(tail, keptBytes)
      if (!isZeros) {
        if (!reader.isTorn) throw error
        checkHalfPacket(tail, keptBytes, format, error)
      }
      return { packets, keptBytes, cutBytes: tail.bytes - keptBytes }
    } finally {
      closeSync(tail.fd)
    }
  } finally {
    reader.close()
  }
}

interface OpenFile {
  readonly path: string
  readonly fd: number
  readonly bytes: number
}

function openTail(path: string, flags: number): OpenFile {
  let fd: number | undefined
  try {
    fd = openSync(path, flags | (constants.O_NONBLOCK ?? 0))
    return { path, fd, bytes: fstatSync(fd).size }
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    throw new TraceError(path, `can't be opened (${String(error)})`, { cause: error })
  }
}

/** Goes through a file from an offset on, until `found` returns a number or the file ends. */
function search(
  { path, fd }: OpenFile,
  from: number,
  overlapBytes: number,
  found: (chunk: Buffer) => number,
): number | undefined {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let at = from; ;) {
    let count: number
    try {
      count = readSync(fd, chunk, 0, CHUNK_BYTES, at)
    } catch (error) {
      throw new TraceError(path, `can't be read (${String(error)})`, { offset: at, cause: error })
    }
    const index = found(chunk.subarray(0, count))
    if (index >= 0) return at + index
    if (count <= overlapBytes) return undefined
    at += count - overlapBytes
  }
}

function isZero(file: OpenFile, from: number): boolean {
  const zeros = Buffer.alloc(CHUNK_BYTES)
  const isOther = (chunk: Buffer): boolean => !chunk.equals(zeros.subarray(0, chunk.length))
  return search(file, from, 0, (chunk) => (isOther(chunk) ? 0 : -1)) === undefined
}

/**
 * Checks that a file ends with the start of a packet of the trace, and with nothing else. The file
 * may be no stream at all, and a wrong size may hide whole packets.
 */
function checkHalfPacket(tail: OpenFile, from: number, { uuid }: StreamFormat, cause: TraceError): void {
  const start = Buffer.alloc(PACKET.uuid + uuid.length)
  start.writeUInt32LE(PACKET_MAGIC, PACKET.magic)
  start.set(uuid, PACKET.uuid)
  const there = Buffer.alloc(Math.min(start.length, tail.bytes - from))
  const count = readSync(tail.fd, there, 0, there.length, from)
  if (!there.subarray(0, count).equals(start.subarray(0, count))) {
    throw new TraceError(
      tail.path,
      `the last ${tail.bytes - from} bytes are no part of a packet of this trace, so they are not cut off` +
        (from === 0 ? ': not a stream, so it should not be in the folder' : ''),
      { offset: from, cause },
    )
  }
  if (tail.bytes - from < PACKET_HEADER_BYTES) return
  const next = search(tail, from + 1, start.length - 1, (chunk) => chunk.indexOf(start))
  if (next === undefined) return
  throw new TraceError(
    tail.path,
    `the packet there has a wrong size, because another one begins at byte ${next}: the file doesn't end too soon, ` +
      `and to cut it off would lose whole packets`,
    { offset: from, cause },
  )
}

function shorten(path: string, { keptBytes, cutBytes }: RecoveredStream): void {
  const file = openTail(path, constants.O_RDWR)
  try {
    if (file.bytes !== keptBytes + cutBytes) {
      throw new TraceError(
        path,
        `has ${file.bytes} bytes, and had ${keptBytes + cutBytes}: it is being written`,
      )
    }
    ftruncateSync(file.fd, keptBytes)
  } catch (error) {
    if (error instanceof TraceError) throw error
    throw new TraceError(path, `can't be shortened to ${keptBytes} bytes (${String(error)})`, {
      cause: error,
    })
  } finally {
    closeSync(file.fd)
  }
}
