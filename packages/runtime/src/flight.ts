/**
 * The flight recorder of a recording: takes snapshots as far as the limits allow, and counts what
 * was not taken. Runs on the consumer thread.
 */
import { BUFFER, GlobalReader } from '@rchan/ring'
import { now } from './clock.js'
import type { LookoutOptions } from './lookout.js'
import type { PacketFormat } from './packet-format.js'
import type { Sink } from './sink.js'
import { SnapshotFolders } from './snapshot-folders.js'
import type { FlightTotals, NotTaken, Snapshot, SnapshotThread } from './snapshot-totals.js'
import { writeSnapshot, type SnapshotSource } from './snapshot.js'
import type { SnapshotCause, Trigger } from './trigger.js'

/** How many snapshots to take and to keep. */
export interface SnapshotLimits {
  /** The most snapshots. */
  readonly max: number
  /** The most bytes of all snapshots together. */
  readonly maxBytes: number
  /** The least time between two snapshots that triggers take, in milliseconds. */
  readonly minIntervalMs: number
  /**
   * Which stay when there are too many: the newest (the oldest folders are removed), or the oldest
   * (no further ones are taken).
   */
  readonly keep: 'newest' | 'oldest'
}

/** The recorder's data for a flight recorder. */
export interface FlightInit {
  /** Absolute. */
  readonly dir: string
  readonly limits: SnapshotLimits
  /** What else than a call causes a snapshot. */
  readonly lookout: LookoutOptions
  /** How far back snapshots should reach, in milliseconds; 0 if the user didn't say. */
  readonly keepMs: number
}

/** A snapshot was not taken because of a limit. */
export class SnapshotRefused extends Error {}

/** Triggers to which the least time between two snapshots does not apply: somebody asked. */
const ASKED: readonly Trigger[] = ['call', 'request']
/** How many results are remembered for the end. */
const MOST_RESULTS = 100

/** What a flight recorder works with. */
export interface FlightParts {
  readonly source: SnapshotSource
  /** Makes a sink that writes a folder. */
  readonly createSink: (path: string) => Sink
  readonly createFormat: (sink: Sink) => PacketFormat
}

export class FlightRecorder {
  readonly #init: FlightInit
  readonly #parts: FlightParts
  readonly #folders: SnapshotFolders
  readonly #notTaken = { number: 0, rate: 0, bytes: 0, failed: 0 }
  readonly #last: Snapshot[] = []
  #taken = 0
  #notTakenBefore = 0
  /** When the last snapshot was begun, in nanoseconds. */
  #begunAt: bigint | undefined
  #error: string | undefined

  constructor(init: FlightInit, parts: FlightParts) {
    this.#init = init
    this.#parts = parts
    this.#folders = new SnapshotFolders(init.dir)
  }

