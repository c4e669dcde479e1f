/** The sink: runs on the consumer thread, and counts what it gets. */
import type { SinkSubbuf } from 'rchan/runtime'
import { COUNT, countsOf } from './counts.js'

let counts: SharedArrayBuffer

export function start(init: unknown): void {
  counts = init as SharedArrayBuffer
}

export function write({ cpu, bytes, records }: SinkSubbuf): void {
  const words = countsOf(counts, cpu)
  Atomics.add(words, COUNT.delivered, BigInt(records))
  Atomics.add(words, COUNT.bytes, BigInt(bytes.length))
}
