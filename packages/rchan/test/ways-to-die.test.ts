/**
 * The short form of `npm run soak -- --only ways`: each way to die once. And the table of the ways
 * in the documents, whose rows name tests that exist.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { hasReader } from '../../../test/readers.ts'
import { freshFolder } from './scenario.ts'
import { die, lacks, WAYS } from './ways/ways.mjs'

const SEED = Number(process.env.RCHAN_SEED ?? 20261126)
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

describe(`what a program leaves that dies (seed ${SEED})`, () => {
  for (const name of Object.keys(WAYS)) {
    test(name, async (context) => {
      const lack = lacks(name)
      if (lack !== undefined) console.warn(`skipped: ${lack}`)
      context.skip(lack !== undefined, lack)
      const readers = (['babeltrace2', 'babeltrace'] as const).filter((reader) => hasReader(reader))
      const figures = await die(name, { seed: SEED, parent: freshFolder(), readers })
      expect(figures.events + figures.lost).toBeGreaterThan(0)
    })
  }
})

test('a way that ends otherwise is a failure, which names the trace and what the program was told', async () => {
  const way = { ...WAYS['main calls process.exit()'], ends: { status: 0 } }
  const played = die('main calls process.exit()', { seed: SEED, parent: freshFolder(), way })
  await expect(played).rejects.toThrow(/status=7[^]*the trace: [^]*the order: /)
})

describe('the table of the ways in the documents', () => {
  const page = readFileSync(join(ROOT, 'docs/ways-to-die.md'), 'utf8')
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter((cells) => !/^-+$/.test(cells[0]) && cells.at(-1) !== 'Test')

  test('has each way that is played here', () => {
    const played = rows.filter((cells) => cells.at(-1) === '`ways-to-die.test.ts`')
    expect(played.map(([name]) => name.replaceAll('`', '')).sort()).toEqual(Object.keys(WAYS).sort())
  })

  test('names tests that exist', () => {
    const tests = testFiles()
    expect(rows.length).toBeGreaterThan(Object.keys(WAYS).length)
    const missing = rows.filter((cells) => {
      const [, name, title = ''] = /^`([\w.-]+)`(?:: (.+))?$/.exec(cells.at(-1) ?? '') ?? []
      const path = tests.get(name)
      return path === undefined || !readFileSync(path, 'utf8').includes(title)
    })
    expect(missing).toEqual([])
  })
})

/** The paths of all tests, by name. */
function testFiles(): Map<string, string> {
  const packages = readdirSync(join(ROOT, 'packages')).map((name) => join('packages', name, 'test'))
  const folders = [...packages, 'test', 'test/bundlers'].filter((folder) => existsSync(join(ROOT, folder)))
  return new Map(
    folders.flatMap((folder) =>
      readdirSync(join(ROOT, folder)).map((name) => [name, join(ROOT, folder, name)]),
    ),
  )
}
