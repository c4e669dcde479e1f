/**
 * One trace, opened to read its items: its streams, its threads, and what its metadata says now.
 */
import { join } from 'node:path'
import { parseFacts, type TraceFacts } from './facts.js'
import type { TraceProcess, TraceThread } from './items.js'
import { parseUuid } from './metadata.js'
import type { EventClass } from './schema.js'
import { PacketReader, type PacketHeader, type StreamFormat } from './stream.js'
import { LiveFormat, readMetadata, streamFiles } from './trace-files.js'
import { TraceError } from './trace-error.js'

export class OpenedTrace {
  readonly folder: string
  readonly process: TraceProcess
  readonly format: StreamFormat
  readonly records: LiveFormat
  readonly #threads = new Map<string, TraceThread>()

  /** @param index of the process among those that are opened together. */
  constructor(folder: string, index: number) {
    const metadata = readMetadata(folder)
    const { env, facts } = parseFacts(metadata.env)
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
    // A thread id is not used twice. In a global trace it is cut to 16 bits, and the CPU tells on.
    const key = `${threadId} ${cpu}`
    let thread = this.#threads.get(key)
    if (thread === undefined) {
      const name = this.records.threadName(threadId)
      thread = { process: this.process, threadId, name, cpu, generation }
      this.#threads.set(key, thread)
    }
    return thread
  }

  /**
   * The files of each stream, in their order. Files with the same `stream_instance_id` are parts of
   * one stream.
   *
   * @throws TraceError if a file is no stream of this trace, or two hold the same packets.
   */
  streams(): string[][] {
    const instances = new Map<bigint, { readonly path: string; readonly first: PacketHeader }[]>()
    for (const file of streamFiles(this.folder)) {
      const path = join(this.folder, file)
      const packets = new PacketReader(path, this.format)
      try {
        const first = packets.nextHeader()
        if (first === undefined) continue
        const parts = instances.get(first.streamInstanceId) ?? []
        parts.push({ path, first })
        instances.set(first.streamInstanceId, parts)
      } finally {
        packets.close()
      }
    }
    return [...instances.values()].map((parts) => {
      parts.sort((a, b) => a.first.sequence - b.first.sequence)
      for (let i = 1; i < parts.length; i += 1) {
        if (parts[i].first.sequence !== parts[i - 1].first.sequence) continue
        throw new TraceError(
          parts[i].path,
          `begins with the same packet as ${parts[i - 1].path} (packet_seq_num=${parts[i].first.sequence} of ` +
            `stream_instance_id=${parts[i].first.streamInstanceId}): it is a copy, so remove one of them`,
          { offset: 0 },
        )
      }
      return parts.map(({ path }) => path)
    })
  }
}
