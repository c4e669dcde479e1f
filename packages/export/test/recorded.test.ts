/** A trace that is recorded here, in every format. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { summarize } from '@rchan/analysis'
import { openTrace } from '@rchan/ctf/reader'
import { FORMATS } from '@rchan/export'
import { asyncSpan, counter, flow, span, startRecording, t, tracepoint } from 'rchan'
import { afterAll, expect, test } from 'vitest'
import { read } from './perfetto-model.ts'

const folder = mkdtempSync(join(tmpdir(), 'rchan-export-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const WORKER = `
const { asyncSpan, nameThread, span } = require(process.env.RCHAN_ENTRY)
nameThread('decoder')
const decode = span('tile:decode', { n: 'u32' })
for (let n = 0; n < 10; n += 1) decode.end(decode.begin(), { n })
asyncSpan('pool:task', { begin: { name: 'string' }, end: { bytes: 'u32' } }).end(7n, { bytes: 5 })
`

test('what was recorded is in all of them', async () => {
  const path = join(folder, 'trace')
  const recording = await startRecording({ path })
  const outer = span('tile:outer', { at: t.struct({ x: 'f64' }) })
  const token = outer.begin()
  tracepoint('log', { text: 'interned' })({ text: 'hello' })
  asyncSpan('pool:task', { begin: { name: 'string' }, end: { bytes: 'u32' } }).begin(7n, { name: 'a' })
  flow('job').start(3n)
  counter('queue', 'u32')(4)
  outer.fail(token, { at: { x: 0.5 } })
  const env = { ...process.env, RCHAN_ENTRY: createRequire(import.meta.url).resolve('rchan') }
  const worker = new Worker(WORKER, { eval: true, env })
  await new Promise((resolve, reject) => {
    worker.once('exit', resolve)
    worker.once('error', reject)
  })
  const { events } = await recording.stop()

  const trace = openTrace(path)
  const { slices, instants, counters, tracks } = read(
    Buffer.concat([...FORMATS.perfetto.convert(trace)] as Uint8Array[]),
  )
  const names = slices.map(({ name }) => name)
  expect(names.filter((name) => name === 'tile:decode').length).toBe(10)
  expect(slices.find(({ name }) => name === 'tile:outer')).toMatchObject({
    categories: ['tile', 'failed'],
    args: { at: { x: { double: 0.5 } }, 'rchan.outcome': { string: 'failed' } },
  })
  expect(slices.find(({ name }) => name === 'pool:task')?.args).toEqual({
    name: { string: 'a' },
    bytes: { uint: '5' },
  })
  expect(instants.find(({ name }) => name === 'log')?.args).toEqual({ text: { string: 'hello' } })
  expect(instants.find(({ name }) => name === 'job')?.flows.length).toBe(1)
  expect(counters).toMatchObject([{ value: '4' }])
  expect([...tracks.values()].some((name) => name.endsWith('/decoder'))).toBe(true)

  const text = (format: 'chrome' | 'jsonl' | 'csv'): string => [...FORMATS[format].convert(trace)].join('')
  const chrome = JSON.parse(text('chrome')) as { traceEvents: { ph: string }[] }
  expect(chrome.traceEvents.filter(({ ph }) => ph === 'X').length).toBe(11)
  const items = [...trace.items()].length
  const lines = text('jsonl')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string })
  expect(lines.filter(({ type }) => !['trace', 'process', 'class'].includes(type)).length).toBe(items)
  expect(text('csv').trimEnd().split('\r\n').length).toBe(items + 1)

  const summary = summarize(trace)
  expect(summary.events).toBe(events)
  expect(summary.tracepoints.map(({ name, kind, count }) => [name, kind, count])).toEqual([
    ['job', 'flow', 1],
    ['log', 'event', 1],
    ['pool:task', 'async', 1],
    ['queue', 'counter', 1],
    ['tile:decode', 'span', 10],
    ['tile:outer', 'span', 1],
  ])
})
