/** Recordings in a row that reuse the memory of earlier ones. */
import { describe, expect, test } from 'vitest'
import type { RecordingSummary } from '@rchan/trace'
import { freshFolder, opened, printed, run, upTo } from './process.ts'

interface Printed {
  readonly summaries: RecordingSummary[]
  readonly arrayBuffers: number[]
}

const MIB = 2 ** 20
/** Each of the arenas that are kept has a table of strings. */
const STRINGS = 0.5 * MIB

for (const [name, options] of [
  ['buffers of their own', {}],
  ['buffers of their own, in overwrite mode', { mode: 'overwrite' }],
  ['one buffer', { buffers: 'global' }],
  ['one buffer, in overwrite mode', { buffers: 'global', mode: 'overwrite' }],
] as const) {
  describe(`recordings in a row, with ${name}`, () => {
    test('a record that was begun in a recording never gets into one that has its memory', async () => {
      const setup = JSON.stringify({ bufferSize: 8 * MIB, possibleCpus: 8, ...options })
      const { summaries, arrayBuffers } = printed(await run('reused.mjs', [freshFolder(), setup])) as Printed
      for (const [i, summary] of summaries.entries()) {
        const recording = i + 1
        const values = opened(summary).map(({ fields }) => fields)
        expect(new Set(values.map((fields) => fields.recording))).toEqual(new Set([recording]))
        // The worker's events: one in the first recording, two in the second. In the third it ends
        // the event that it began, and a bad one; another thread has its place.
        const more = [1, 2, 20, 1][i]
        expect(summary).toMatchObject({ events: 2000 + more, overwritten: 0, torn: 0, unwritten: 0 })
        expect(summary.discarded).toBe(recording === 3 ? 1 : 0)
      }
      // There are two memories, which take turns.
      expect(arrayBuffers[3]).toBeLessThan(arrayBuffers[1] + 4 * MIB)
    })

    test(
      'each has the events of its own threads, whatever they do, and memory stays flat',
      { timeout: 240_000 },
      async () => {
        const count = 7
        const setup = JSON.stringify({ possibleCpus: 6, ...options })
        const { summaries, arrayBuffers } = printed(
          await run('in-a-row.mjs', [freshFolder(), `${count}`, setup], ['--expose-gc']),
        ) as Printed
        expect(summaries.length).toBe(count)
        for (const [i, summary] of summaries.entries()) {
          const records = opened(summary, i !== 3)
          const steps = new Map<number, number[]>()
          for (const { fields } of records) {
            expect(fields.recording).toBe(i + 1)
            const thread = fields.thread as number
            const list = steps.get(thread) ?? []
            steps.set(thread, list)
            list.push(fields.step as number)
          }
          // The one that never ends has its own buffer, or it takes the room of the others.
          if (!('buffers' in options)) {
            for (const thread of i === 0 ? [0, 1, 2, 3] : [0, 1, 2]) {
              expect(steps.get(thread)).toEqual(upTo(3000))
            }
          }
        }
        // The memory that the idle thread is in, two that take turns, as many of the other shape,
        // and what Node has itself.
        const most = ('buffers' in options ? 6 : 36) * MIB + 4 * STRINGS + MIB
        expect(Math.max(...arrayBuffers)).toBeLessThan(most)
      },
    )
  })
}
