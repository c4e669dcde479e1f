/**
 * The work of a CPU in this example. Its processes read and write, and every step of every request
 * is a record.
 *
 * Runs step by step, on the thread that is the CPU or plays it. Of the channel it knows only a
 * function that writes a record. A request is queued (Q) and merged with the one before (M), or it
 * gets a structure (G), is inserted (I), issued to the driver (D) and completed (C). A batch is
 * held back (P) and released (U).
 *
 * A record that the channel refuses has a number, too, so a reader of the others sees a gap.
 */
import {
  ACTION_NAMES,
  CATEGORY,
  SECTOR_BYTES,
  deviceOf,
  encodeEvent,
  encodeMessage,
  encodeProcessName,
  encodeWallClock,
  type Action,
  type BlockEvent,
} from './record.js'

/** Writes a record to the channel. @returns whether it was accepted; if not, it is lost. */
export type Write = (record: Uint8Array) => boolean

/** The work that a CPU is to do. */
export interface WorkloadOptions {
  /** Number of batches of requests, unless the work is ended earlier. */
  readonly batches: number
  /** The same seed makes the same requests. */
  readonly seed: number
  /** The monotonic clock that all CPUs share, in ns. */
  readonly now: () => bigint
  /** The wall clock now, in ns since 1970. Only one CPU gets it, and records it in a notice. */
  readonly wallNs?: bigint
}

/** Records written and refused. */
export interface Count {
  written: number
  refused: number
}

/** The fate of a CPU's records. It can be posted to another thread. */
export interface Ledger {
  readonly cpu: number
  readonly actions: Record<Action, Count>
  /** Notices have no numbers, so a lost one leaves no gap. */
  readonly notices: Count
  /**
   * Runs of refused records between the first written record and the last: the first and the last
   * number of each run.
   */
  readonly gaps: readonly (readonly [first: number, last: number])[]
  /** Number of the first record that was written; 0 if none was. */
  readonly firstWritten: number
  /** Number of the last record that was written; 0 if none was. */
  readonly lastWritten: number
  /** Number of the last record. */
  readonly last: number
}

interface Request {
  readonly pid: number
  readonly sector: number
  bytes: number
  readonly flags: number
}

const DEVICE = deviceOf(8, 0)
const PROCESSES = ['postgres', 'kworker/u8:1', 'node', 'fio job']
const BLOCK_BYTES = 4096
const BLOCK_SECTORS = BLOCK_BYTES / SECTOR_BYTES
const DEVICE_BLOCKS = 2 ** 28
const MOST_REQUESTS = 8

/**
 * Does the batches, one after the other.
 *
 * @param write called for each record, in order.
 * @yields after each batch, so that its thread can rest, or play several CPUs; `next(true)` ends
 * the work.
 * @returns the fate of the records.
 * @example
 * const steps = workload((record) => buffer.write(record), 2, { batches: 100, seed: 1, now: process.hrtime.bigint })
 * const ledger = finish(steps)
 */
export function* workload(
  write: Write,
  cpu: number,
  { batches, seed, now, wallNs }: WorkloadOptions,
): Generator<void, Ledger, boolean | undefined> {
  const log = new Log(write, cpu, now)
  const random = generator(seed * 1000 + cpu)
  if (wallNs !== undefined) log.wallClock(wallNs)
  for (const [index, name] of PROCESSES.entries()) log.processName(pidOf(cpu, index), name)
  const underWay: Request[] = []
  for (let batch = 0; batch < batches; batch += 1) {
    const pid = pidOf(cpu, random(PROCESSES.length))
    const requests = queue(log, random, pid)
    for (const request of requests) log.event('D', request)
    underWay.push(...requests)
    // The device completes requests in its own order, and some of them later.
    while (underWay.length > random(MOST_REQUESTS)) {
      const [request] = underWay.splice(random(underWay.length), 1)
      log.event('C', { ...request, pid: 0 })
    }
    if ((yield) === true) break
  }
  for (const request of underWay) log.event('C', { ...request, pid: 0 })
  return log.ledger()
}

