import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RecordingSummary } from '@rchan/trace'
import { freshFolder, opened, printed, run } from './process.ts'

type Counted = RecordingSummary & { returned: number; threw: number; step: number }

// A full stack throws at any call inside an encoder and inside a switch, in any tier of V8.
// Forbidden: a trace that can't be read, a step twice or out of order, a call that returned and is
// neither there nor counted.
for (const nodeArgs of [[], ['--no-opt'], ['--max-inlined-bytecode-size=0']]) {
  for (const options of [
    { bufferSize: 32_768 },
    { bufferSize: 2 ** 22 },
    { bufferSize: 32_768, mode: 'overwrite' },
    { bufferSize: 32_768, buffers: 'global' },
  ]) {
    if (nodeArgs.length > 0 && options.bufferSize > 32_768) continue
    test(`tracing at every depth until the stack is full tears nothing ${nodeArgs.join('')} ${JSON.stringify(options)}`, async () => {
      const stackKib = 120 + Math.floor(Math.random() * 120)
      const args = [join(freshFolder(), 'trace'), '15', JSON.stringify(options)]
      const summary = printed(
        await run('deep.mjs', args, [`--stack-size=${stackKib}`, ...nodeArgs]),
      ) as Counted
      const note = `stack of ${stackKib} KiB`
      expect(summary.threw, note).toBeGreaterThan(0)
      const accounted = summary.events + summary.discarded + summary.overwritten
      expect(accounted, note).toBeGreaterThanOrEqual(summary.returned)
      expect(accounted, note).toBeLessThanOrEqual(summary.returned + summary.threw)
      expect(summary, note).toMatchObject({
        torn: 0,
        unwritten: 0,
        discardedBy: { bad: 0, tooBig: 0, noBuffer: 0 },
      })
      let last = 0
      for (const { fields } of opened(summary)) {
        const step = fields.step as number
        if (step <= last) throw new Error(`${note}: step ${step} after ${last}`)
        last = step
      }
      if (options.mode === 'overwrite') expect(last, note).toBe(summary.step)
    })
  }
}

test.each([['{}'], ['{"buffers":"global"}']])(
  'a full stack in the begin or the end of a span uses up no place for open spans: %s',
  async (options) => {
    for (const stackKib of [130, 177, 211]) {
      const ended = await run(
        'deep-spans.mjs',
        [join(freshFolder(), 'trace'), '40', options],
        [`--stack-size=${stackKib}`],
      )
      const { threw, open } = printed(ended) as { threw: number; open: number }
      expect(threw).toBeGreaterThan(0)
      expect(open).toBe(1024)
    }
  },
)

test.each([
  ['', {}],
  [' in one global buffer', { buffers: 'global' }],
])(
  'coming online is cut off at any depth without using up places or losing what returned%s',
  async (_, more) => {
    const options = JSON.stringify({ possibleCpus: 5, ...more })
    const summary = printed(
      await run('deep-start.mjs', [join(freshFolder(), 'trace'), '4', options]),
    ) as Counted
    expect(summary.threw).toBeGreaterThan(0)
    expect(summary.discardedBy.noBuffer).toBe(0)
    expect(summary.events).toBeGreaterThanOrEqual(summary.returned)
    expect(summary.events).toBeLessThanOrEqual(summary.returned + summary.threw)
    expect(summary.perCpu.flatMap(({ threads }) => threads).length).toBe(4)
    opened(summary)
  },
)
