/** The memory of a thread: its heap, the limit of it, and what it holds outside. */
import { getHeapStatistics } from 'node:v8'
import { counter, now } from '@rchan/trace'

/** How often it is told, in ms. */
export const MEMORY_INTERVAL_MS = 1000
const INTERVAL_NS = BigInt(MEMORY_INTERVAL_MS) * 1_000_000n

const memory = counter('memory', {
  heapUsed: 'u64',
  heapLimit: 'u64',
  external: 'u64',
})

let isTold = false
let toldAt = 0n

/** Tells it from now on. @returns a function that ends this. */
export function startMemory(): () => void {
  isTold = true
  tellMemory()
  return () => {
    isTold = false
  }
}

/** Tells it. */
export function tellMemory(): void {
  if (!isTold || !memory.enabled) return
  toldAt = now()
  const { used_heap_size, heap_size_limit, external_memory } = getHeapStatistics()
  memory({ heapUsed: used_heap_size, heapLimit: heap_size_limit, external: external_memory })
}

/**
 * Tells it if that is due: for the end of a task, on a thread that may never return to its event
 * loop.
 */
export function tellMemoryIfDue(time: bigint): void {
  if (time - toldAt >= INTERVAL_NS) tellMemory()
}
