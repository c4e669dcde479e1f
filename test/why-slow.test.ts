/**
 * docs/why-slow.md is true: what it shows of the three recordings is what rchan says of them, and
 * its code is that of the programs beside them.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { analyse, durationText, modelText, type Model } from '@rchan/analysis'
import { findTraces, openTrace } from '@rchan/ctf/reader'
import { describe, expect, test } from 'vitest'
import { readPage, ROOT, sectionOf } from './pages.js'

const page = readPage('docs/why-slow.md')
const STEPS = ['first', 'second', 'third'] as const

function fileOf(step: string, name: string): string {
  return readFileSync(join(ROOT, 'docs/why-slow', step, name), 'utf8')
}

const models = STEPS.map((step): Model => {
  const folders = findTraces(join(ROOT, 'docs/why-slow', step, 'recording'))
  expect(folders).toHaveLength(1)
  return analyse(openTrace(folders[0]))
})
const texts = models.map((model) => modelText(model))

function linesOf(text: string): string[] {
  return text.split('\n').map((line) => line.trimEnd())
}

test('each block of text is what the summary of one of the recordings says, in this order', () => {
  const blocks = page.blocks.filter(({ language }) => language === 'text')
  expect(blocks).toHaveLength(4)
  const found = blocks.map(({ code }) =>
    texts.findIndex((text) => {
      const lines = linesOf(text)
      let index = 0
      return linesOf(code).every((line) => {
        const isCut = line.endsWith(' …')
        const start = isCut ? line.slice(0, -1) : line
        while (index < lines.length && !(isCut ? lines[index].startsWith(start) : lines[index] === start)) {
          index += 1
        }
        return index < lines.length
      })
    }),
  )
  expect(found).toEqual([0, 0, 1, 2])
})

test('its code is that of the programs, and its changes are those between them', () => {
  const code = page.blocks.filter(({ language }) => language === 'js').map((block) => block.code)
  expect(code).toEqual([
    `// report.mjs\n${fileOf('first', 'report.mjs').replace(/^\/\/.*\n/, '')}`,
    `// best.mjs\n${fileOf('first', 'best.mjs')}`,
  ])
  const changes = page.blocks
    .filter(({ language }) => language === 'diff')
    .map((block) => linesOf(block.code))
  expect(changes).toHaveLength(3)
  for (const [index, name] of ['report.mjs', 'best.mjs', 'sales.mjs'].entries()) {
    const [from, to] = name === 'sales.mjs' ? ['second', 'third'] : ['first', 'second']
    const [before, after] = [from, to].map((step) => linesOf(fileOf(step, name)))
    for (const line of changes[index].filter((each) => each !== '')) {
      expect((line.startsWith('-') ? before : after).includes(line.slice(1)), line).toBe(true)
      expect((line.startsWith('-') ? after : before).includes(line.slice(1)), line).toBe(false)
    }
  }
})

test('the table of what changed', () => {
  const rows = sectionOf(page, 'What changed')
    .split('\n')
    .filter((line) => /^\| \w/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const pools = models.map(({ pools: [pool] }) => pool)
  expect(rows.map((cells) => cells.slice(1, -1))).toEqual([
    ['time with tasks', ...pools.map(({ activeNs }) => durationText(activeNs))],
    ['to the worker, median', ...pools.map(({ wake }) => durationText(wake.p50))],
    ['run time, median', ...pools.map(({ run }) => durationText(run.p50))],
    ['garbage collection', ...pools.map(({ parts, run }) => `${Math.round((parts.gc / run.sum) * 100)} %`)],
  ])
})

test('what the page says in between', () => {
  const { text } = page
  const [first, second, third] = models.map(({ pools: [pool] }) => pool)
  for (const value of [
    first.run.p50,
    first.wake.p50,
    first.lateReplies.longest,
    second.wake.max,
    third.wait.p50,
  ]) {
    expect(
      text
        .split('```')
        .filter((_, index) => index % 2 === 0)
        .join(''),
    ).toContain(durationText(value))
  }
  const [one, other] = second.slowest
  expect([one, other].map(({ started, dispatched }) => Number(started! - dispatched!) > 50e6)).toEqual([
    true,
    true,
  ])
  expect(new Set([one.worker, other.worker]).size).toBe(2)
})

describe('the programs', () => {
  test('the three of them print the same', () => {
    const printed = STEPS.map((step) =>
      execFileSync(process.execPath, [join(ROOT, 'docs/why-slow', step, 'report.mjs')], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 240_000,
      }),
    )
    expect(printed[0].trimEnd().split('\n')).toHaveLength(36)
    expect(new Set(printed).size).toBe(1)
  })

  test('they know nothing of rchan', () => {
    for (const step of STEPS) {
      for (const name of ['report.mjs', 'best.mjs', 'sales.mjs'])
        expect(fileOf(step, name)).not.toContain('rchan')
    }
  })
})
