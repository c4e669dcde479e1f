/** The memory of a thread: its heap, the limit of it, and what it holds outside. */
import { performance } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { counter } from '@rchan/trace'

/** How often it is told, in ms. */
export const MEMORY_INTERVAL_MS = 1000
// As it is now: the program may replace it. It makes no bigint.
const nowMs = performance.now.bind(performance)

const memory = counter('memory', {
  heapUsed: 'u64',
  oldUsed: 'u64',
  heapLimit: 'u64',
  external: 'u64',
})

let isTold = false
let toldAt = -Infinity

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
  toldAt = nowMs()
  const { used_heap_size, heap_size_limit, external_memory } = getHeapStatistics()
  memory({
    heapUsed: used_heap_size,
    oldUsed: usedByOld(),
    heapLimit: heap_size_limit,
    external: external_memory,
  })
}

/** What old objects use: only that is limited by `maxOldGenerationSizeMb`. Takes some 20 µs. */
function usedByOld(): number {
  let used = 0
  for (const { space_name: name, space_used_size: size } of getHeapSpaceStatistics()) {
    if (!name.startsWith('new_')) used += size
  }
  return used
}

/**
 * Tells it if that is due: for the end of a task, on a thread that may never return to its event
 * loop.
 *
 * @param timeMs now, by `performance.now`.
 */
export function tellMemoryIfDue(timeMs: number): void {
  if (isTold && timeMs - toldAt >= MEMORY_INTERVAL_MS) tellMemory()
}
