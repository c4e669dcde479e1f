/** Helpers by which both kinds of streams read a span. Pure functions, on the consumer thread. */
import type { RecordLayout } from '@rchan/ctf'

/** The layouts of all events, by id. */
export type Layouts = readonly (RecordLayout | undefined)[]

/** Returns the later of two times. */
export function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** Views bytes as u64 elements. Sub-buffers start on a multiple of 8, and their size is one. */
export function u64View(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 3)
}

/** Views bytes as u32 elements. */
export function u32View(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
}
