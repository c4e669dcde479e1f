/** The packed package in an empty folder, alone and beside the packed rchan. */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace, type TraceItem } from '@rchan/ctf/reader'
import { afterAll, expect, test } from 'vitest'
import { readPage } from '../../../test/pages.ts'
import { packedFolder, runNode, write } from '../../../test/packed.ts'

type Recorded = Extract<TraceItem, { event: unknown }>

const alone = packedFolder(['@rchan/tracepoint'])
const both = packedFolder(['@rchan/tracepoint', 'rchan'])
afterAll(() => {
  for (const folder of [alone, both]) rmSync(folder, { recursive: true, force: true })
})

const LIBRARY = `
const called = tracepoint('lib:called', { by: 'string' })
const load = span('lib:load')
exports.use = () => {
  called({ by: 'packed' })
  return load.run(() => 'ran')
}`
const FILES = {
  'library.mjs': `import { span, tracepoint } from '@rchan/tracepoint'\nconst exports = {}${LIBRARY}
export const { use } = exports`,
  'library.cjs': `const { span, tracepoint } = require('@rchan/tracepoint')${LIBRARY}`,
  'alone.mjs': `import { use } from './library.mjs'\nimport commonJs from './library.cjs'
console.log(use(), commonJs.use())`,
  'program.mjs': `
const [dir, ...order] = process.argv.slice(2)
const loaded = {}
for (const name of order) loaded[name] = await import(name === 'rchan' ? name : './' + name)
const recording = await loaded.rchan.startRecording({ path: dir })
for (const name of order) loaded[name].use?.()
await recording.stop()`,
  'program.cjs': `
const [dir, ...order] = process.argv.slice(2)
const loaded = order.map((name) => require(name === 'rchan' ? name : './' + name))
const { startRecording } = loaded.find((each) => each.startRecording)
startRecording({ path: dir }).then((recording) => {
  for (const each of loaded) each.use?.()
  return recording.stop()
})`,
}

test('alone it runs, as an ES module and as CommonJS', async () => {
  write(alone, FILES)
  expect(await runNode(alone, ['alone.mjs'])).toEqual({ status: 0, stdout: 'ran ran\n', stderr: '' })
})

test.each([
  ['program.mjs', 'library.mjs', 'rchan'],
  ['program.mjs', 'rchan', 'library.mjs'],
  ['program.mjs', 'library.cjs', 'rchan', 'library.mjs'],
  ['program.cjs', 'library.cjs', 'rchan'],
  ['program.cjs', 'rchan', 'library.cjs'],
])('beside rchan it is recorded: %s, with %s, %s', async (program, ...order) => {
  write(both, FILES)
  const names = order.filter((name) => name !== undefined)
  const trace = join(both, `trace ${program} ${names.join(' ')}`)
  expect(await runNode(both, [program, trace, ...names])).toEqual({ status: 0, stdout: '', stderr: '' })
  const items = [...openTrace(trace).items()].filter((item): item is Recorded => 'event' in item)
  const copies = names.length - 1
  expect(items.map(({ event }) => event.name).sort()).toEqual([
    ...Array.from({ length: copies }, () => 'lib:called'),
    ...Array.from({ length: copies }, () => 'lib:load'),
  ])
})

test.each(['library.mts', 'library.cts'])('its types stand alone, for %s', (file) => {
  write(alone, {
    [file]: `import { asyncSpan, counter, span, t, tracepoint } from '@rchan/tracepoint'
const called = tracepoint('lib:called', { by: t.enum('a', 'b'), n: t.optional('u32') })
called({ by: 'a', n: undefined })
// @ts-expect-error no such label
called({ by: 'c', n: 1 })
const load = span('lib:load', { id: 'u32' })
const text: string = load.run({ id: 1 }, () => 'ran')
asyncSpan('lib:job', { begin: { id_of: 'u32' } }).begin(1, { id_of: 1 })
counter('lib:size', 'u64')(1n)
export { text }
`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2022',
        module: 'nodenext',
        types: [],
      },
      files: [file],
    }),
  })
  const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
  expect(() =>
    execFileSync(process.execPath, [tsc, '-p', alone], { encoding: 'utf8', stdio: 'pipe' }),
  ).not.toThrow()
})

test('the programs of docs/libraries.md, pasted beside each other, print what the page says', async () => {
  const { blocks } = readPage('docs/libraries.md')
  const named = blocks.filter(({ language }) => language === 'js')
  write(both, Object.fromEntries(named.map(({ code }) => [/^\/\/ ([\w.]+):/.exec(code)?.[1] ?? '', code])))
  const printed = blocks.find(({ language }) => language === 'text')?.code
  expect(await runNode(both, ['main.mjs'])).toEqual({ status: 0, stdout: printed, stderr: '' })
  const { status, stdout } = await runNode(both, ['--test', 'mycache.test.mjs'])
  expect({ status, tests: /^# pass 1$|ℹ pass 1$/m.test(stdout) }).toEqual({ status: 0, tests: true })
})

test('it depends on nothing', () => {
  const manifest = JSON.parse(
    readFileSync(join(alone, 'node_modules/@rchan/tracepoint/package.json'), 'utf8'),
  ) as Record<string, unknown>
  expect([manifest.dependencies, manifest.peerDependencies]).toEqual([undefined, undefined])
})
