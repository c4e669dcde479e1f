/**
 * Numbers of flows that are unique in what is exported. A program counts the flows of each
 * tracepoint by itself, and a trace can have several processes.
 */
import type { TraceProcess } from '@rchan/ctf/reader'

const PRIME = 0x100_0000_01b3n
const MASK = 2n ** 64n - 1n
/** Odd, so that different ids of the same tracepoint stay different. */
const SPREAD = 0x9e37_79b9_7f4a_7c15n

const bases = new WeakMap<TraceProcess, Map<string, bigint>>()

/**
 * Returns the number of a flow, of 64 bits. Two ids of one tracepoint never have the same; two of
 * different ones have it by chance, which is about 1 in 2^64 for each pair.
 */
export function flowId(process: TraceProcess, name: string, id: bigint): bigint {
  let names = bases.get(process)
  if (names === undefined) bases.set(process, (names = new Map()))
  let base = names.get(name)
  if (base === undefined) names.set(name, (base = hash(`${process.index} ${process.pid} ${name}`)))
  return (base + id * SPREAD) & MASK
}

/** FNV-1a. */
function hash(text: string): bigint {
  let value = 0xcbf2_9ce4_8422_2325n
  for (const byte of Buffer.from(text)) value = ((value ^ BigInt(byte)) * PRIME) & MASK
  return value
}
