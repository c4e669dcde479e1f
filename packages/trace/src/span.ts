/**
 * What the two kinds of streams need to look into a span. Pure functions, on the consumer thread.
 */
import type { RecordLayout } from '@rchan/ctf'

/** The layouts of all events, by id. */
export type Layouts = readonly (RecordLayout | undefined)[]

/** The later of two times. */
export function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** Sub-buffers start on a multiple of 8 and are multiples of 8 long. */
export function u64View(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 3)
}

/** The same, 4 bytes an element. */
export function u32View(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
}
