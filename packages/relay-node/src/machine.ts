/**
 * The machine that relay is given in a thread of Node: the thread's identity, and how the death of
 * another thread is proven. Any thread makes its own.
 */
import type { LogLevel, Machine } from '@rchan/relay'
import { isDead, thisThread } from '@rchan/threads'

/**
 * The machine of the calling thread, for a relay that several threads take part in. CPUs are
 * threads: one is online once its thread has called `relay.comeOnline()`.
 *
 * A death is proven on Linux only. Elsewhere nobody is known to be dead: what a thread that was
 * terminated had locked or written stays its own, so there let each thread call `relay.leave()`
 * before it ends.
 *
 * @param log takes relay's messages. Default: errors and broken rules become warnings of the
 * process, the rest is silent.
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
