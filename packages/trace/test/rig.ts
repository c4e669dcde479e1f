/**
 * One CPU without a recording: control page, arena, writer and, on request, a consumer that puts
 * everything written into a trace. For tests of encoders.
 */
import { BUFFER } from '@rchan/ring'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  PACKET,
  PACKET_HEADER_BYTES,
  layoutRecord,
  makeSchema,
  parseUuid,
  recordEnd,
  schemaText,
  type FieldType,
  type Schema,
} from '@rchan/ctf'
import { openTrace, type TraceRecord } from '@rchan/ctf/reader'
import { thisThread } from '@rchan/threads'
import {
  Arena,
  Control,
  Cpu,
  nodeMachine,
  type Discarded,
  type PacketFormat,
  type Sink,
} from '@rchan/runtime'
import { FileSink } from '@rchan/runtime/file-sink'
import { Consumer, type CpuTotals } from '@rchan/runtime/consumer'
import { createFormat } from '@rchan/trace/ctf-format'
import { interpretEncoder, makeEncoder, type Encoder } from '@rchan/trace/facade'

const UUID = '2a6422d0-6cee-41e0-8c08-cb07d7b3a564'

export interface RigOptions {
  readonly subbufSize: number
  readonly subbufCount: number
  readonly mode?: 'discard' | 'overwrite'
  /** Whether the CPU writes a global buffer. */
  readonly global?: boolean
}

export class Rig {
  readonly control = Control.create({
    ...nodeMachine,
    now: () => 0,
    sleep: () => undefined,
    isDead: () => false,
  })
  readonly cpu = new Cpu(this.control)
  readonly arena: Arena
  readonly #global: boolean
  readonly #schemas: Schema[] = []
  /** Before the first record, because the stream of a global buffer starts then. */
  readonly #start: { folder: string; format: PacketFormat; sink: Sink } | undefined

  /**
   * @param client fills the packet headers. The caller takes it from the CPU that `tracepoint`
   * uses.
   */
  constructor(client: Parameters<Cpu['setClient']>[0], options: RigOptions) {
    const { subbufSize, subbufCount, mode = 'discard', global = false } = options
    this.#global = global
    const headerBytes = PACKET_HEADER_BYTES
    const channel = { subbufSize, subbufCount, mode, headerBytes, possibleCpus: 1, global }
    this.arena = Arena.create(channel, 1, thisThread().identity, parseUuid(UUID))
    this.cpu.setClient(client)
    this.cpu.setArena(this.arena)
    if (global) this.#start = this.#format()
    this.control.enable(1)
  }

  /** Records that were refused. */
  discarded(): Discarded {
    const { buffer } = this.cpu.writer ?? this.cpu.globalWriter ?? {}
    return buffer?.discarded() ?? { full: 0, tooBig: 0, bad: 0 }
  }

  #format(): { folder: string; format: PacketFormat; sink: Sink } {
    const folder = mkdtempSync(join(tmpdir(), 'rchan test '))
    const sink = new FileSink(folder)
    const shared = { control: this.control.memory, arena: this.arena.memory, sink }
    const init = { uuid: UUID, clock: { offsetSeconds: 0, offsetNs: 0 }, env: {} }
    return { folder, sink, format: createFormat(this.#global ? { ...init, global: true } : init, shared) }
  }

  /** Enters a schema into the table. @returns its id. */
  declare(schema: Schema): number {
    const id = this.control.declare(schemaText(schema))
    this.#schemas[id] = schema
    return id
  }

  /** Declares a tracepoint, compiled or interpreted. */
  encoder(
    kind: 'compiled' | 'interpreted',
    name: string,
    fields: Readonly<Record<string, FieldType>>,
  ): Encoder {
    const schema = makeSchema(name, fields)
    const id = this.declare(schema)
    return kind === 'compiled'
      ? makeEncoder(this.cpu, id, schema.name, schema.fields)
      : interpretEncoder(this.cpu, id, schema.fields)
  }

  /**
   * The bytes of all sub-buffers of the CPU's own buffer, all times and gaps set to 0. Nothing is
   * consumed.
   */
  bytes(): Buffer[] {
    const { buffer } = this.cpu.writer ?? {}
    if (buffer === undefined) return []
    const { subbufSize, subbufCount } = buffer.geometry
    const started = Number(Atomics.load(buffer.counters, BUFFER.started >> 3))
    return Array.from({ length: Math.min(started, subbufCount) }, (_, index) => {
      const end = buffer.words[buffer.endWord(index)]
      const bytes = Buffer.from(buffer.data.slice(index * subbufSize, end))
      bytes.fill(0, PACKET.timestampBegin, PACKET.timestampEnd + 8)
      for (let at = PACKET_HEADER_BYTES; at < bytes.length;) {
        bytes.fill(0, at, at + 8)
        const layout = layoutRecord(this.#schemas[bytes.readUInt32LE(at + 8)].fields)
        const next = recordEnd(layout, bytes, at, bytes.length)
        if (next < 0) throw new Error(`no whole record at ${at} of sub-buffer ${index}`)
        bytes.fill(0, next, Math.min(bytes.length, (next + 7) & -8))
        at = (next + 7) & -8
      }
      return bytes
    })
  }

  /** Delivers everything through a consumer, and reads it back. */
  deliver(): { records: TraceRecord[]; totals: CpuTotals | undefined; folder: string } {
    this.control.enable(0)
    const { folder, format, sink } = this.#start ?? this.#format()
    try {
      const setup = { flushIntervalMs: 100, graceMs: 10 }
      const quiet = { postArena: () => undefined, takeCalls: () => [], trouble: () => undefined }
      format.prepare([])
      const { cpus, error } = new Consumer(this.control, this.arena, format, sink, setup, quiet).finish()
      if (error !== undefined) throw new Error(error)
      return { records: [...openTrace(folder).records()], totals: cpus[0], folder }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
