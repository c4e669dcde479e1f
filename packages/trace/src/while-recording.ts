/**
 * Callbacks at the start and the end of recordings, for code that has something to switch on
 * meanwhile: an observer, a timer. On every thread that asks for it.
 */
import { builtins, thisControl } from '@rchan/runtime/declaring'

/** How often a thread looks whether a recording runs, in milliseconds. */
const LOOK_MS = 50

// As they are now: tests that fake time replace them later.
const { setInterval, clearInterval } = builtins.timers

/** The looks of this thread. One timer is for all of them: each timer wakes the thread. */
const looks = new Set<() => void>()
let timer: NodeJS.Timeout | undefined

function startLooking(look: () => void): void {
  looks.add(look)
  timer ??= setInterval(lookAll, LOOK_MS).unref()
}

function stopLooking(look: () => void): void {
  looks.delete(look)
  if (looks.size > 0) return
  clearInterval(timer)
  timer = undefined
}

/** An exception keeps no other callback from its call. Of several, one is thrown. */
function lookAll(): void {
  const failures: unknown[] = []
  for (const look of looks) {
    try {
      look()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/**
 * Calls back when a recording begins, on the calling thread, and gives what is returned the call at
 * its end.
 *
 * A thread looks for recordings every 50 ms, from its event loop: so the calls come up to 50 ms
 * late, and later where the event loop is busy. If a recording runs already, the first call is made
 * at once. At the end of the process no call comes. The timer doesn't keep the process alive. An
 * exception of a callback is the program's own, as in any timer.
 *
 * @param start called at the start; it may return a function, which is called at the end.
 * @returns a function that ends this; if a recording runs, it makes the call of its end.
 * @throws TypeError if `start` is no function.
 * @example
 * whileRecording(() => {
 *   const observer = new PerformanceObserver(record)
 *   observer.observe({ entryTypes: ['gc'] })
 *   return () => observer.disconnect()
 * })
 */
export function whileRecording(start: () => (() => void) | void): () => void {
  if (typeof start !== 'function')
    throw new TypeError(`whileRecording: start is a ${typeof start}, expected a function`)
  let seen = 0
  let end: (() => void) | void
  const finish = (): void => {
    const last = end
    end = undefined
    if (seen !== 0 && typeof last === 'function') last()
  }
  const look = (): void => {
    const { generation } = thisControl
    if (generation === seen) return
    finish()
    seen = generation
    if (seen !== 0) end = start()
  }
  startLooking(look)
  look()
  return () => {
    stopLooking(look)
    finish()
    seen = 0
  }
}
