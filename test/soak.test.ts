/**
 * The short form of `npm run soak`: each run with a small count. (The ways to die have their own:
 * packages/rchan/test/ways-to-die.test.ts.)
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { freshFolder } from '../packages/rchan/test/scenario.ts'
import { checkFlat, type Holds } from './soak/flat.mjs'
import { RUNS } from './soak/runs.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20261126)
const COUNTS: Readonly<Record<string, number>> = {
  terminates: 15,
  snapshots: 6,
  cuts: 20,
  workers: 40,
  cpus: 40,
  recordings: 12,
}

for (const { name, about, run } of RUNS) {
  if (name === 'ways') continue
  test(`${name}: ${COUNTS[name]} ${about}: nothing forbidden is seen (seed ${SEED})`, async () => {
    const failures: string[] = []
    const figures = await run({
      count: COUNTS[name],
      seed: SEED,
      folder: freshFolder(),
      progress: () => undefined,
      fail: (message) => failures.push(message),
    })
    expect(failures, figures).toEqual([])
    expect(figures).toMatch(/\d/)
  })
}

test('what grows is forbidden, and named', () => {
  const holds = (more: number): Holds => {
    const [memory, number] = [(50 + more) * 2 ** 20, 10 + more]
    return {
      rss: memory,
      heapUsed: 0,
      arrayBuffers: memory,
      listeners: 3,
      descriptors: number,
      threads: number,
    }
  }
  const failures: string[] = []
  const fail = (message: string): void => void failures.push(message)
  // What comes at first and stays is no growth.
  checkFlat([holds(0), holds(90), ...Array.from({ length: 98 }, () => holds(100))], fail)
  expect(failures).toEqual([])
  const text = checkFlat(
    Array.from({ length: 100 }, (_, i) => holds(i)),
    fail,
  )
  expect(failures).toEqual([
    'descriptors grew from 20 to 100',
    'threads grew from 20 to 100',
    'rss grew from 60.0 to 140.0 MiB',
    'arrayBuffers grew from 60.0 to 140.0 MiB',
  ])
  expect(text).toContain('listeners 3 → 3')
})

test.each([
  ['--only', 'everything'],
  ['--seed', '-1'],
  ['--scale', '0'],
  ['--scale', 'small'],
  ['--speed'],
  ['ways'],
])('the arguments %s %s of the soak are refused', (...args) => {
  const run = fileURLToPath(new URL('soak/run.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [run, ...args.filter((arg) => arg !== undefined)], {
    encoding: 'utf8',
  })
  expect(status).toBe(2)
  expect(stderr).toContain('usage: npm run soak')
})
