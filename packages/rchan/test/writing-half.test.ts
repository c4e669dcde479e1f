import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** Some code that only a thread runs that writes. (Its local names are short ones.) */
const LATE = [
  'makeRoom(',
  'discardBad(',
  'setStartTicks(',
  'subbufStart(',
  'static attach(',
  'claimRecorder(',
]
/** Some code that a thread runs that only declares. */
const EARLY = ['ControlPage=class', 'function facadeSource', 'function monotonicMs', 'readlinkSync']

test.each([
  ['ESM', fileURLToPath(import.meta.resolve('rchan'))],
  ['CommonJS', createRequire(import.meta.url).resolve('rchan')],
])('the writing half is a text, and nothing is in both halves: %s', (_, file) => {
  // esbuild continues a long string in the next line.
  const bundle = readFileSync(file, 'utf8').replaceAll('\\\n', '')
  const [late = ''] = /"use strict";const\{[^]*?sourceURL=rchan-writing\.js/.exec(bundle) ?? []
  expect(late.length).toBeGreaterThan(10_000)
  const early = bundle.replace(late, '')
  const places = (code: readonly string[], half: string): string[] =>
    code.filter((part) => half.includes(part))
  expect(places([...LATE, ...EARLY], late)).toEqual(LATE)
  expect(places([...LATE, ...EARLY], early)).toEqual(EARLY)
})
