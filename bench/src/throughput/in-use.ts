/**
 * Tracing as programs do it: bursts of events with pauses, from a thread that does other things in
 * between, while the consumer drains to a file. A loop that does nothing else flatters: its code
 * and memory stay in the caches.
 */
import { startRecording, type Recording, type RecordingSettings } from 'rchan'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile, type BenchTask, type Suite } from '../harness.js'
import { Crew, RING_BYTES, WORK } from './crew.js'
import { BareRing, MIX, mixedEvents } from './events.js'
import { Scratch } from './scratch.js'

/** Events in a burst, and the pause before it. */
const PATTERNS = [
  { events: 100, pauseMs: 2 },
  { events: 1000, pauseMs: 5 },
  { events: 20_000, pauseMs: 60 },
]

/** Measures one burst after a pause. @returns milliseconds. */
async function burst(work: (count: number) => void, events: number, pauseMs: number): Promise<number> {
  await sleep(pauseMs)
  const start = performance.now()
  work(events)
  return performance.now() - start
}

function inUse(name: string, settings: RecordingSettings): Suite {
  return {
    name: 'throughput',
    about:
      `bursts of 100, 1,000 and 20,000 events of several tracepoints, with pauses, into a recording to a file ` +
      `(${JSON.stringify(settings)}); the floor is a bare ring of the same size with a clock, in the same pattern`,
    rounds: 40,
    warmUpRounds: 4,
    calls: 5,
    async setUp() {
      const scratch = new Scratch()
      const recording = await startRecording({ ...settings, path: join(scratch.path, name) })
      const ring = new BareRing(RING_BYTES)
      // The first lap is measured apart.
      for (let count = 0; count < (RING_BYTES / MIX.bytes) * MIX.events; count += 1000) {
        mixedEvents(1000)
        ring.mixed(1000)
        await sleep(1)
      }
      const tasks = PATTERNS.flatMap(({ events, pauseMs }): BenchTask[] => {
        const floor = `bare-ring-${events}`
        const common = { operations: events, floor }
        return [
          { ...common, name: `${name}-${events}`, time: () => burst(mixedEvents, events, pauseMs) },
          { ...common, name: floor, time: () => burst((count) => ring.mixed(count), events, pauseMs) },
        ]
      })
      return {
        tasks,
        tearDown: async () => {
          await recording.stop()
          scratch.remove()
        },
      }
    },
  }
}

export const inUseFile = inUse('in-use-file', {})
export const inUseGlobal = inUse('in-use-global', { buffers: 'global' })

const FIRST_LAP = { events: 1000, pauseMs: 2 }
/** Bursts in one lap of a buffer, less a few: the sub-buffers have headers and padding. */
const LAP_BURSTS = Math.floor(((0.95 * RING_BYTES) / MIX.bytes) * (MIX.events / FIRST_LAP.events))

/**
 * One lap. @returns milliseconds of a burst, in the median. Not of the first: a thread's first
 * events are measured apart.
 */
async function lap(work: (count: number) => void): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < LAP_BURSTS; i += 1) times.push(await burst(work, FIRST_LAP.events, FIRST_LAP.pauseMs))
  return quantile(times.slice(1), 0.5)
}

export const inUseFirstLap: Suite = {
  name: 'throughput',
  about:
    `bursts of ${FIRST_LAP.events} events with pauses of ${FIRST_LAP.pauseMs} ms in the first lap of a buffer, in memory ` +
    'that no thread has touched before; the floor is a bare ring that has been round, bare-ring-first-lap one that has not',
  rounds: 10,
  warmUpRounds: 1,
  calls: 1,
  setUp() {
    const scratch = new Scratch()
    const used = new BareRing(RING_BYTES)
    const common = { operations: FIRST_LAP.events, floor: 'bare-ring-later-laps' }
    let recordings = 0
    const recorded = (name: string, settings: RecordingSettings): BenchTask => ({
      ...common,
      name,
      time: async () => {
        // A shape of its own: rchan lays memory out again for a recording of the same shape.
        recordings += 1
        const possibleCpus = 8 + (recordings % 50)
        const work = async (): Promise<number> => {
          mixedEvents(100)
          return await lap(mixedEvents)
        }
        return await scratch.record({ ...settings, possibleCpus }, work)
      },
    })
    const tasks: BenchTask[] = [
      { ...common, name: 'bare-ring-later-laps', time: () => lap((count) => used.mixed(count)) },
      recorded('in-use-first-lap', {}),
      recorded('in-use-first-lap-overwrite', { mode: 'overwrite' }),
      recorded('in-use-first-lap-global', { buffers: 'global', bufferSize: RING_BYTES }),
      {
        ...common,
        name: 'bare-ring-first-lap',
        time: () => {
          const ring = new BareRing(RING_BYTES)
          return lap((count) => ring.mixed(count))
        },
      },
    ]
    return Promise.resolve({
      tasks,
      tearDown: () => {
        scratch.remove()
        return Promise.resolve()
      },
    })
  },
}

const FIRST_EVENTS = 100

export const inUseFirstEvents: Suite = {
  name: 'throughput',
  about:
    `the first ${FIRST_EVENTS} events of a new thread, of 3 tracepoints: it comes online and compiles their code; ` +
    'the floor is the same of a bare ring, which is code that never ran in that thread either',
  rounds: 15,
  warmUpRounds: 1,
  calls: 1,
  async setUp() {
    const scratch = new Scratch()
    const recording: Recording = await startRecording({ path: join(scratch.path, 'first') })
    const first = async (work: number): Promise<number> => {
      const crew = new Crew(1)
      await crew.ready()
      const ms = crew.run(work, FIRST_EVENTS)
      await crew.end()
      return ms
    }
    const common = { operations: FIRST_EVENTS, floor: 'bare-ring-first-100' }
    return {
      tasks: [
        { ...common, name: 'bare-ring-first-100', time: () => first(WORK.storesMixed) },
        { ...common, name: 'in-use-first-100', time: () => first(WORK.traceMixed) },
      ],
      tearDown: async () => {
        await recording.stop()
        scratch.remove()
      },
    }
  },
}
