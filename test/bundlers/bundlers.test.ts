/**
 * Each bundler bundles a program of two files together with rchan. The result runs in a folder
 * without packages. It records with its workers, and finds its events in the trace.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { afterAll, expect, test } from 'vitest'
import { packedFolder, runNode } from '../packed.ts'
import { BUNDLERS } from './bundlers.mjs'

const home = packedFolder()
afterAll(() => rmSync(home, { recursive: true, force: true }))
// Beside the packages, and the bundles in folders that have none above them.
const program = join(home, 'program')
cpSync(fileURLToPath(new URL('program', import.meta.url)), program, { recursive: true })
cpSync(join(home, 'node_modules'), join(program, 'node_modules'), { recursive: true })
rmSync(join(home, 'node_modules'), { recursive: true })
writeFileSync(join(program, 'package.json'), '{ "type": "module" }')

test.each(Object.entries(BUNDLERS))('%s', async (name, bundle) => {
  const to = join(home, name.replaceAll(/\W+/g, '-'))
  mkdirSync(to)
  const ending = await bundle(program, to)
  const trace = join(to, 'trace')
  const ended = await runNode(to, [join(to, `main${ending}`), trace, join(to, `worker${ending}`)])
  expect(ended, ended.stderr).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(ended.stdout)).toEqual({ events: 30, discarded: 0, read: 30 })
  const records = [...openTrace(trace).records()]
  const whose = records.map(({ cpu, generation, fields: { n, who } }) => `${who} ${cpu} ${generation} ${n}`)
  expect(new Set(whose).size).toBe(30)
})

test('a bundle without its file for recording says that it was bundled, and what helps', async () => {
  const to = join(home, 'cut')
  mkdirSync(to)
  const ending = await BUNDLERS['rollup, ESM in chunks'](program, to)
  for (const file of readdirSync(to)) if (file.startsWith('recording')) rmSync(join(to, file))
  const ended = await runNode(to, [join(to, `main${ending}`), join(to, 'trace'), join(to, `worker${ending}`)])
  expect(ended.status).toBe(1)
  expect(ended.stderr).toMatch(/rchan: can't load .*bundle.*external/)
})
