/**
 * Recordings: from start to stop of one trace. Runs on the thread that records. Loaded only when a recording is
 * started, so that a worker that merely traces doesn't pay for it.
 */
import type { Losses } from '@rchan/runtime/coordinator'
import { Runtime, type CpuTotals, type Totals } from '@rchan/runtime/coordinator'
import { PACKET_HEADER_BYTES, parseUuid } from '@rchan/ctf'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { clockOffsetNs } from './clock.js'
import type { FormatInit } from './format.js'

/** How to record. One of `path` and `dir` is needed. */
export interface RecordingOptions {
  /** The folder of the trace: absent (it is made) or empty. */
  readonly path?: string
  /** A folder in which a fresh one is made for the trace, named after the time. */
  readonly dir?: string
  /**
   * What happens when a thread writes faster than its buffer is drained: its newest events are lost (`'discard'`,
   * the default), or its oldest (`'overwrite'`). Both are counted.
   */
  readonly mode?: 'discard' | 'overwrite'
  /**
   * Bytes of the buffer of each CPU (a thread that traces): 4 MiB unless told, 32 KiB at least, 256 MiB at most;
   * rounded up to whole sub-buffers. Room for `possibleCpus` buffers is set aside, but memory that no thread
   * touches is not used: a program in which 5 threads trace uses 5 buffers, 20 MiB.
   */
  readonly bufferSize?: number
  /** How often events are written that don't fill a sub-buffer yet, in milliseconds: 100 unless told, 10 to 60000. */
  readonly flushIntervalMs?: number
  /** How many threads can trace at once: 64 unless told, 1 to 1024. A thread that ended makes room for the next. */
  readonly possibleCpus?: number
}

/** What came of a recording. All counts are events. */
export interface RecordingSummary {
  /** The folder of the trace. */
  readonly path: string
  /** In the trace. */
  readonly events: number
  /** Never written, all causes. */
  readonly discarded: number
  /** … because the buffer was full, the event longer than a sub-buffer, its arguments bad, its thread without a place. */
  readonly discardedBy: Readonly<Losses>
  /** Written, and overwritten before they could be delivered. */
  readonly overwritten: number
  /** Written, but not readable. */
  readonly torn: number
  /** Written, but the file system did not take them. */
  readonly unwritten: number
  /** CPUs that ever wrote. */
  readonly cpus: number
  readonly perCpu: readonly CpuTotals[]
  /** Bytes of all streams. */
  readonly bytes: number
  /** From start to stop. */
  readonly durationMs: number
  /** The first error of the file system while recording; absent if there was none. */
  readonly error?: string
}

/** A recording that runs. `await using` stops it, too. */
export interface Recording extends AsyncDisposable {
  /** The folder of the trace, absolute. */
  readonly path: string
  /**
   * Stops recording. When it returns, every event whose call returned before is in the files (they are not synced
   * to the disk). A second call returns the same summary.
   *
   * @throws Error when the thread that writes the files failed.
   */
  stop(): Promise<RecordingSummary>
}

const KIB = 1024
const MIB = KIB * KIB
/** A packet is one write, and a kill cut none of up to this size. */
const MAX_SUBBUF_BYTES = 256 * KIB
const MIN_SUBBUF_BYTES = 4 * KIB
/** Sub-buffers of a buffer, unless that makes them too small or too large. */
const SUBBUFS = 16

/** Starts a recording: see `startRecording` of the package's index. */
export async function start(options: RecordingOptions): Promise<Recording> {
  const { mode, bufferSize, flushIntervalMs, possibleCpus } = check(options)
  const folder = prepareFolder(options)
  const uuid = randomUUID()
  try {
    const startedAt = performance.now()
    const runtime = await Runtime.start({
      channel: { ...geometryOf(bufferSize), mode, headerBytes: PACKET_HEADER_BYTES, possibleCpus },
      client: parseUuid(uuid),
      consumer: {
        folder: folder.path,
        flushIntervalMs,
        formatModule: new URL('./format.js', import.meta.url).href,
        formatInit: formatInit(uuid),
      },
    })
    let stopped: Promise<RecordingSummary> | undefined
    const stop = (): Promise<RecordingSummary> => {
      stopped ??= runtime
        .stop()
        .then((totals) => summarize(folder.path, totals, performance.now() - startedAt))
      return stopped
    }
    return {
      path: folder.path,
      stop,
      async [Symbol.asyncDispose]() {
        await stop()
      },
    }
  } catch (error) {
    folder.undo()
    throw new Error(`can't record into ${folder.path}: ${(error as Error).message}`, { cause: error })
  }
}

function check(options: RecordingOptions): Required<Omit<RecordingOptions, 'path' | 'dir'>> {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`startRecording: options=${String(options)}, expected { path } or { dir }`)
  }
  const { path, dir, mode = 'discard' } = options
  if ((path === undefined) === (dir === undefined)) {
    throw new TypeError(
      `startRecording: path=${String(path)}, dir=${String(dir)}: give either path, a folder that is absent or empty, ` +
        `or dir, a folder to make a fresh one in`,
    )
  }
  for (const [name, value] of Object.entries({ path, dir })) {
    if (value !== undefined && (typeof value !== 'string' || value === '' || value.includes('\0'))) {
      throw new TypeError(`startRecording: ${name}=${JSON.stringify(value)} is not the path of a folder`)
    }
  }
  if (mode !== 'discard' && mode !== 'overwrite') {
    throw new TypeError(`startRecording: mode=${String(mode)} is neither 'discard' nor 'overwrite'`)
  }
  const whole = (name: keyof RecordingOptions, fallback: number, least: number, most: number): number => {
    const value = options[name] ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(
        `startRecording: ${name}=${String(value)} is not a whole number from ${least} to ${most}`,
      )
    }
    return value
  }
  return {
    mode,
    bufferSize: whole('bufferSize', 4 * MIB, 32 * KIB, 256 * MIB),
    flushIntervalMs: whole('flushIntervalMs', 100, 10, 60_000),
    possibleCpus: whole('possibleCpus', 64, 1, 1024),
  }
}

