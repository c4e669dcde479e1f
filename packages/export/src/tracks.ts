/** The tracks of a Perfetto trace: their numbers, and the packets that describe them. */
import type { PbfWriter } from 'pbf'
import { COUNTER, PACKET, PROCESS, THREAD, TRACE, TRACK, UNIT } from './messages.js'
import type { ProcessIdentity, ThreadIdentity } from './identity.js'

/** The sequence of packets that belong to no thread. */
export const GENERAL_SEQUENCE = 1

/** What a track is. */
interface TrackParts {
  readonly parent?: number
  readonly name?: string
  readonly process?: ProcessIdentity
  readonly thread?: ThreadIdentity
  /** A counter, and its unit. */
  readonly counter?: { readonly unit: string | undefined }
}

interface NumberedParts extends TrackParts {
  readonly uuid: number
}

/** Describes tracks. */
export class Tracks {
  readonly #pbf: PbfWriter
  readonly #processes = new Map<number, number>()
  #count = 0

  constructor(pbf: PbfWriter) {
    this.#pbf = pbf
  }

  /** Describes a track. @returns its number. */
  add(parts: TrackParts): number {
    this.#count += 1
    this.#pbf.writeMessage(TRACE.packet, writeDescriptor, { ...parts, uuid: this.#count })
    return this.#count
  }

  /** Returns the track of a process. */
  process(process: ProcessIdentity): number {
    let uuid = this.#processes.get(process.pid)
    if (uuid === undefined) this.#processes.set(process.pid, (uuid = this.add({ process })))
    return uuid
  }

  /** Describes the track of a thread. @returns its number. */
  thread(thread: ThreadIdentity): number {
    return this.add({ parent: this.process(thread.process), thread })
  }
}

function writeDescriptor(parts: NumberedParts, pbf: PbfWriter): void {
  pbf.writeVarintField(PACKET.sequenceId, GENERAL_SEQUENCE)
  pbf.writeMessage(PACKET.trackDescriptor, writeTrack, parts)
}

function writeTrack({ uuid, parent, name, process, thread, counter }: NumberedParts, pbf: PbfWriter): void {
  pbf.writeVarintField(TRACK.uuid, uuid)
  if (parent !== undefined) pbf.writeVarintField(TRACK.parentUuid, parent)
  if (name !== undefined) pbf.writeStringField(TRACK.name, name)
  if (process !== undefined) pbf.writeMessage(TRACK.process, writeProcess, process)
  if (thread !== undefined) pbf.writeMessage(TRACK.thread, writeThread, thread)
  if (counter !== undefined) pbf.writeMessage(TRACK.counter, writeCounter, counter.unit)
}

function writeProcess({ pid, name }: ProcessIdentity, pbf: PbfWriter): void {
  pbf.writeVarintField(PROCESS.pid, pid)
  pbf.writeStringField(PROCESS.name, name)
}

function writeThread({ process, tid, name }: ThreadIdentity, pbf: PbfWriter): void {
  pbf.writeVarintField(THREAD.pid, process.pid)
  pbf.writeVarintField(THREAD.tid, tid)
  pbf.writeStringField(THREAD.name, name)
}

function writeCounter(unit: string | undefined, pbf: PbfWriter): void {
  if (unit === undefined) return
  if (Object.hasOwn(UNIT, unit)) pbf.writeVarintField(COUNTER.unit, UNIT[unit])
  else pbf.writeStringField(COUNTER.unitName, unit)
}
