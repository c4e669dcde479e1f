/**
 * What docs/relay.md says is true: its fragments run, and what it names exists. (Its programs are
 * run with those of the other pages: test/readme.test.ts.)
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as relay from 'rchan/relay'
import { afterAll, expect, test } from 'vitest'
import { programsOf, readPage, ROOT } from '../../../test/pages.js'

const page = readPage('docs/relay.md')
const programs = programsOf(page)
// In there, so that a fragment finds rchan as a user's does.
const folder = mkdtempSync(join(ROOT, 'node_modules/.relay-docs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a relay channel is used on its own, by several threads, in less than 30 lines', () => {
  const [{ code }] = programs
  expect(code.trimEnd().split('\n').length).toBeLessThan(30)
  expect(code).not.toContain("'rchan'")
  expect(code).toContain('new Worker')
})

/** What a fragment takes for granted. */
const PRELUDE = `
import { createWriteStream, openSync } from 'node:fs'
import { plainMachine, Relay, RelayFile } from 'rchan/relay'
const relay = new Relay(plainMachine(1))
const [channel, requests, errors] = [1, 2, 3].map(() => relay.open({ subbufSize: 64, subbufCount: 4 }))
const signal = AbortSignal.timeout(50)
channel.write(0, new Uint8Array(20))
channel.flush()
const file = new RelayFile(channel.buffer(0))
const fd = openSync('/dev/null', 'w')
const socket = createWriteStream('/dev/null')
`
const fragments = page.blocks
  .filter(({ language, code }) => language === 'js' && !programs.some((program) => program.code === code))
  .map(({ code }, number) => ({ code, number }))

test.each(fragments)('fragment $number runs', ({ code, number }) => {
  const path = join(folder, `fragment-${number}.mjs`)
  writeFileSync(path, PRELUDE + code)
  writeFileSync(join(folder, 'sink.mjs'), 'export function write() {}')
  execFileSync(process.execPath, [path], { timeout: 240_000, cwd: folder })
})

test('a mapping that is read on another thread has a program', () => {
  expect(programs.some(({ code }) => code.includes('file.mmap(') && code.includes('new Worker'))).toBe(true)
})

test('whatever the page says of a relay, a channel, a buffer, a file or a mapping exists', () => {
  const one = new relay.Relay(relay.plainMachine(1), { memoryBytes: 2 ** 16 })
  const channel = one.open({ subbufSize: 8, subbufCount: 2 })
  const buffer = channel.buffer(0)
  if (buffer === undefined) throw new Error('no buffer')
  const file = new relay.RelayFile(buffer)
  const things: Record<string, object> = {
    Relay: relay.Relay,
    relay: one,
    channel,
    buffer,
    file,
    mapping: file.mmap(channel.allocSize),
  }
  const said = [...page.text.matchAll(/(?<![\w.'/])(Relay|relay|channel|buffer|file|mapping)\.([a-z]\w*)/g)]
  expect(said.length).toBeGreaterThan(20)
  expect(
    said.filter(([, thing, member]) => !(member in (things[thing] ?? {}))).map(([text]) => text),
  ).toEqual([])
})
