/**
 * What a recording costs apart from its events: its start and stop, and its consumer while nothing
 * happens.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Suite } from '../harness.js'
import { Scratch } from './scratch.js'

/** ring's grace period, which a stop waits twice. */
const GRACE_MS = 10
const IDLE_MS = 1000

export const recordingStartStop: Suite = {
  name: 'throughput',
  about:
    'start and stop of a recording to a file, together (at most 60 ms beyond the floor); the floor is two grace periods, ' +
    'which a stop waits',
  rounds: 20,
  warmUpRounds: 2,
  calls: 1,
  setUp() {
    const scratch = new Scratch()
    const common = { operations: 1, floor: 'grace-periods' }
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const start = performance.now()
      await work()
      return performance.now() - start
    }
    return Promise.resolve({
      tasks: [
        {
          ...common,
          name: 'grace-periods',
          time: () =>
            timed(async () => {
              await sleep(GRACE_MS)
              await sleep(GRACE_MS)
            }),
        },
        {
          ...common,
          name: 'recording-start-stop',
          time: () => timed(() => scratch.record({}, () => undefined)),
        },
      ],
      tearDown: () => {
        scratch.remove()
        return Promise.resolve()
      },
    })
  },
}

/** @returns milliseconds of CPU time that the process takes while nothing happens for `IDLE_MS`. */
async function idle(): Promise<number> {
  const before = process.cpuUsage()
  await sleep(IDLE_MS)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

export const recordingIdle: Suite = {
  name: 'throughput',
  about: `CPU time of the process in ${IDLE_MS} ms in which nothing is traced (at most 5 ms more than without a recording)`,
  rounds: 8,
  warmUpRounds: 0,
  calls: 1,
  setUp() {
    const scratch = new Scratch()
    const common = { operations: 1, floor: 'idle' }
    return Promise.resolve({
      tasks: [
        { ...common, name: 'idle', time: idle },
        {
          ...common,
          name: 'recording-idle',
          time: () =>
            scratch.record({}, async () => {
              // The start is over by then.
              await sleep(200)
              return await idle()
            }),
        },
      ],
      tearDown: () => {
        scratch.remove()
        return Promise.resolve()
      },
    })
  },
}
