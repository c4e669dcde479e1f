import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RecordingSummary } from '@rchan/trace'
import { openTrace } from '@rchan/ctf/reader'
import { countEvents, needReader, runReader } from '../../../test/readers.ts'
import { freshFolder, opened, printed, run, stepsOf, upTo } from './process.ts'

const COPIES = 4

for (const reader of ['babeltrace2', 'babeltrace'] as const) {
  test(`parts of sub-buffers of slow threads are packets that ${reader} takes without a warning, at any time`, async (context) => {
    needReader(context, reader)
    const folder = freshFolder()
    const { summary, steps } = printed(await run('slow.mjs', [folder, `${COPIES}`])) as {
      summary: RecordingSummary
      steps: number[]
    }
    const traces = [...Array.from({ length: COPIES }, (_, i) => join(folder, `copy${i}`)), summary.path]
    let before = 0
    for (const trace of traces) {
      const { status, stderr } = runReader(reader, [trace])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      const events = countEvents(reader, [trace])
      expect(events).toBe([...openTrace(trace).records()].length)
      // A trace only grows.
      expect(events).toBeGreaterThanOrEqual(before)
      before = events
    }
    const records = opened(summary)
    expect(summary).toMatchObject({ discarded: 0, torn: 0, cpus: 2 })
    // Many packets with few events: the subject of this test.
    for (const cpu of summary.perCpu) expect(cpu.packets).toBeGreaterThan(5)
    const numbered = stepsOf(records.filter(({ event }) => /plain|wide/.test(event.name)))
    expect(numbered.get(0)).toEqual(upTo(steps[0]))
    expect([...numbered.values()].at(-1)?.length).toBeGreaterThan(0)
    for (let i = 0; i < COPIES; i += 1) {
      expect(
        records.filter(({ event }) => event.name === `fixture:new${i}`).map(({ fields }) => fields),
      ).toEqual([{ i }])
    }
  })
}
