/**
 * An open trace by others: LTTng-UST, babeltrace2's `sink.ctf.fs`, and whoever keeps to those
 * constructs of CTF 1.8 which our own types have. Synchronous, on any thread. Never writes.
 */
import { join } from 'node:path'
import { parseDeclarations } from './declarations.js'
import { parseFacts, type TraceFacts } from './facts.js'
import { foreignFormat, type ForeignFormat } from './foreign-format.js'
import { ForeignReader, PacketMemory, type ForeignHeader } from './foreign-stream.js'
import type { TraceProcess, TraceThread } from './items.js'
import type { MetadataClock } from './metadata.js'
import { isInPackets, textOfPackets } from './metadata-packets.js'
import type { EventClass } from './schema.js'
import { ALL_CPUS, type PacketHeader } from './stream.js'
import type { TraceRecord } from './trace-record.js'
import { partsInOrder } from './stream-parts.js'
import { streamFiles } from './trace-files.js'
import type { HeaderReader, TraceSource } from './trace-source.js'

export class ForeignTrace implements TraceSource {
  readonly uuid: string
  readonly env: Readonly<Record<string, string | number>>
  readonly facts: TraceFacts | undefined
  readonly clock: MetadataClock
  readonly events: readonly EventClass[]
  readonly #folder: string
  readonly #format: ForeignFormat
  readonly #memory = new PacketMemory()
  readonly #nextIndex: () => number
  /** Of records that don't say it; −1 if the trace doesn't, either. */
  readonly #pid: number
  readonly #processes = new Map<number, TraceProcess>()
  readonly #threads = new Map<string, { -readonly [K in keyof TraceThread]: TraceThread[K] }>()
  /** What {@link threadOf} found last. */
  #last: { pid: number; threadId: number; cpu: number; thread: TraceThread } | undefined
  /** A trace of rchan that went through another program: in its global buffers ids are cut. */
  readonly #isOurs: boolean

  /** @param nextIndex counts the processes of the traces that are opened together. */
  constructor(folder: string, metadata: Buffer, nextIndex: () => number) {
    const path = join(folder, 'metadata')
    const text = isInPackets(metadata) ? textOfPackets(metadata, path) : metadata.toString()
    this.#format = foreignFormat(parseDeclarations(text, path))
    this.#folder = folder
    this.#nextIndex = nextIndex
    const { env, facts } = parseFacts(this.#format.env)
    const { uuid, clock, events } = this.#format
    this.uuid = uuid
    this.env = env
    this.facts = facts
    this.clock = clock
    this.events = events
    this.#isOurs = env.tracer_name === 'rchan'
    const { pid, vpid } = env
    this.#pid = typeof pid === 'number' ? pid : typeof vpid === 'number' ? vpid : -1
    for (const { cpu, generation, threadId, threadName } of facts?.threads ?? []) {
      this.#thread(this.#pid, threadId, cpu, generation, threadName)
    }
  }

  #process(pid: number, procname: string): TraceProcess {
    let process = this.#processes.get(pid)
    if (process === undefined) {
      // The environment is that of all processes in the trace.
      const isNamed = pid !== this.#pid && procname !== ''
      const env = isNamed ? { ...this.env, procname } : this.env
      process = { pid, folder: this.#folder, env, index: this.#nextIndex() }
      this.#processes.set(pid, process)
    }
    return process
  }

  readonly threadOf = (
    threadId: number,
    cpu: number,
    generation: number,
    record?: TraceRecord,
  ): TraceThread => {
    const pid = record?.pid ?? this.#pid
    const last = this.#last
    // Records of one thread come in a row.
    if (last?.threadId === threadId && last.cpu === cpu && last.pid === pid && last.thread.name !== '') {
      return last.thread
    }
    const thread = this.#thread(pid, threadId, cpu, generation, record?.threadName ?? '')
    this.#last = { pid, threadId, cpu, thread }
    return thread
  }

  /**
   * The thread with a number; if the trace doesn't say it, one for each CPU. A thread of another
   * tracer is on any CPU.
   */
  #thread(pid: number, threadId: number, cpu: number, generation: number, name: string): TraceThread {
    const isKnown = threadId >= 0
    const isAnywhere = isKnown && !this.#isOurs
    const key = isAnywhere ? `${pid} ${threadId}` : `${pid} ${threadId} ${cpu}`
    let thread = this.#threads.get(key)
    if (thread === undefined) {
      const named = name !== '' || isKnown ? name : cpu === ALL_CPUS ? 'all CPUs' : `CPU ${cpu}`
      thread = {
        process: this.#process(pid, name),
        threadId,
        name: named,
        cpu: isAnywhere ? ALL_CPUS : cpu,
        generation,
      }
      this.#threads.set(key, thread)
    }
    // The header of a packet may have come first, which does not name it.
    if (thread.name === '') thread.name = name
    return thread
  }

  /** Whether a record is of a process is known when it is read. */
  mayHave(): boolean {
    return true
  }

  latest(): { readonly facts: TraceFacts | undefined; readonly events: readonly EventClass[] } {
    return { facts: this.facts, events: this.events }
  }

  /** Others' traces are read when they are done. */
  isOver(): boolean {
    return true
  }

  streams(): string[][] {
    return partsInOrder(
      this,
      streamFiles(this.#folder).map((file) => join(this.#folder, file)),
    )
  }

  headers(path: string): HeaderReader {
    return this.open(path)
  }

  open(path: string): ForeignReader {
    return new ForeignReader(path, this.#format, this.#memory, this.threadOf)
  }

  streamKey(path: string, first: PacketHeader): string {
    const { stream, hasInstance, streamInstanceId } = first as ForeignHeader
    return hasInstance ? `${stream.id} ${streamInstanceId}` : path
  }
}
