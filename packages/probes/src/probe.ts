/**
 * A probe: records one kind of thing that a program does, without the program's help. Each probe is
 * one file; `catalog.ts` lists them.
 *
 * A probe must not change what the program does, and survives what programs do: built-ins that are
 * replaced later, packages that are not there, threads that never return to their event loop.
 */
import { tracepoint } from '@rchan/trace'
import { reasonOf } from './reason.js'
import type { ThreadList } from './thread-list.js'
import { late } from './late.js'

/** What a probe gets when it is installed on a thread. */
export interface ProbeContext {
  readonly isMainThread: boolean
  readonly threadId: number
  /** What the threads of this process know of each other. */
  readonly threadList: ThreadList
  /** The recorded process that has started this one; 0: none. */
  readonly parent: number
  /** Switches the probe off on this thread, because of an error; said once, in the trace. */
  fail(error: unknown): void
}

/** What a probe is called, and does. */
export interface ProbeDescription {
  /** The name by which users choose it. */
  readonly name: string
  /** What it tells: a phrase for lists. */
  readonly description: string
  /** Whether it is used without being asked for. */
  readonly byDefault: boolean
  /** Whether what it tells may be secret: `all` does not mean it. */
  readonly isPrivate?: boolean
}

/** A probe. */
export interface Probe extends ProbeDescription {
  /**
   * Installs it on the calling thread, before the program's own code runs there.
   *
   * @returns a function that takes everything back.
   */
  install(context: ProbeContext): (() => void) | void
}

const off = late(() => tracepoint('probe:off', { probe: 'interned', why: 'string' }, { level: 'warning' }))

/**
 * Installs probes on the calling thread. One that throws is left out, and the trace says why.
 *
 * @returns a function that takes them off again, the last one first.
 */
export function install(probes: readonly Probe[], context: Omit<ProbeContext, 'fail'>): () => void {
  const ends: (() => void)[] = []
  // The program may fill the table of tracepoints. Probes go off then, and have room to say so.
  if (context.isMainThread) attemptAlone(off)
  for (const probe of probes) {
    let end: (() => void) | void
    let hasFailed = false
    const fail = (error: unknown): void => {
      if (hasFailed) return
      hasFailed = true
      say(probe.name, error)
      const last = end
      end = undefined
      try {
        last?.()
      } catch {
        // What it had patched may be replaced by now.
      }
    }
    try {
      end = probe.install({ ...context, fail })
      if (hasFailed) end?.()
    } catch (error) {
      fail(error)
    }
    ends.push(() => {
      const last = end
      end = undefined
      last?.()
    })
  }
  return () => {
    for (const end of ends.splice(0).toReversed()) end()
  }
}

/** Says in the trace why a probe is off. */
function say(probe: string, error: unknown): void {
  attemptAlone(() => off()({ probe, why: reasonOf(error) }))
}

/** Runs what no probe is to blame for. */
function attemptAlone(action: () => unknown): void {
  try {
    action()
  } catch {
    // No room in the table, or on the stack. It must not reach the program.
  }
}

/** Returns a callback that hands its exceptions to the probe, not to the program. */
export function guarded<A extends unknown[]>(
  context: ProbeContext,
  callback: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      callback(...args)
    } catch (error) {
      context.fail(error)
    }
  }
}

/** Runs a part of the probe. Its errors are not the program's. */
export function attempt(context: ProbeContext, action: () => void): void {
  try {
    action()
  } catch (error) {
    context.fail(error)
  }
}
