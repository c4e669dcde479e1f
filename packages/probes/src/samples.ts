/**
 * The probe `samples`: V8's CPU profile of each thread. V8 looks at the thread's stack every two
 * milliseconds; the thread itself takes what V8 has, in slices, and writes it into the trace with
 * the times at which V8 has looked.
 *
 * A slice is taken from the event loop, every 250 ms, and when a message was posted: a pool's
 * worker may never return to its loop. What a thread did since its last slice is lost when it is
 * terminated. V8 keeps what nobody takes.
 */
import { now, whileRecording } from '@rchan/trace'
import { CpuProfiler } from './cpu-profiler.js'
import { tapPorts } from './ports.js'
import { atExit } from './at-exit.js'
import { attempt, guarded, type Probe } from './probe.js'
import { areSamplesWanted, SampleRecords } from './sample-records.js'

const SLICE_MS = 250
/** Of slices that cost 5 to 25 ms. */
const DEAR_SLICE_MS = 5000
const NS_PER_MS = 1_000_000n

const { setInterval, clearInterval } = globalThis

export const samples: Probe = {
  name: 'samples',
  description: "which function runs, by V8's CPU profile of each thread",
  byDefault: false,
  install(context) {
    const records = new SampleRecords()
    let profiler: CpuProfiler | undefined
    let takenAt = 0n
    const take = (time: bigint): void => {
      takenAt = time
      const slice = profiler?.next()
      if (slice !== undefined) records.tell(slice)
    }
    const takeIfDue = (time: bigint): void => {
      if (profiler === undefined) return
      const length = profiler.isDear ? DEAR_SLICE_MS : SLICE_MS
      if (time - takenAt >= BigInt(length) * NS_PER_MS) take(time)
    }
    const close = (): void => {
      const last = profiler
      profiler = undefined
      const slice = last?.close()
      if (slice !== undefined) records.tell(slice)
    }
    const closeTap = tapPorts({
      posted: guarded(context, () => takeIfDue(now())),
    })
    const end = whileRecording(() => {
      attempt(context, () => {
        if (!areSamplesWanted()) return
        profiler = new CpuProfiler()
        takenAt = now()
      })
      const timer = setInterval(
        guarded(context, () => takeIfDue(now())),
        SLICE_MS,
      ).unref()
      return () => {
        clearInterval(timer)
        attempt(context, close)
      }
    })
    const forget = atExit(guarded(context, close))
    return () => {
      forget()
      end()
      closeTap()
    }
  },
}
