/** Every reader shows which thread wrote an event, by number and name. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { needReader, runReader } from '../../../test/readers.ts'
import { freshFolder, readTrace, run, summaryOf } from './scenario.ts'

/** How readers print a thread whose name has no special characters. */
function printedThread(id: number, name: string): string {
  return `thread_id = ( "${name}" : container = ${id} )`
}

for (const buffers of ['per-thread', 'global']) {
  for (const possibleCpus of [8, 64]) {
    test(`by number and name (${buffers}, ${possibleCpus} places)`, async (context) => {
      const readers = ['babeltrace', 'babeltrace2'] as const
      for (const reader of readers) needReader(context, reader)
      const folder = join(freshFolder(), 'trace')
      const summary = summaryOf(await run('named.mjs', [folder, JSON.stringify({ buffers, possibleCpus })]))
      const { records } = readTrace(folder)
      expect(records).toHaveLength(summary.events)
      expect(summary).toMatchObject({ events: 15, discarded: 0 })
      for (const { threadId, threadName, generation, cpu, fields } of records) {
        expect({ id: threadId, name: threadName }).toEqual(fields)
        const threads = summary.perCpu.find((each) => each.cpu === cpu)?.threads
        const thread = threads?.find((each) => each.threadId === threadId)
        expect(thread?.threadName).toBe(threadName)
        expect(generation).toBe(buffers === 'global' ? -1 : thread?.generation)
      }
      for (const reader of readers) {
        const { stdout, stderr, status } = runReader(reader, [folder])
        expect(status, stderr).toBe(0)
        for (const { threadId, threadName } of records) {
          if (/^[\w.]+$/.test(threadName)) expect(stdout).toContain(printedThread(threadId, threadName))
        }
      }
      // A pool of workers from one file is one line.
      const lines = readFileSync(join(folder, 'metadata'), 'utf8').split('\n')
      expect(lines.filter((line) => line.includes('"named.mjs" ='))).not.toHaveLength(0)
      expect(lines.filter((line) => line.includes('"named.mjs" =')).length).toBeLessThan(7)
    })
  }
}
