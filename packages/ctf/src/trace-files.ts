/**
 * The folder of a trace: its metadata, read again when the trace gets new events, threads or
 * strings, and its stream files. Synchronous, on any thread. Never writes.
 */
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { makeDecoder, type Decoder } from './decode.js'
import { NO_STRING, type MetadataInput } from './metadata.js'
import type { EventClass } from './schema.js'
import type { RecordFormat } from './stream.js'
import { ThreadNames } from './thread-names.js'
import { TraceError } from './trace-error.js'
import { parseMetadata } from './tsdl.js'

/** The longest metadata file that is read, in bytes. */
const MAX_METADATA_BYTES = 2 ** 26

/** Decoders of smaller ids stand in a list. */
const MOST_LISTED = 4096

/**
 * What the metadata says of records. A trace that is still being recorded gets new events and
 * threads, so an unknown id makes this class read the metadata again. The recorder replaces the
 * metadata before it writes a packet that needs it.
 */
export class LiveFormat implements RecordFormat {
  private readonly folder: string
  private readonly global: boolean
  private readonly decoders = new Map<number, Decoder>()
  /** Those of small ids, which are found faster. */
  private readonly listed: (Decoder | undefined)[] = []
  private threads: ThreadNames
  private strings: readonly string[]
  /** Identifies the metadata file that `threads` is from. */
  private version: string | undefined

  constructor(folder: string, { events, threads = [], strings = [], global }: MetadataInput) {
    this.folder = folder
    this.global = global === true
    this.addDecoders(events)
    this.threads = new ThreadNames(threads)
    this.strings = strings
  }

  decoder(id: number): Decoder | undefined {
    const decoder = id < MOST_LISTED ? this.listed[id] : this.decoders.get(id)
    if (decoder !== undefined) return decoder
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
    this.addDecoders(events)
  }

  private addDecoders(events: readonly EventClass[]): void {
    for (const event of events) {
      const { id } = event
      if (this.decoders.has(id)) continue
      const decoder = makeDecoder(event, this.global)
      this.decoders.set(id, decoder)
      if (id < MOST_LISTED) this.listed[id] = decoder
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

/**
 * Reads the metadata of a trace.
 *
 * @throws TraceError if there is none, if it is no regular file, or is not rchan's.
 */
export function readMetadata(folder: string): MetadataInput {
  return parseOurs(readMetadataBytes(folder), join(folder, 'metadata'))
}

/**
 * Reads metadata that rchan wrote.
 *
 * @throws TraceError if it is no UTF-8, or not rchan's.
 */
export function parseOurs(bytes: Buffer, path: string): MetadataInput {
  if (isUtf8(bytes)) return parseMetadata(bytes.toString(), path)
  for (let line = 1, from = 0; ; line += 1) {
    const found = bytes.indexOf('\n', from)
    const end = found < 0 ? bytes.length : found
    if (!isUtf8(bytes.subarray(from, end)) || found < 0) {
      throw new TraceError(path, 'expected UTF-8, found bytes that are none', { line })
    }
    from = end + 1
  }
}

/**
 * Reads the metadata file of a trace, whoever wrote it.
 *
 * @throws TraceError if there is none, or if it is no regular file.
 */
export function readMetadataBytes(folder: string): Buffer {
  const path = join(folder, 'metadata')
  let fd: number
  try {
    // A FIFO without a writer would hold a plain open for ever.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new TraceError(folder, `no trace here: a trace is a folder with a file metadata in it`, {
        cause: error,
      })
    }
    throw new TraceError(path, `can't be opened (${String(error)})`, { cause: error })
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new TraceError(path, `is no regular file`)
    if (stat.size === 0) {
      throw new TraceError(path, 'is empty: its recording begins just now, or its process died as it began')
    }
    if (stat.size > MAX_METADATA_BYTES) {
      throw new TraceError(path, `${stat.size} bytes of metadata, at most ${MAX_METADATA_BYTES} are read`)
    }
    const bytes = Buffer.alloc(stat.size)
    let at = 0
    while (at < bytes.length) {
      const count = readSync(fd, bytes, at, bytes.length - at, at)
      if (count === 0) break
      at += count
    }
    return bytes.subarray(0, at)
  } catch (error) {
    if (error instanceof TraceError) throw error
    throw new TraceError(path, `can't be read (${String(error)})`, { cause: error })
  } finally {
    closeSync(fd)
  }
}

/** Returns the names of the stream files in a folder, sorted. */
export function streamFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name !== 'metadata' && !name.startsWith('.') && statSync(join(folder, name)).isFile())
      .sort()
  } catch (error) {
    throw new TraceError(folder, `can't be listed (${String(error)})`, { cause: error })
  }
}