  /**
   * Takes a snapshot. Takes two grace periods, and the time to copy and write what the rings hold.
   *
   * @throws SnapshotRefused when a limit forbids it; Error when it can't be written. Then nothing
   * of it stays, and it is counted.
   */
  take(cause: SnapshotCause): Snapshot {
    this.#checkLimits(cause.trigger)
    const begunAt = now()
    this.#begunAt = begunAt
    const snapshot = this.#write(cause, begunAt)
    this.#taken += 1
    this.#last.push(snapshot)
    if (this.#last.length > MOST_RESULTS) this.#last.shift()
    this.#makeRoom()
    return snapshot
  }

  totals(): FlightTotals {
    return {
      taken: this.#taken,
      removed: this.#folders.removed,
      notTaken: { ...this.#notTaken },
      last: [...this.#last],
      error: this.#error,
    }
  }

  #write(cause: SnapshotCause, begunAt: bigint): Snapshot {
    const { source, createSink, createFormat } = this.#parts
    const { trigger, reason, at, thread } = cause
    const notTaken = this.#sumOfNotTaken()
    let draft: string | undefined
    let sink: Sink | undefined
    try {
      draft = this.#folders.begin()
      const open = createSink(draft)
      sink = open
      const event = { trigger, reason, at, thread, notTaken: notTaken - this.#notTakenBefore }
      const content = writeSnapshot(source, () => createFormat(open), open, event)
      open.close()
      // oxlint-disable-next-line unicorn/no-useless-undefined -- it is closed, and a failure below
      // must not close it again
      sink = undefined
      const time = Date.now() - Number(now() - content.cut) / 1e6
      const { path, bytes } = this.#folders.publish(draft, time, trigger, reason)
      this.#notTakenBefore = notTaken
      const { threads, events, lost, problems } = content
      const reachMs = reachOf(threads, Number(content.cut - source.startedAt) / 1e6)
      return {
        path,
        trigger,
        reason,
        at: Math.round(time),
        reachMs,
        threads,
        events,
        bytes,
        lost,
        durationMs: Number(now() - begunAt) / 1e6,
        notTaken: { ...this.#notTaken },
        warnings: [...problems, ...this.#reachWarnings(threads)],
      }
    } catch (error) {
      sink?.close()
      const isGone = draft === undefined || this.#folders.discard(draft)
      this.#notTaken.failed += 1
      const message =
        `the snapshot (${trigger}: ${reason}) could not be written to ${this.#init.dir}: ${(error as Error).message}` +
        (isGone ? '; nothing of it is left' : `; its incomplete rest is in ${draft}`)
      this.#error ??= message
      throw new Error(message, { cause: error })
    }
  }

  #checkLimits(trigger: Trigger): void {
    const { max, maxBytes, minIntervalMs, keep } = this.#init.limits
    const sinceMs = this.#begunAt === undefined ? Infinity : Number(now() - this.#begunAt) / 1e6
    if (sinceMs < minIntervalMs && !ASKED.includes(trigger)) {
      this.#refuse(
        'rate',
        `the last one was begun ${Math.floor(sinceMs)} ms ago, minIntervalMs=${minIntervalMs}`,
      )
    }
    if (keep === 'oldest' && this.#folders.count >= max) {
      this.#refuse('number', `${this.#folders.count} were taken, max=${max}, and the oldest are kept`)
    }
    const needed = heldBytes(this.#parts.source)
    const before = keep === 'oldest' ? this.#folders.bytes : 0
    if (before + needed > maxBytes) {
      this.#refuse(
        'bytes',
        `it may take ${needed} bytes${before > 0 ? ` beside ${before} of those that are kept` : ''}, maxBytes=${maxBytes}`,
      )
    }
  }

  #refuse(cause: keyof NotTaken, why: string): never {
    this.#notTaken[cause] += 1
    throw new SnapshotRefused(`no snapshot is taken: ${why} (in the option snapshots of startRecording)`)
  }

  /** Removes the oldest snapshots, if the newest are kept. */
  #makeRoom(): void {
    const { max, maxBytes, keep } = this.#init.limits
    if (keep === 'oldest') return
    while (this.#folders.count > 1 && (this.#folders.count > max || this.#folders.bytes > maxBytes)) {
      this.#folders.removeOldest()
    }
  }

  #sumOfNotTaken(): number {
    const { number, rate, bytes, failed } = this.#notTaken
    return number + rate + bytes + failed
  }

  /** What to say of threads whose parts reach back less far than the user asked for. */
  #reachWarnings(threads: readonly SnapshotThread[]): string[] {
    const { keepMs } = this.#init
    const short = threads.filter(({ hasLostOlder, reachMs }) => hasLostOlder && reachMs < keepMs)
    if (short.length === 0) return []
    const { threadId, threadName, reachMs } = short.reduce((a, b) => (a.reachMs < b.reachMs ? a : b))
    const { global, possibleCpus } = this.#parts.source.arena
    const { subbufSize, subbufCount } = (global ?? this.#parts.source.arena.channel.buffer(0)).geometry
    const size = subbufSize * subbufCount
    const needed = Math.ceil((size * keepMs) / Math.max(reachMs, 1) / 2 ** 20)
    const others = short.length === 1 ? '' : ` (and ${short.length - 1} more)`
    return [
      `of thread ${threadId} (${threadName})${others} only the last ${seconds(reachMs)} s are there, of keepSeconds=` +
        `${seconds(keepMs)}: it traces so much that its buffer of ${Math.round(size / 2 ** 20)} MiB holds no more; ` +
        `about ${needed} MiB would: give bufferSize` +
        (global === undefined ? `, with possibleCpus=${possibleCpus} of that size` : ''),
    ]
  }
}

/** How far back all threads' parts reach. */
function reachOf(threads: readonly SnapshotThread[], sinceStartMs: number): number {
  return threads.reduce(
    (least, { hasLostOlder, reachMs }) => (hasLostOlder ? Math.min(least, reachMs) : least),
    sinceStartMs,
  )
}

/** The most bytes that the rings hold now. */
function heldBytes(source: SnapshotSource): number {
  const { global, possibleCpus } = source.arena
  if (global !== undefined) {
    const { subbufSize, subbufCount } = global.geometry
    return subbufSize * Math.min(subbufCount, new GlobalReader(global, { keeps: true }).completed() + 1)
  }
  let bytes = 0
  for (let cpu = 0; cpu < possibleCpus; cpu += 1) {
    if (!source.tenures.has(cpu)) continue
    const { counters, geometry } = source.arena.channel.buffer(cpu)
    const started = Number(Atomics.load(counters, BUFFER.started >> 3))
    bytes += geometry.subbufSize * Math.min(started, geometry.subbufCount)
  }
  return bytes
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 10_000 ? 1 : 0)
}
