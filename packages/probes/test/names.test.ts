/**
 * Names of tracepoints and fields are what the probes, their page and those who read recordings
 * agree on.
 */
import { SAMPLER } from '@rchan/analysis'
import { baseNameOf, parseSchema } from '@rchan/ctf'
import { PROBES } from '@rchan/probes'
import { SAMPLER as NAMED } from '@rchan/probes/sampler-data'
import { thisCpu } from '@rchan/runtime'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readPage, ROOT } from '../../../test/pages.ts'
import { POOL_OPTIONS } from '../../analysis/dist/findings/pool-options.js'
import { declareAll } from '../dist/late.js'
import { POOL_KINDS } from '../dist/tasks.js'

const page = readPage('docs/probes.md').text

/** The fields of each tracepoint of the probes. */
function declared(): Map<string, Set<string>> {
  declareAll()
  const found = new Map<string, Set<string>>()
  for (const { text } of thisCpu.control.entries().found) {
    const schema = parseSchema(text)
    if (schema === undefined) continue
    const name = baseNameOf(schema.kind ?? 'event', schema.name)
    found.set(name, new Set([...(found.get(name) ?? []), ...schema.fields.map((field) => field.name)]))
  }
  return found
}

/** The rows of the page that tell of a tracepoint: its name, and the words in code behind it. */
function rows(): { name: string; words: string[] }[] {
  return [...page.matchAll(/^\| `([\w:]+)` .*\| (?:event|span|async|flow|counter) +\|.*$/gm)].map(
    ([row, name]) => ({
      name,
      words: [...row.matchAll(/`(\w+)`/g)].map(([, word]) => word),
    }),
  )
}

test('every probe has a section of the page, in their order', () => {
  const sections = [...page.matchAll(/^## (.+)$/gm)].map(([, section]) => section)
  expect(sections).toEqual(PROBES.map(({ name }) => name))
})

test('every row of the page is a tracepoint, with its fields', () => {
  const tracepoints = declared()
  expect(rows().length).toBeGreaterThan(20)
  for (const { name, words } of rows().filter((row) => row.name !== 'pool:NAME')) {
    const fields = tracepoints.get(name)
    expect({ name, isDeclared: fields !== undefined }).toEqual({ name, isDeclared: true })
    const system = ['id', 'start', 'duration', 'outcome', 'phase', 'at']
    expect({
      name,
      untold: [...fields!].filter((field) => !system.includes(field) && !words.includes(field)),
    }).toEqual({
      name,
      untold: [],
    })
  }
})

test('every tracepoint of the probes stands on the page', () => {
  const names = [...declared().keys()]
  expect(names).toContain('task:run')
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

test('the sampler is called as those who leave it out expect', () => {
  expect(SAMPLER).toBe(NAMED)
})

test('every pool that is followed stands on the page, and the findings know its options', () => {
  expect(POOL_KINDS).toContain('piscina')
  expect(POOL_KINDS.filter((kind) => !page.includes(kind))).toEqual([])
  expect([...POOL_KINDS].sort()).toEqual(Object.keys(POOL_OPTIONS).sort())
})

test('whoever reads recordings asks for names that there are', () => {
  const names = [...declared().keys()]
  for (const folder of ['analysis', 'report']) {
    const sources = join(ROOT, 'packages', folder, 'src')
    const texts = readdirSync(sources, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(sources, file), 'utf8'))
    const asked = texts.flatMap((text) =>
      [...text.matchAll(/'((?!node:)[a-z]+:[a-z]+)'/g)].map(([, name]) => name),
    )
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.filter((name) => !names.includes(name))).toEqual([])
  }
})
