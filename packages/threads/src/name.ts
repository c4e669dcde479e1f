/** The name of the calling thread, as far as Node knows it. Any thread may call. */
import { workerThreads } from './builtins.js'

/** Node's name for a worker without a name. */
const UNNAMED = 'WorkerThread'
/** Node's `process.argv[1]` in a worker without a file. */
const EVAL = '[worker eval]'
/** The thread that Node starts for `module.register`, `--experimental-loader` and tsx. */
const HOOKS = 'module hooks'

/**
 * Finds the name of the calling thread: its given name; else `main`, or the base name of the
 * worker's file. Node's own thread for module hooks is the one worker without a `parentPort`.
 *
 * @param file the file that the thread runs: `process.argv[1]`.
 * @returns the name; never empty.
 */
export function threadName(file: unknown): string {
  // Not every version of Node has `threadName`.
  const {
    isMainThread,
    parentPort,
    threadName: given,
  } = workerThreads as { isMainThread: boolean; parentPort: unknown; threadName?: unknown }
  if (typeof given === 'string' && given !== '' && given !== UNNAMED) return given
  if (isMainThread) return 'main'
  if (parentPort === null) return HOOKS
  if (typeof file !== 'string' || file === EVAL) return 'worker'
  const name = file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
  return name === '' ? 'worker' : name
}
