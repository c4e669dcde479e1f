/** The programs of docs/relay.md run, and print what the page says; what it names exists. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as relay from 'rchan/relay'
import { afterAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const page = readFileSync(join(ROOT, 'docs/relay.md'), 'utf8')
// In there, so that a program finds rchan as a user's does.
const folder = mkdtempSync(join(ROOT, 'node_modules/.relay-docs-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Block {
  readonly language: string
  readonly code: string
}

const blocks: Block[] = [...page.matchAll(/```(\w+)\n([^]*?)```/g)].map(([, language, code]) => ({
  language,
  code,
}))
/** A program is followed by what it prints. */
const programs = blocks.flatMap(({ language, code }, index) =>
  language === 'js' && blocks[index + 1]?.language === 'text'
    ? [{ code, prints: blocks[index + 1].code, number: index }]
    : [],
)

test.each(programs)('the program of block $number prints what the page says', ({ code, prints, number }) => {
  const path = join(folder, `block-${number}.mjs`)
  writeFileSync(path, code)
  const output = execFileSync(process.execPath, [path], { encoding: 'utf8', timeout: 240_000 })
  expect(output).toBe(prints)
})

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
const channel = new Relay(plainMachine(1)).open({ subbufSize: 64, subbufCount: 4 })
channel.write(0, new Uint8Array(20))
channel.flush()
const file = new RelayFile(channel.buffer(0))
const fd = openSync('/dev/null', 'w')
const socket = createWriteStream('/dev/null')
`
const fragments = blocks.flatMap(({ language, code }, index) =>
  language === 'js' && blocks[index + 1]?.language !== 'text' ? [{ code, number: index }] : [],
)

test.each(fragments)('the fragment of block $number runs', ({ code, number }) => {
  const path = join(folder, `block-${number}.mjs`)
  writeFileSync(path, PRELUDE + code)
  execFileSync(process.execPath, [path], { timeout: 240_000 })
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
  const said = [...page.matchAll(/(?<![\w.'/])(Relay|relay|channel|buffer|file|mapping)\.([a-z]\w*)/g)]
  expect(said.length).toBeGreaterThan(20)
  expect(
    said.filter(([, thing, member]) => !(member in (things[thing] ?? {}))).map(([text]) => text),
  ).toEqual([])
})
