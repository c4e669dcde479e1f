/** What the threads of a run count, in shared memory: a line for each CPU. */

/** Columns of a line; each is written by one thread. */
export const COUNT = {
  /** 1: the worker is to end. Written by the main thread. */
  retire: 0,
  /** Records that the worker tried to write, of all its generations. Written by the worker. */
  attempted: 1,
  /** Records and bytes that the sink got. Written by the consumer thread. */
  delivered: 2,
  bytes: 3,
} as const

/** Lines stand on cache lines of their own, or the threads would slow each other down. */
const LINE = 16

/** Makes the memory of the counts. */
export function createCounts(cpus: number): SharedArrayBuffer {
  return new SharedArrayBuffer(cpus * LINE * 8)
}

/** The counts of a CPU. (They are whole numbers; bigints are what `Atomics` takes beyond 2^32.) */
export function countsOf(memory: SharedArrayBuffer, cpu: number): BigInt64Array<SharedArrayBuffer> {
  return new BigInt64Array(memory, cpu * LINE * 8, LINE)
}
