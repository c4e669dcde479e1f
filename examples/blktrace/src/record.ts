/**
 * Records as `blktrace` writes them to its relay files, for `blkparse` to print.
 *
 * Owns the layout: little-endian and packed. Records follow one another without padding.
 *
 * ```text
 *   byte   0       4          8          16       24      28       32    36       40    44      46         48
 *          | magic | sequence | time ns  | sector | bytes | action | pid | device | cpu | error | pduBytes | pdu …
 *   action = what + category bits << 16                            device = major << 20 + minor
 * ```
 *
 * The sequence counts from 1 for each CPU; a notice has 0.
 */

/** Size of a record without its pdu. */
export const RECORD_BYTES = 48
/** The last byte is the version. */
const MAGIC = 0x65617407
/** Size of the sectors that `blkparse` counts. */
export const SECTOR_BYTES = 512

/** Actions, by the letters that `blkparse` prints. */
export const ACTIONS = { Q: 1, M: 2, G: 4, D: 7, C: 8, P: 9, U: 10, I: 12 } as const
export type Action = keyof typeof ACTIONS
const ACTION_NAMES = Object.keys(ACTIONS) as readonly Action[]
export { ACTION_NAMES }

/** Category bits of a record, with the names of the filter of `blkparse -a`. */
export const CATEGORY = {
  read: 1,
  write: 2,
  sync: 8,
  queue: 16,
  issue: 64,
  complete: 128,
  fs: 256,
  notify: 1024,
  meta: 4096,
} as const

/** The category that goes with each action. */
const ACTION_CATEGORY: Record<Action, number> = {
  Q: CATEGORY.queue,
  M: CATEGORY.queue,
  G: CATEGORY.queue,
  D: CATEGORY.issue,
  C: CATEGORY.complete,
  P: CATEGORY.queue,
  U: CATEGORY.queue,
  I: CATEGORY.queue,
}

const NOTICE = { processName: 0, wallClock: 1, message: 2 } as const

/** An event of a request, or of the queue. */
export interface BlockEvent {
  readonly action: Action
  /** Its sequence number on this CPU, from 1. */
  readonly sequence: number
  /** Monotonic. */
  readonly timeNs: bigint
  readonly cpu: number
  readonly device: number
  readonly pid: number
  /** Start of the request in sectors; 0 if the event is about the queue. */
  readonly sector: number
  /** Size of the request in bytes; 0 if the event is about the queue. */
  readonly bytes: number
  /** `CATEGORY.read` or `.write`, with `.sync` and `.meta`; 0 if the event is about the queue. */
  readonly flags: number
  /** For an unplug: the number of requests that it releases. */
  readonly requestCount?: number
}

/** The number of a device. */
export function deviceOf(major: number, minor: number): number {
  return major * 2 ** 20 + minor
}

/** A record of an event. */
export function encodeEvent(event: BlockEvent): Uint8Array {
  const { action, sequence, timeNs, sector, bytes, pid, device, cpu, flags, requestCount } = event
  // Only the pdu is in network byte order.
  const pdu = new Uint8Array(requestCount === undefined ? 0 : 8)
  if (requestCount !== undefined) new DataView(pdu.buffer).setBigUint64(0, BigInt(requestCount))
  const category = ACTION_CATEGORY[action] | flags
  return encode({ sequence, timeNs, sector, bytes, what: ACTIONS[action], category, pid, device, cpu, pdu })
}

/** A notice: the records with this pid are from a process with this name. */
export function encodeProcessName(cpu: number, timeNs: bigint, pid: number, name: string): Uint8Array {
  // Without the NUL, blkparse would print older bytes of its memory behind the name.
  return encodeNotice(NOTICE.processName, cpu, timeNs, pid, 0, new TextEncoder().encode(`${name}\0`))
}

/** A notice: at this time the wall clock showed `wallNs`, in nanoseconds since 1970. */
export function encodeWallClock(cpu: number, timeNs: bigint, wallNs: bigint): Uint8Array {
  const pdu = new Uint8Array(8)
  const view = new DataView(pdu.buffer)
  view.setUint32(0, Number(wallNs / 1_000_000_000n), true)
  view.setUint32(4, Number(wallNs % 1_000_000_000n), true)
  return encodeNotice(NOTICE.wallClock, cpu, timeNs, 0, 0, pdu)
}

/** A notice: free text, printed between the events. */
export function encodeMessage(cpu: number, timeNs: bigint, device: number, text: string): Uint8Array {
  return encodeNotice(NOTICE.message, cpu, timeNs, 0, device, new TextEncoder().encode(text))
}

function encodeNotice(
  what: number,
  cpu: number,
  timeNs: bigint,
  pid: number,
  device: number,
  pdu: Uint8Array,
): Uint8Array {
  return encode({
    sequence: 0,
    timeNs,
    sector: 0,
    bytes: 0,
    what,
    category: CATEGORY.notify,
    pid,
    device,
    cpu,
    pdu,
  })
}

interface Fields {
  readonly sequence: number
  readonly timeNs: bigint
  readonly sector: number
  readonly bytes: number
  readonly what: number
  readonly category: number
  readonly pid: number
  readonly device: number
  readonly cpu: number
  readonly pdu: Uint8Array
}

function encode(fields: Fields): Uint8Array {
  const { sequence, timeNs, sector, bytes, what, category, pid, device, cpu, pdu } = fields
  const record = new Uint8Array(RECORD_BYTES + pdu.length)
  const view = new DataView(record.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, sequence, true)
  view.setBigUint64(8, timeNs, true)
  view.setBigUint64(16, BigInt(sector), true)
  view.setUint32(24, bytes, true)
  view.setUint32(28, category * 2 ** 16 + what, true)
  view.setUint32(32, pid, true)
  view.setUint32(36, device, true)
  view.setUint32(40, cpu, true)
  view.setUint16(44, 0, true)
  view.setUint16(46, pdu.length, true)
  record.set(pdu, RECORD_BYTES)
  return record
}
