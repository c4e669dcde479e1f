/**
 * Every loader finds rchan as users install it: `import` and `require` on this Node, jest without
 * flags, ts-node. TypeScript finds its types by each way of module resolution.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { afterAll, describe, expect, test } from 'vitest'
import { faultsOf } from '../packages/rchan/test/api.mjs'
import { TYPESCRIPT } from '../scripts/typescript-api.mjs'
import { lend, packedFolder, runNode, write } from './packed.ts'

const folder = packedFolder()
afterAll(() => rmSync(folder, { recursive: true, force: true }))
lend(folder, 'jest', 'ts-node', '@types/node')

const REQUIRES = `
const { writeFileSync } = require('node:fs')
const { Worker } = require('node:worker_threads')
const { startRecording, tracepoint } = require('rchan')
const { openTrace } = require('rchan/reader')
const { Relay } = require('rchan/relay')
const { Mutex } = require('rchan/sync')
const { makeSchema } = require('rchan/ctf')
`
const IMPORTS = REQUIRES.replaceAll(/const (\{.*\}) = require\((.*)\)/g, 'import $1 from $2')
/**
 * Traces from this thread and from a worker that requires rchan. Reads the trace back, and leaves
 * its findings beside the trace.
 */
const RECORD = `
const traced = tracepoint('entry:traced', { n: 'u32' })
async function record(path: string) {
  const recording = await startRecording({ path })
  traced({ n: 1 })
  const worker = new Worker('./worker.cjs')
  await new Promise((ended) => worker.once('exit', ended))
  const { events, discarded } = await recording.stop()
  const read = [...openTrace(path).records()].length
  const others = [typeof Relay, typeof Mutex, typeof makeSchema]
  writeFileSync(path + '.json', JSON.stringify({ events, discarded, read, others }))
}
`
const UNTYPED = RECORD.replace(': string', '')
write(folder, {
  'package.json': '{ "private": true }',
  'worker.cjs': `require('rchan').tracepoint('entry:traced', { n: 'u32' })({ n: 2 })`,
  'required.cjs': `${REQUIRES}${UNTYPED}record('required')`,
  'imported.mjs': `${IMPORTS}${UNTYPED}await record('imported')`,
  'jest.config.json': '{ "testMatch": ["**/*.jest.js"] }',
  'entry.jest.js': `${REQUIRES}${UNTYPED}test('records', () => record('jest'))`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: { module: 'commonjs', moduleResolution: 'node10', target: 'es2022', strict: true },
  }),
  'typed.ts': `${IMPORTS}${RECORD}void record('ts-node')`,
})

test.each([
  ['required', ['required.cjs']],
  ['imported', ['imported.mjs']],
  ['jest', ['node_modules/jest/bin/jest.js', '--no-cache', '--watchman=false']],
  ['ts-node', ['node_modules/ts-node/dist/bin.js', '--compiler', TYPESCRIPT, 'typed.ts']],
])('%s, it records and reads back', async (name, args) => {
  const { status, stderr, stdout } = await runNode(folder, args)
  expect(status, stdout + stderr).toBe(0)
  // Nothing is said of a feature that is experimental, and no flag is asked for.
  expect(stderr).not.toMatch(/Warning|--experimental/)
  const found = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as unknown
  const others = ['function', 'function', 'function']
  expect(found).toEqual({ events: 2, discarded: 0, read: 2, others })
  expect([...openTrace(join(folder, name)).records()].map(({ fields }) => fields.n)).toEqual([1, 2])
})

test('a thread that imports and requires it is one CPU, with one recording at a time', async () => {
  const program = `
    import { createRequire } from 'node:module'
    import * as imported from 'rchan'
    const required = createRequire(import.meta.url)('rchan')
    const [one, other] = [imported, required].map((copy) => copy.tracepoint('entry:traced', { n: 'u32' }))
    const recording = await imported.startRecording({ path: 'both' })
    const refused = await required.startRecording({ path: 'second' }).catch((error) => error.message)
    one({ n: 1 })
    other({ n: 2 })
    const { events, cpus } = await recording.stop()
    console.log(JSON.stringify({ differ: one !== other, refused, events, cpus }))`
  write(folder, { 'both.mjs': program })
  const { stdout, stderr } = await runNode(folder, ['both.mjs'])
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({
    differ: true,
    refused: expect.stringMatching(/recording/) as string,
    events: 2,
    cpus: 1,
  })
})

describe('types are found with', () => {
  const TYPED = `
    import { startRecording, tracepoint, type Tracepoint, type RecordingSummary } from 'rchan'
    import { openTrace, type TraceRecord } from 'rchan/reader'
    import { GlobalBuffer, Relay, RelayFile, threadMachine, type RelayBuffer } from 'rchan/relay'
    import { Mutex, type Locked } from 'rchan/sync'
    import { makeSchema, type Schema } from 'rchan/ctf'
    export const point: Tracepoint<{ n: 'u32' }> = tracepoint('a:b', { n: 'u32' })
    point({ n: 1 })
    // @ts-expect-error A string is no u32.
    point({ n: 'one' })
    export const summary: Promise<RecordingSummary> = startRecording({ path: 't' }).then((it) => it.stop())
    export const records: TraceRecord[] = [...openTrace('t').records()]
    export const relay: Relay = new Relay(threadMachine())
    export const file = (buffer: RelayBuffer): RelayFile => new RelayFile(buffer)
    export const ring: GlobalBuffer | undefined = undefined
    export const locked: Locked = Mutex.lock(Mutex.init(), 1)
    export const schema: Schema = makeSchema('a:b', { n: 'u32' })
  `
  write(folder, { 'types.mts': TYPED, 'types.cts': TYPED, 'types.ts': TYPED })

  test.each([
    ['node10', 'commonjs', ['types.ts']],
    ['node16', 'node16', ['types.ts', 'types.mts', 'types.cts']],
    ['nodenext', 'nodenext', ['types.ts', 'types.mts', 'types.cts']],
    ['bundler', 'esnext', ['types.ts', 'types.mts']],
  ])('moduleResolution %s', async (moduleResolution, module, files) => {
    const paths = files.map((file) => join(folder, file))
    expect(faultsOf(paths, moduleResolution, module)).toEqual([])
    // TypeScript 7 has dropped it. With the others it checks the declarations, too.
    if (moduleResolution === 'node10') return
    const options = { target: 'es2022', strict: true, noEmit: true, skipLibCheck: false, types: ['node'] }
    const config = { compilerOptions: { module, moduleResolution, ...options }, files }
    write(folder, { [`${moduleResolution}.json`]: JSON.stringify(config) })
    const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
    const { stdout, status } = await runNode(folder, [tsc, '-p', `${moduleResolution}.json`])
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 })
  })
})
