/** What the threads of a run count, in shared memory: a line for each CPU. */

/** Columns of a line; each is written by one thread. */
export const COUNT = {
  /** Records that the workers tried to write, one after the other. Written by the worker. */
  attempted: 0,
  /** Records and bytes that the sink got. Written by the consumer thread. */
  delivered: 8,
  bytes: 9,
} as const

/** Words of a line. What two threads write is 64 bytes apart: else they slow each other down. */
const LINE = 16

/** Makes the memory of the counts. */
export function createCounts(cpus: number): SharedArrayBuffer {
  return new SharedArrayBuffer(cpus * LINE * 8)
}

/** The counts of a CPU. (They are whole numbers; bigints are what `Atomics` takes beyond 2^32.) */
export function countsOf(memory: SharedArrayBuffer, cpu: number): BigInt64Array<SharedArrayBuffer> {
  return new BigInt64Array(memory, cpu * LINE * 8, LINE)
}
