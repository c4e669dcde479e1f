/** Writers at a given rate into a recording with default options: which rate loses what. */
import type { BenchTask, Suite } from '../harness.js'
import { Crew, WORK } from './crew.js'
import { TICK_BYTES } from './events.js'
import { LossCount, Scratch } from './scratch.js'

const THREADS = 2
const DURATION_MS = 500
/** Million events in a second, from all threads together. */
const RATES = [1, 3, 6, 12]

export const paced: Suite = {
  name: 'throughput',
  about:
    `${THREADS} threads write 1 to 12 million events a second together, in a burst each millisecond, for ${DURATION_MS} ms ` +
    'into a recording to a file with default options. At 6 million nothing may be lost. The floor are bare clocks and ' +
    'stores at the same pace: a ratio above 1 means that the pace was not kept',
  rounds: 10,
  warmUpRounds: 0,
  calls: 1,
  async setUp() {
    const scratch = new Scratch()
    const crew = new Crew(THREADS)
    await crew.ready()
    const tasks = RATES.flatMap((rate): BenchTask[] => {
      const perMs = (rate * 1000) / THREADS
      const count = perMs * DURATION_MS
      const losses = new LossCount()
      const common = { operations: count * THREADS, bytes: TICK_BYTES, floor: `paced-${rate}M-stores` }
      return [
        {
          ...common,
          name: `paced-${rate}M-stores`,
          time: () => Promise.resolve(crew.run(WORK.stores, count, perMs)),
        },
        {
          ...common,
          name: `paced-${rate}M`,
          time: async () =>
            await scratch.record({}, () => crew.run(WORK.trace, count, perMs), losses.addSummary),
          lost: () => losses.part,
        },
      ]
    })
    return {
      tasks,
      tearDown: async () => {
        await crew.end()
        scratch.remove()
      },
    }
  },
}
