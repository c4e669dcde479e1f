/**
 * The timers of `console`: `console.time` and `console.timeEnd`. Node measures them, and tells
 * nobody. So the two methods of the global console are replaced as long as a recording runs.
 */
import { now, span } from '@rchan/trace'
import { alike } from './patches.js'
import { attempt, type ProbeContext } from './probe.js'
import { late } from './late.js'

/** Timers that run at once and are followed. */
const MOST = 1024

type Method = (...args: unknown[]) => unknown

const timer = late(() => span('user:time', { name: 'interned' }))

/** Follows the timers of the calling thread. @returns a function that takes everything back. */
export function watchConsoleTimers(context: ProbeContext): () => void {
  /** When each began, in ns. */
  const running = new Map<string, bigint>()
  const undo = [
    replace('time', (label) => {
      // A second start is none, also for Node.
      if (!running.has(label) && running.size < MOST) running.set(label, now())
    }),
    replace('timeEnd', (label) => {
      const start = running.get(label)
      running.delete(label)
      if (start !== undefined) timer().between(start, now(), { name: label })
    }),
  ]
  return () => undo.forEach((each) => each())

  function replace(name: 'time' | 'timeEnd', called: (label: string) => void): () => void {
    const { console } = globalThis as { console?: object }
    const before = console && Object.getOwnPropertyDescriptor(console, name)
    // The program may have a console of its own kind, or have frozen it.
    if (console === undefined || typeof before?.value !== 'function' || before.configurable !== true) {
      return () => undefined
    }
    const original = before.value as Method
    const timed = alike(function (this: unknown, ...args: unknown[]): unknown {
      const result = original.apply(this, args)
      attempt(context, () => {
        const label = labelOf(args[0])
        if (label !== undefined) called(label)
      })
      return result
    }, original)
    Object.defineProperty(console, name, { ...before, value: timed })
    return () => {
      if (Object.getOwnPropertyDescriptor(console, name)?.value !== timed) return
      Object.defineProperty(console, name, before)
    }
  }
}

/** The name of a timer. An object's would be the program's own code. */
function labelOf(label: unknown): string | undefined {
  if (label === undefined) return 'default'
  if (typeof label === 'string') return label
  return typeof label === 'number' || typeof label === 'boolean' ? `${label}` : undefined
}
