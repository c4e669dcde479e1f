import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keptBuiltins } from '../dist/builtins.js'
import { freshFolder, readTrace, run, summaryOf } from './scenario.ts'

const BAD = `replaced:bad: flag=${2n ** 64n}n is no bool`
const KINDS = 'atomics statics globals buffers clocks collections encoders iterators arrays'.split(' ')

describe.each(['per-thread', 'global'])('%s buffers', (buffers) => {
  test.each(KINDS)(
    'a worker that has replaced built-ins after the import traces as any: %s',
    async (kind) => {
      const folder = freshFolder()
      const summary = summaryOf(await run('replaced.mjs', [folder, buffers, 'worker', kind]))
      expect(summary).toMatchObject({ events: 40, discarded: 2, torn: 0, unwritten: 0, overwritten: 0 })
      expect(summary.discardedBy).toMatchObject({ bad: 2 })
      expect(summary.badArguments).toEqual([BAD])
      const { records } = readTrace(folder)
      const late = records.filter(({ event }) => event.name === 'replaced:late')
      expect(late.map(({ fields }) => fields)).toEqual(
        Array.from({ length: 20 }, (_, n) => ({ n, flag: true, text: 'short', wide: 1n })),
      )
      const text = 'é'.repeat(200) + 'x'.repeat(1200)
      const early = records.filter(({ event }) => event.name === 'replaced:early')
      expect(early.map(({ fields }) => fields)).toEqual(
        Array.from({ length: 20 }, (_, n) => ({ n, big: -1n, text })),
      )
    },
  )
})

test.each(KINDS)('a recording records, or the error says what was replaced: %s', async (kind) => {
  const folder = join(freshFolder(), 'trace')
  const summary = summaryOf(await run('replaced.mjs', [folder, 'per-thread', 'main', kind]))
  if (summary.failed === undefined) {
    expect(summary).toMatchObject({ events: 40, discarded: 2, unwritten: 0, badArguments: [BAD] })
    if (kind === 'collections') {
      // A complete recording does not fail because of a hint.
      expect(summary.warnings).toEqual([expect.stringContaining('could not be looked over for hints')])
    }
    expect(readTrace(folder).records.length).toBe(40)
  } else {
    expect(summary.failed).toMatch(/; the program has replaced [A-Z].* since rchan was imported/)
    // Nothing was made that looks like a trace.
    expect(existsSync(join(folder, 'cpu_0'))).toBe(false)
  }
})

test('all built-ins that are kept are looked at', async () => {
  const exported: Record<string, unknown> = { ...(await import('../dist/builtins.js')) }
  delete exported.keptBuiltins
  expect(keptBuiltins()).toEqual(exported)
  expect(Object.keys(exported).length).toBeGreaterThan(40)
})

test('the bundle uses no built-in that it has not kept', () => {
  // esbuild continues a long string in the next line.
  const bundle = readFileSync(createRequire(import.meta.url).resolve('rchan'), 'utf8').replaceAll('\\\n', '')
  expect(bundle.match(/\b(?:Atomics|JSON|Math|Number|BigInt)\.\w+|\bArray\.(?!prototype)\w+/g) ?? []).toEqual(
    [],
  )
  expect(
    bundle.match(/\bnew (?:Function|Map|Set|WeakMap|(?:Big)?(?:Ui|I|F)\w+Array|(?!Kept)\w*Error)\b/g) ?? [],
  ).toEqual([])
})

describe.each(['per-thread', 'global'])('where code from text is forbidden, %s buffers', (buffers) => {
  test.each([
    ['before', 'type'],
    ['before', 'eval'],
    ['before', 'range'],
    ['before', 'text'],
    ['after', 'type'],
  ])('%s the import, by an error of any kind: %s', async (when, error) => {
    const folder = freshFolder()
    const summary = summaryOf(await run('no-eval.mjs', [folder, buffers, when, error]))
    expect(summary).toMatchObject({ events: 2, discarded: 0 })
    expect(readTrace(folder).records.map(({ fields }) => fields)).toEqual([{ n: 1 }, { n: 2, text: 'a' }])
  })
})
