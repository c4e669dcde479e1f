/**
 * Waking the consumer: how long until it runs when it sleeps, and what a ring costs when it is
 * awake.
 */
import { Doorbell, DOORBELL_WORDS } from '@rchan/sync'
import type { BenchTask, Suite } from '../harness.js'
import { Sleeper } from './sleeper.js'

const RINGS = 20_000

export const wakeAsleep: Suite = {
  name: 'throughput',
  about:
    'from a ring of the consumer’s doorbell until a sleeping thread runs, in the median (at most 1.2 × the floor); the ' +
    'floor is a bare notify of a bare Atomics.wait',
  rounds: 60,
  warmUpRounds: 3,
  calls: 1,
  setUp() {
    const bare = new Sleeper('bare')
    const bell = new Sleeper('doorbell')
    const common = { operations: 1, floor: 'wait-notify' }
    return Promise.resolve({
      tasks: [
        { ...common, name: 'wait-notify', time: () => Promise.resolve(bare.wake()) },
        { ...common, name: 'wake-asleep', time: () => Promise.resolve(bell.wake()) },
      ],
      tearDown: async () => {
        await bare.end()
        await bell.end()
      },
    })
  },
}

export const wakeAwake: Suite = {
  name: 'throughput',
  about: 'a ring while the consumer is awake; the floor is a bare notify that wakes nobody',
  setUp() {
    const words = new Int32Array(new SharedArrayBuffer(4 * DOORBELL_WORDS))
    const bell = new Doorbell(words)
    const task = (name: string, run: () => void): BenchTask => ({
      name,
      floor: 'notify-nobody',
      operations: RINGS,
      run,
    })
    return Promise.resolve({
      tasks: [
        task('notify-nobody', () => {
          for (let i = 0; i < RINGS; i += 1) Atomics.notify(words, 0)
        }),
        task('wake-awake', () => {
          for (let i = 0; i < RINGS; i += 1) bell.ring()
        }),
      ],
      tearDown: () => Promise.resolve(),
    })
  },
}
