/**
 * The layout of a record: where each field of an event stands.
 *
 * ```text
 *   0               8      12              (all offsets are bytes from the record's start, a multiple of 8)
 *   +---------------+------+----------------------------
 *   | u64 time      | u32  | payload, from 12 or from 16
 *   |               | id   |
 *   +---------------+------+----------------------------
 *
 *   in a global trace, where threads share one stream, each record has its CPU and thread:
 *   0               8      12    14    16
 *   +---------------+------+-----+-----+-----------------
 *   | u64 time      | u32  | u16 | u16 | payload
 *   |               | id   | CPU | thr |
 *   +---------------+------+-----+-----+-----------------
 * ```
 *
 * A payload starts at the alignment of its widest member. If all 64-bit members fall on a multiple
 * of 8 by themselves when the payload starts at 12, they are declared with an alignment of 32 bits
 * (`packed`). Otherwise they are declared with an alignment of 64 bits, and the payload starts at
 * 16. So every 64-bit member of a fixed place is on a multiple of 8, and the gap of four bytes is
 * there only where it is needed. Behind a field of variable length (a string) no field has a fixed
 * place. In a global trace a payload starts at 16, so there is no gap to save.
 *
 * The encoders of `trace`, the metadata and both readers work from this one description. Pure
 * functions.
 */
import { fieldType } from './composite-types.js'
import type { FieldDescriptor } from './field-types.js'
import type { Field } from './types.js'

/** Bytes of the event header: u64 time, u32 event id. */
export const EVENT_HEADER_BYTES = 12
/** Every record starts on a multiple of this, counted from the start of its packet. */
export const RECORD_ALIGN_BYTES = 8
/** Offset of the event id in a record. */
export const EVENT_ID_OFFSET = 8
/** In a global trace: offset of the CPU's number in a record, 16 bits. */
export const EVENT_CPU_OFFSET = 12
/** In a global trace: offset of the low 16 bits of the thread's id. */
export const EVENT_THREAD_OFFSET = 14
const GLOBAL_PAYLOAD_OFFSET = 16

/** A field and its place in a record. */
export interface PlacedField extends Field {
  readonly descriptor: FieldDescriptor
  /** Bytes from the record's start; −1 behind a field of variable length. */
  readonly offset: number
  /** Alignment of the field in bytes. */
  readonly alignBytes: number
}

/** The layout of the records of one event. */
export interface RecordLayout {
  readonly fields: readonly PlacedField[]
  /** Offset of the payload: 12 or 16. */
  readonly payloadOffset: number
  /** Whether 64-bit fields are declared with an alignment of 32 bits in the metadata. */
  readonly packed: boolean
  /** Whether a field is composite: then a record is first made in scratch memory. */
  readonly composite: boolean
  /** Bytes of a whole record; −1 if the record has a field of variable length. */
  readonly fixedBytes: number
  /** Bytes of the shortest record, in which every field of variable length is empty. */
  readonly minBytes: number
}

/**
 * Computes the layout of an event's records.
 *
 * @param global whether each record carries the CPU that wrote it.
 */
export function layoutRecord(fields: readonly Field[], global = false): RecordLayout {
  if (global) return place(fields, GLOBAL_PAYLOAD_OFFSET, false)
  let wide = false
  for (let index = 0; index < fields.length; index += 1) {
    if (fieldType(fields[index].type).alignBytes === 8) wide = true
  }
  if (!wide) return place(fields, EVENT_HEADER_BYTES, true)
  const tight = place(fields, EVENT_HEADER_BYTES, false)
  // `tight` starts at 12 with natural alignment. If it has no gap before a 64-bit field, 32-bit
  // alignment gives the same places.
  let end = EVENT_HEADER_BYTES
  let packed = true
  for (let index = 0; index < tight.fields.length; index += 1) {
    const field = tight.fields[index]
    const { alignBytes, descriptor, offset } = field
    if (alignBytes === 8 && (offset < 0 || descriptor.composite || align(end, 4) !== offset)) packed = false
    if (offset >= 0) end = offset + descriptor.bytes
  }
  return packed ? { ...tight, packed } : place(fields, 16, false)
}

function place(fields: readonly Field[], payloadOffset: number, packed: boolean): RecordLayout {
  let end = payloadOffset
  let fixed = true
  let composite = false
  const placed: PlacedField[] = []
  for (let index = 0; index < fields.length; index += 1) {
    const field = fields[index]
    const descriptor = fieldType(field.type)
    const { alignBytes } = descriptor
    end = align(end, alignBytes)
    placed[index] = { ...field, descriptor, offset: fixed ? end : -1, alignBytes }
    end += descriptor.bytes
    if (descriptor.variable !== undefined) fixed = false
    if (descriptor.composite) composite = true
  }
  // Behind a field of variable length `end` is a lower bound: alignment can only add to it.
  return { fields: placed, payloadOffset, packed, composite, fixedBytes: fixed ? end : -1, minBytes: end }
}

/** Rounds `position` up to a multiple of `alignBytes` (a power of two). */
export function align(position: number, alignBytes: number): number {
  return (position + alignBytes - 1) & -alignBytes
}

/**
 * Finds the end of the record that starts at `start`. Its bytes are untrusted.
 *
 * @param bytes the packet or sub-buffer.
 * @param start where the record starts, a multiple of 8.
 * @param limit the first byte that may not belong to the record.
 * @returns the first byte after the record, or −1 if the record does not end before `limit`.
 */
export function recordEnd(layout: RecordLayout, bytes: Uint8Array, start: number, limit: number): number {
  if (layout.fixedBytes >= 0) {
    const end = start + layout.fixedBytes
    return end <= limit ? end : -1
  }
  let at = start + layout.payloadOffset
  for (const field of layout.fields) {
    at = align(at, field.alignBytes)
    const { bytes: fixedBytes, variable } = field.descriptor
    at = variable === undefined ? at + fixedBytes : variable.end(bytes, at, limit)
    if (at < 0) return -1
  }
  return at <= limit ? at : -1
}
