/** What the calling thread is called: from what Node knows of it. Any thread may call. */
import workerThreads from 'node:worker_threads'

/** What Node calls a worker that was given no name. */
const UNNAMED = 'WorkerThread'
/** Of a worker that has no file, as Node names it. */
const EVAL = '[worker eval]'

/**
 * Finds the name of the calling thread: the one that it was given, else `main`, or the base name of
 * the worker's file.
 *
 * @param file what the thread runs: `process.argv[1]`.
 * @returns the name; never empty.
 */
export function threadName(file: unknown): string {
  // By the module's object: a version of Node that tells no name refuses to import it.
  const { isMainThread, threadName: given } = workerThreads as {
    isMainThread: boolean
    threadName?: unknown
  }
  if (typeof given === 'string' && given !== '' && given !== UNNAMED) return given
  if (isMainThread) return 'main'
  if (typeof file !== 'string' || file === EVAL) return 'worker'
  const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
  return name === '' ? 'worker' : name
}
