/**
 * The probe `loop`: how busy each event loop is, and when the main thread's stands still for longer
 * than 50 ms: seen by the sampler thread while it does (`sampler.ts`).
 *
 * A worker that computes is at work, and nobody waits for its event loop. So a worker's loop is
 * watched only from the moment on at which it has started a worker itself.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { performance } from 'node:perf_hooks'
import { counter, whileRecording } from '@rchan/trace'
import { guarded, type Probe } from './probe.js'

/** How long an event loop may stand still, in milliseconds. */
const LIMIT_MS = 50
const BEAT_MS = 10
const UTILIZATION_MS = 500
const WORKERS = 'worker_threads'

const { setInterval, clearInterval } = globalThis
const eventLoopUtilization = performance.eventLoopUtilization.bind(performance)

const utilization = counter('loop', { utilization: 'f64' })

export const loop: Probe = {
  name: 'loop',
  description: 'stalls of event loops that others wait for, while they last; utilization',
  byDefault: true,
  install(context) {
    let last = eventLoopUtilization()
    let beating: NodeJS.Timeout | undefined
    let isParent = context.isMainThread
    const beat = (): void => {
      if (isParent) beating ??= setInterval(() => context.roster.beat(LIMIT_MS), BEAT_MS).unref()
    }
    const becomeParent = (): void => {
      isParent = true
      if (isRecording) beat()
    }
    let isRecording = false
    const end = whileRecording(() => {
      isRecording = true
      beat()
      const tell = guarded(context, () => {
        const current = eventLoopUtilization()
        utilization({ utilization: eventLoopUtilization(current, last).utilization })
        last = current
      })
      const timer = setInterval(tell, UTILIZATION_MS).unref()
      return () => {
        isRecording = false
        clearInterval(timer)
        clearInterval(beating)
        beating = undefined
        context.roster.rest()
      }
    })
    subscribe(WORKERS, becomeParent)
    return () => {
      unsubscribe(WORKERS, becomeParent)
      end()
    }
  },
}
