/**
 * The probe `loop`: how busy each event loop is, and when the main thread's stands still for longer
 * than 50 ms: the sampler thread sees it while it does (`sampler.ts`), and the
 * thread itself tells how long it was.
 *
 * A worker that computes is at work, and nobody waits for its event loop. So a worker's loop is
 * watched only from the moment on at which it has started a worker itself. Nor does anybody wait
 * for a main thread that starts: its loop is watched from its first worker on, or from the turn on
 * at which a timer, a server, a connection or a process is there.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { performance } from 'node:perf_hooks'
import { counter, now, whileRecording } from '@rchan/trace'
import { atExit } from './at-exit.js'
import { guarded, type Probe } from './probe.js'
import { stall } from './stalls.js'
import { late } from './late.js'

/** How long an event loop may stand still, in milliseconds. */
const LIMIT_MS = 50
const BEAT_MS = 10
const UTILIZATION_MS = 500
const NS_PER_MS = 1e6
const WORKERS = 'worker_threads'
/** What waits for an event loop: no output, and no file, which a program reads as it starts. */
const WAITERS = /^(Timeout|TCP|TLS|UDP|PipeServer|Process|MessagePort|HTTP|GetAddrInfo|Query)/

const { setInterval, clearInterval } = globalThis
// As they are now: the program may replace them. `now` of performance makes no bigint.
const nowMs = performance.now.bind(performance)
const eventLoopUtilization = performance.eventLoopUtilization.bind(performance)

const utilization = late(() => counter('loop', { utilization: 'f64' }))

export const loop: Probe = {
  name: 'loop',
  description: 'stalls of event loops that others wait for, while they last; utilization',
  byDefault: true,
  install(context) {
    let last = eventLoopUtilization()
    let beating: NodeJS.Timeout | undefined
    let isParent = false
    let isAwaited = false
    /** In ms; 0: not yet. */
    let turnedAt = 0
    // The thread itself tells of a stall, at the first beat after it, or at its end. The sampler
    // tells that there is one while it lasts.
    const beat = guarded(context, () => {
      const time = nowMs()
      if (!isAwaited) {
        isAwaited = isParent || isWaitedFor()
        if (!isAwaited) return
      } else if (turnedAt !== 0 && time - turnedAt > LIMIT_MS) {
        const end = now()
        const start = end - BigInt(Math.round((time - turnedAt) * NS_PER_MS))
        stall().between(start, end, { limitMs: LIMIT_MS })
      }
      turnedAt = time
      context.threadList.beat(LIMIT_MS)
    })
    const watch = (): void => {
      if (!isParent && !context.isMainThread) return
      // A main thread starts: its loop has not turned.
      if (isParent) beat()
      beating ??= setInterval(beat, BEAT_MS).unref()
    }
    const forget = atExit(() => {
      if (beating !== undefined) beat()
    })
    const becomeParent = (): void => {
      isParent = true
      if (isRecording) watch()
    }
    let isRecording = false
    const end = whileRecording(() => {
      isRecording = true
      watch()
      const tell = guarded(context, () => {
        const current = eventLoopUtilization()
        utilization()({ utilization: eventLoopUtilization(current, last).utilization })
        last = current
      })
      const timer = setInterval(tell, UTILIZATION_MS).unref()
      return () => {
        isRecording = false
        clearInterval(timer)
        clearInterval(beating)
        beating = undefined
        isAwaited = false
        turnedAt = 0
        context.threadList.rest()
      }
    })
    subscribe(WORKERS, becomeParent)
    return () => {
      forget()
      unsubscribe(WORKERS, becomeParent)
      end()
    }
  },
}

/** Whether somebody waits for the event loop of the calling thread, as far as Node knows. */
function isWaitedFor(): boolean {
  return process.connected || process.getActiveResourcesInfo().some((each) => WAITERS.test(each))
}
