/** The table of a recording's processes. */
import type { ProcessUse } from '@rchan/analysis'
import { expect, test } from 'vitest'
import { processTable } from '../dist/process-text.js'

let count = 0

function process(pid: number, from: number, more: Partial<ProcessUse> = {}): ProcessUse {
  const folder = `/recording/${pid}-app`
  return {
    process: { pid, folder, env: {}, index: (count += 1) },
    from: BigInt(from) * 1_000_000n,
    to: BigInt(from + 100) * 1_000_000n,
    started: [],
    ...more,
  }
}

function rows(...processes: ProcessUse[]): string[] {
  const [, ...lines] = processTable(processes, []).trimEnd().split('\n')
  // Without the spaces that align the columns.
  return lines.map((line) => line.replace(/\S.*/, (rest) => rest.replaceAll(/ +/g, ' ')))
}

test('each process stands below the one that has started it, in the order of time', () => {
  const npm = process(10, 0, { command: '/usr/bin/npm test', parentPid: 1 })
  const later = process(12, 300, { command: 'node b.js', parentPid: 10 })
  const first = process(11, 200, { command: 'node a.js', parentPid: 10 })
  const grandchild = process(13, 250, { command: 'node c.js', parentPid: 11 })
  expect(rows(later, grandchild, npm, first)).toEqual([
    'npm test 10 0 ns 100 ms 0',
    '  node a.js 11 200 ms 100 ms 0',
    '    node c.js 13 250 ms 100 ms 0',
    '  node b.js 12 300 ms 100 ms 0',
  ])
})

test('a number that the system gave twice: nobody was started by a later process, or by itself', () => {
  const first = process(20, 0, { command: 'node a.js', parentPid: 21 })
  const second = process(21, 100, { command: 'node b.js', parentPid: 21 })
  const again = process(20, 200, { command: 'node c.js', parentPid: 20 })
  expect(rows(first, second, again).map((row) => row.replace(/\.js.*/, ''))).toEqual([
    'node a',
    '  node c',
    'node b',
  ])
})

test('what it is called: its command as far as it fits, or its folder', () => {
  const long = `/opt/${'long/'.repeat(20)}tool.js`
  const names = rows(
    process(30, 0),
    process(31, 1, { command: `/usr/bin/node ${long} --option` }),
    process(32, 2, { command: `/usr/bin/node -e ${'x'.repeat(100)}` }),
    process(34, 2, { command: `/usr/bin/node ${'--an-option=of-a-runner '.repeat(5)}/tests/a.test.js` }),
    process(33, 3, { command: 'node\n\u001B[2J app.js' }),
  ).map((row) => row.replace(/ \d+ [\d.]+ .s .*/, ''))
  expect(names).toEqual([
    'app',
    'node tool.js --option',
    `node -e ${'x'.repeat(51)}…`,
    'node … a.test.js',
    'node \uFFFD[2J app.js',
  ])
})

test('of very many it shows the first twenty', () => {
  const many = Array.from({ length: 25 }, (_, index) => process(100 + index, index, { command: 'node' }))
  const shown = rows(...many)
  expect(shown).toHaveLength(21)
  expect(shown.at(-1)).toBe('and 5 more processes')
})