/** Runs a workload to its end. */
export function finish(steps: ReturnType<typeof workload>): Ledger {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/**
 * Does a batch of a process: plugs, queues, merges where possible, unplugs.
 * @returns the requests that go to the driver.
 */
function queue(log: Log, random: (limit: number) => number, pid: number): Request[] {
  const flags =
    (random(3) === 0 ? CATEGORY.write : CATEGORY.read) |
    (random(4) === 0 ? CATEGORY.sync : 0) |
    (random(16) === 0 ? CATEGORY.meta : 0)
  const requests: Request[] = []
  const count = 1 + random(MOST_REQUESTS)
  let sector = random(DEVICE_BLOCKS) * BLOCK_SECTORS
  log.event('P', { pid, sector: 0, bytes: 0, flags: 0 })
  for (let i = 0; i < count; i += 1) {
    const request: Request = { pid, sector, bytes: (1 + random(32)) * BLOCK_BYTES, flags }
    log.event('Q', request)
    const before = requests.at(-1)
    if (before !== undefined && before.sector + before.bytes / SECTOR_BYTES === sector) {
      log.event('M', request)
      before.bytes += request.bytes
    } else {
      log.event('G', request)
      requests.push(request)
    }
    const isSequential = random(2) === 0
    sector = isSequential
      ? request.sector + request.bytes / SECTOR_BYTES
      : random(DEVICE_BLOCKS) * BLOCK_SECTORS
  }
  for (const request of requests) log.event('I', request)
  log.event('U', { pid, sector: 0, bytes: 0, flags: 0 }, requests.length)
  return requests
}

/** The log of a CPU: numbers its records, and keeps their fate. */
class Log {
  readonly #write: Write
  readonly #cpu: number
  readonly #now: () => bigint
  readonly #actions = Object.fromEntries(
    ACTION_NAMES.map((action): [Action, Count] => [action, { written: 0, refused: 0 }]),
  ) as Record<Action, Count>
  readonly #notices: Count = { written: 0, refused: 0 }
  readonly #gaps: [first: number, last: number][] = []
  #last = 0
  #firstWritten = 0
  #lastWritten = 0
  #timeNs = 0n

  constructor(write: Write, cpu: number, now: () => bigint) {
    this.#write = write
    this.#cpu = cpu
    this.#now = now
  }

  event(action: Action, { pid, sector, bytes, flags }: Request, requestCount?: number): void {
    this.#last += 1
    const event: BlockEvent = {
      action,
      sequence: this.#last,
      timeNs: this.#time(),
      cpu: this.#cpu,
      device: DEVICE,
      pid,
      sector,
      bytes,
      flags,
      ...(requestCount !== undefined && { requestCount }),
    }
    if (!tally(this.#actions[action], this.#write(encodeEvent(event)))) return
    if (this.#firstWritten === 0) {
      this.#firstWritten = this.#last
    } else if (this.#last - this.#lastWritten > 1) {
      this.#gaps.push([this.#lastWritten + 1, this.#last - 1])
      const lost = this.#last - this.#lastWritten - 1
      this.#notice(encodeMessage(this.#cpu, this.#time(), DEVICE, `cpu ${this.#cpu} lost ${lost} records`))
    }
    this.#lastWritten = this.#last
  }

  processName(pid: number, name: string): void {
    this.#notice(encodeProcessName(this.#cpu, this.#time(), pid, name))
  }

  wallClock(wallNs: bigint): void {
    this.#notice(encodeWallClock(this.#cpu, this.#time(), wallNs))
  }

  ledger(): Ledger {
    return {
      cpu: this.#cpu,
      actions: this.#actions,
      notices: this.#notices,
      gaps: this.#gaps,
      firstWritten: this.#firstWritten,
      lastWritten: this.#lastWritten,
      last: this.#last,
    }
  }

  #notice(record: Uint8Array): void {
    tally(this.#notices, this.#write(record))
  }

  /** The time now, but later than the record before: blkparse sorts by time. */
  #time(): bigint {
    const now = this.#now()
    this.#timeNs = now > this.#timeNs ? now : this.#timeNs + 1n
    return this.#timeNs
  }
}

function tally(counts: Count, written: boolean): boolean {
  if (written) counts.written += 1
  else counts.refused += 1
  return written
}

function pidOf(cpu: number, process: number): number {
  return 1000 + cpu * 100 + process
}

/** A small seeded generator of whole numbers below `limit`. */
function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
