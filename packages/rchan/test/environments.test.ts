/** Programs that are more than one process, one package, or one pool of their own. */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { packedFolder, runNode, write } from '../../../test/packed.ts'
import { babeltrace, freshFolder, readTrace, run, summaryOf } from './scenario.ts'

describe('processes of a program', () => {
  for (const kind of ['cluster', 'fork']) {
    for (const ending of ['stop', 'disconnect']) {
      test(`made by ${kind} record each into a folder of its own, and lose nothing when they ${ending}`, async () => {
        const folder = freshFolder()
        const { said, codes, warnings, events } = summaryOf(
          await run('processes.mjs', [folder, kind, ending]),
        ) as unknown as {
          said: { pid: number; wasEnabled: boolean }[]
          codes: number[]
          warnings: string[]
          events: number
        }
        expect(codes).toEqual([0, 0])
        expect(events).toBe(200)
        // The recording of the parent is not theirs, and it says so.
        expect(said.map(({ wasEnabled }) => wasEnabled)).toEqual([false, false])
        expect(warnings).toEqual([expect.stringMatching(/^this thread started 2 processes of Node/)])
        const names = readdirSync(folder).sort()
        expect(names).toEqual([...said.map(({ pid }) => `${pid}`), 'parent'].sort())
        for (const name of names) {
          const { records, discarded } = readTrace(join(folder, name))
          expect({ events: records.length, discarded }).toEqual({ events: 200, discarded: 0 })
          // Its own events only.
          expect(new Set(records.map(({ fields }) => fields.pid)).size).toBe(1)
          if (name !== 'parent') expect(records[0].fields.pid).toBe(Number(name))
          expect(new Set(records.map(({ threadId }) => threadId)).size).toBe(2)
        }
      })
    }
  }
})

test('copies of rchan in one process, of two folders and as ESM and CommonJS, are one recording and one CPU in each thread', async () => {
  const folder = packedFolder()
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const inner = join(folder, 'node_modules/library/node_modules/rchan')
  cpSync(join(folder, 'node_modules/rchan'), inner, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(inner, 'package.json'), 'utf8')) as object
  writeFileSync(join(inner, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.99' }))
  write(folder, {
    'node_modules/library/package.json': '{ "name": "library", "type": "module", "exports": "./index.js" }',
    'node_modules/library/index.js': `
import { span, startRecording, tracepoint } from 'rchan'
export { span, startRecording, tracepoint }`,
    'all.mjs': `
import { createRequire } from 'node:module'
import * as imported from 'rchan'
import * as library from 'library'
const required = createRequire(import.meta.url)('rchan')
const copies = { imported, library, required }
export function all() {
  const open = []
  for (const [name, { tracepoint, span }] of Object.entries(copies)) {
    const point = tracepoint('copies:' + name, { n: 'u32' })
    for (let n = 0; n < 10; n += 1) point({ n })
    // Spans of all copies are open at the same time.
    const within = span('within:' + name, { n: 'u32' })
    for (let n = 0; n < 3; n += 1) open.push([within, within.begin({ n })])
  }
  for (const [within, token] of open) within.end(token)
  return new Set(Object.values(copies).map(({ tracepoint }) => tracepoint)).size
}`,
    'worker.mjs': `import { all } from './all.mjs'\nall()`,
    'main.mjs': `import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { startRecording } from 'rchan'
import { startRecording as another } from 'library'
import { all } from './all.mjs'
const recording = await startRecording({ path: 'trace' })
const refused = await another({ path: 'second' }).catch((error) => error.message)
const copies = all()
await once(new Worker(new URL('./worker.mjs', import.meta.url)), 'exit')
const first = await recording.stop()
// Another copy records next; all trace.
const next = await another({ path: 'next' })
all()
console.log(JSON.stringify({ copies, refused, first, next: await next.stop() }))`,
  })
  const ended = await runNode(folder, ['main.mjs'])
  expect(ended.status, ended.stderr).toBe(0)
  const said = JSON.parse(ended.stdout) as Record<string, unknown>
  expect(said).toMatchObject({
    copies: 3,
    first: { events: 78, discarded: 0, cpus: 2 },
    next: { events: 39, discarded: 0, cpus: 1 },
  })
  expect(said.refused).toMatch(/a recording runs already in this process/)
  for (const [name, events] of [
    ['trace', 78],
    ['next', 39],
  ] as const) {
    const { records } = readTrace(join(folder, name))
    expect(records.length).toBe(events)
    expect(new Set(records.map(({ event }) => event.name)).size).toBe(6)
  }
})

describe('a pool of piscina', () => {
  for (const buffers of ['per-thread', 'global']) {
    test(`that grows, shrinks and is destroyed while its workers trace: the books close (${buffers})`, async () => {
      const folder = join(freshFolder(), 'trace')
      const summary = summaryOf(await run('pool.mjs', [folder, JSON.stringify({ buffers })]))
      const { begun, returned, poolThreads } = summary as unknown as Record<string, number>
      const { events, discarded, overwritten, torn, unwritten } = summary
      expect(poolThreads).toBeGreaterThan(4)
      expect(summary.error).toBeUndefined()
      expect(unwritten).toBe(0)
      const known = events + discarded + overwritten + torn
      expect(begun - returned).toBeLessThanOrEqual(4)
      expect(known).toBeGreaterThanOrEqual(returned)
      expect(known).toBeLessThanOrEqual(begun)
      const { records } = readTrace(folder)
      expect(records.length).toBe(events)
      expect(babeltrace(folder)?.events ?? events).toBe(events)
      // Of the tasks that came to their end all is there.
      const whole = records.filter(({ fields }) => (fields.task as number) < 160)
      expect(whole.length).toBe(160 * 50)
      expect(records.every(({ threadId, fields }) => threadId === fields.thread)).toBe(true)
    })
  }
})