/** Cuts a buffer into sub-buffers. */
export function geometryOf(bufferSize: number): { subbufSize: number; subbufCount: number } {
  const pages = (bytes: number): number => Math.ceil(bytes / MIN_SUBBUF_BYTES) * MIN_SUBBUF_BYTES
  const subbufSize = Math.min(MAX_SUBBUF_BYTES, Math.max(MIN_SUBBUF_BYTES, pages(bufferSize / SUBBUFS)))
  return { subbufSize, subbufCount: Math.ceil(bufferSize / subbufSize) }
}

/** A folder that is ready for a trace, and how to leave things as they were. */
function prepareFolder({ path, dir }: RecordingOptions): { path: string; undo(): void } {
  if (dir !== undefined) {
    const parent = resolve(dir)
    const made = makeFolder(parent)
    for (let attempt = 1; ; attempt += 1) {
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
      const fresh = join(parent, `trace-${stamp}${attempt === 1 ? '' : `-${attempt}`}`)
      try {
        mkdirSync(fresh, { mode: 0o700 })
        return { path: fresh, undo: () => unmake(fresh, made) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST' && attempt < 1000) continue
        throw cannotMake(fresh, error)
      }
    }
  }
  const folder = resolve(path as string)
  const made = makeFolder(folder)
  if (made.at(-1) === folder) return { path: folder, undo: () => unmake(folder, made) }
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    throw cannotMake(folder, error)
  }
  if (names.length > 0) {
    throw new Error(
      `can't record into ${folder}: it is not empty (it holds ${names.slice(0, 3).join(', ')}` +
        `${names.length > 3 ? ` and ${names.length - 3} more` : ''}); empty it, name another folder, ` +
        `or give { dir: … } for a fresh one each time`,
    )
  }
  return {
    path: folder,
    undo: () => {
      for (const name of readdirSync(folder)) remove(join(folder, name))
    },
  }
}

/** Makes a folder and those above it. @returns those that were made by us, the topmost first. */
function makeFolder(folder: string): string[] {
  // Not `recursive`: with it Node loops for ever where a parent is there but takes no folder (as in /proc).
  const missing: string[] = []
  for (let at = folder; !existsSync(at); at = dirname(at)) missing.unshift(at)
  const made: string[] = []
  try {
    for (const path of missing) {
      try {
        mkdirSync(path, { mode: 0o700 })
        made.push(path)
      } catch (error) {
        // Another thread or process may have made it meanwhile, for its own trace.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
    if (!statSync(folder).isDirectory()) throw new Error('ENOTDIR: it is not a folder')
  } catch (error) {
    removeEmpty(made)
    throw cannotMake(folder, error)
  }
  return made
}

/** Removes the folder of a trace, and those above it that we made. */
function unmake(folder: string, made: readonly string[]): void {
  remove(folder)
  removeEmpty(made)
}

/** Removes folders that we made, the topmost first in the list, unless others have put something in by now. */
function removeEmpty(made: readonly string[]): void {
  for (const each of made.toReversed()) {
    try {
      rmdirSync(each)
    } catch {
      // Not empty, or gone already.
    }
  }
}

function cannotMake(folder: string, error: unknown): Error {
  return new Error(
    `can't record into ${folder}: ${(error as Error).message}; name a folder that this user can write, ` +
      `absent or empty`,
    { cause: error },
  )
}

function remove(made: string): void {
  try {
    rmSync(made, { recursive: true, force: true })
  } catch {
    // The error that is being reported matters more.
  }
}

function formatInit(uuid: string): FormatInit {
  const offset = clockOffsetNs()
  let bootId: string | undefined
  try {
    bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    // Not Linux: the clock has no identity that other traces could share.
  }
  const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
  return {
    uuid,
    clock: {
      ...(bootId === undefined ? {} : { uuid: bootId }),
      offsetSeconds: Number(offset / 1_000_000_000n),
      offsetNs: Number(offset % 1_000_000_000n),
    },
    env: {
      tracer_name: 'rchan',
      tracer_version: version,
      hostname: hostname(),
      pid: process.pid,
      node_version: process.version,
      platform: `${process.platform}-${process.arch}`,
    },
  }
}

function summarize(path: string, totals: Totals, durationMs: number): RecordingSummary {
  const sum = (of: (cpu: CpuTotals) => number): number =>
    totals.cpus.reduce((total, cpu) => total + of(cpu), 0)
  const discardedBy: Losses = {
    full: sum((cpu) => cpu.discarded.full),
    tooBig: sum((cpu) => cpu.discarded.tooBig),
    bad: sum((cpu) => cpu.discarded.bad),
    unplaced: totals.unplaced,
  }
  return {
    path,
    events: sum((cpu) => cpu.events),
    discarded: discardedBy.full + discardedBy.tooBig + discardedBy.bad + discardedBy.unplaced,
    discardedBy,
    overwritten: sum((cpu) => cpu.overwritten),
    torn: sum((cpu) => cpu.torn),
    unwritten: sum((cpu) => cpu.unwritten),
    cpus: totals.cpus.length,
    perCpu: totals.cpus,
    bytes: sum((cpu) => cpu.bytes),
    durationMs,
    ...(totals.error === undefined ? {} : { error: totals.error }),
  }
}
