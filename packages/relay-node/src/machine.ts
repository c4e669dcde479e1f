/**
 * Relay's machine in a thread of Node: the identity of the thread, and the proof of another
 * thread's death. Each thread makes its own.
 */
import type { LogLevel, Machine } from '@rchan/relay'
import { isDead, thisThread } from '@rchan/threads'

/**
 * Makes the machine of the calling thread, for a relay of several threads. CPUs are threads: a CPU
 * is online once its thread has called `relay.comeOnline()`.
 *
 * A death can be proven on Linux only. Elsewhere no thread is known to be dead, and the locks and
 * buffers of a terminated thread stay its own. So there let each thread call `relay.leave()` before
 * it ends.
 *
 * @param log receives relay's messages. By default errors and broken rules become warnings of the
 * process, and other messages are dropped.
 * @example
 * const relay = new Relay(threadMachine()) // in a worker: Relay.attach(workerData.relay, threadMachine())
 */
export function threadMachine(log: (level: LogLevel, message: string) => void = warn): Machine {
  const { identity, startTicks } = thisThread()
  return {
    identity,
    startTicks,
    isDead,
    log,
  }
}

function warn(level: LogLevel, message: string): void {
  if (level !== 'warning') process.emitWarning(message)
}
