/**
 * Memory that the probes of all threads of a process share: the first thread makes it, and workers
 * find it in the environment data that they inherit.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'

/** A view of shared memory. */
interface View {
  readonly memory: SharedArrayBuffer
}

/**
 * Finds the memory that the process has under a key, or makes it.
 *
 * @param View throws for memory of another layout.
 */
export function viewOfProcess<V extends View>(key: string, View: new (memory?: SharedArrayBuffer) => V): V {
  const found: unknown = getEnvironmentData(key)
  if (found instanceof SharedArrayBuffer) {
    try {
      return new View(found)
    } catch {
      // Another version of rchan, with another layout.
    }
  }
  const made = new View()
  setEnvironmentData(key, made.memory)
  return made
}
