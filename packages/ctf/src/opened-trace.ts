/**
 * One trace, opened to read its items: its streams, its threads, and what its metadata says now.
 */
import { join } from 'node:path'
import { parseFacts, type TraceFacts } from './facts.js'
import type { TraceProcess, TraceThread } from './items.js'
import { METADATA_HEAD, parseUuid, type MetadataClock, type MetadataInput } from './metadata.js'
import type { EventClass } from './schema.js'
import { PacketReader, RecordReader, type PacketHeader, type StreamFormat } from './stream.js'
import { LiveFormat, readMetadata, streamFiles } from './trace-files.js'
import { partsInOrder } from './stream-parts.js'
import type { HeaderReader, StreamReader, TraceSource } from './trace-source.js'

/** How the metadata of our own traces begin, and those of others don't. */
const OUR_HEAD = `${METADATA_HEAD}\nenv {`

/** Whether rchan wrote this metadata. */
export function isOurs(metadata: Buffer): boolean {
  return metadata.toString('latin1', 0, OUR_HEAD.length) === OUR_HEAD
}

export class OpenedTrace implements TraceSource {
  readonly folder: string
  readonly process: TraceProcess
  readonly format: StreamFormat
  readonly records: LiveFormat
  readonly uuid: string
  /** Without {@link facts}. */
  readonly env: Readonly<Record<string, string | number>>
  readonly facts: TraceFacts | undefined
  readonly clock: MetadataClock
  readonly events: readonly EventClass[]
  readonly #threads = new Map<string, TraceThread>()
  /** Of each CPU the thread that was asked for last: the records of one come in a row. */
  readonly #latest = new Map<number, TraceThread>()

  /** @param index of the process among those that are opened together. */
  constructor(folder: string, metadata: MetadataInput, index: number) {
    const { env, facts } = parseFacts(metadata.env)
    this.uuid = metadata.uuid
    this.env = env
    this.facts = facts
    this.clock = metadata.clock
    this.events = metadata.events
    this.folder = folder
    this.format = { uuid: parseUuid(metadata.uuid), global: metadata.global === true }
    this.records = new LiveFormat(folder, metadata)
    this.process = { pid: typeof env.pid === 'number' ? env.pid : -1, folder, env, index }
    for (const { cpu, generation, threadId } of facts?.threads ?? []) this.threadOf(threadId, cpu, generation)
  }

  /** What the metadata says now. */
  latest(): { readonly facts: TraceFacts | undefined; readonly events: readonly EventClass[] } {
    const { env, events } = readMetadata(this.folder)
    return { facts: parseFacts(env).facts, events }
  }

  /** Whether the recording has ended: it says so, or its process is gone. */
  isOver(): boolean {
    if (this.latest().facts !== undefined) return true
    try {
      process.kill(this.process.pid, 0)
      return false
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EPERM'
    }
  }

  /** The thread with a number. One object for each. */
  readonly threadOf = (threadId: number, cpu: number, generation: number): TraceThread => {
    const latest = this.#latest.get(cpu)
    if (latest?.threadId === threadId) return latest
    // A thread id is not used twice. In a global trace it is cut to 16 bits, and the CPU tells on.
    const key = `${threadId} ${cpu}`
    let thread = this.#threads.get(key)
    if (thread === undefined) {
      const name = this.records.threadName(threadId)
      thread = { process: this.process, threadId, name, cpu, generation }
      this.#threads.set(key, thread)
    }
    this.#latest.set(cpu, thread)
    return thread
  }

  mayHave(pids: readonly number[]): boolean {
    return pids.includes(this.process.pid)
  }

  headers(path: string): HeaderReader {
    return new PacketReader(path, this.format)
  }

  open(path: string): StreamReader {
    return new RecordReader(path, this.format, this.records, this.threadOf)
  }

  streamKey(_path: string, { streamInstanceId }: PacketHeader): string {
    return String(streamInstanceId)
  }

  streams(): string[][] {
    return partsInOrder(
      this,
      streamFiles(this.folder).map((file) => join(this.folder, file)),
    )
  }
}
