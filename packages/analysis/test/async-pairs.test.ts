import { AsyncPairs } from '@rchan/analysis'
import type { AsyncItem } from '@rchan/ctf/reader'
import { expect, test } from 'vitest'
import { MadeTrace } from '../../export/test/made-trace.ts'

const trace = new MadeTrace()
const thread = trace.thread(trace.process(1), 0)
const other = trace.thread(trace.process(2), 0)
const event = trace.event('t:begin', {}, 'async-begin')

function item(id: bigint, name = 't', of = thread): AsyncItem {
  return { type: 'async', phase: 'begin', time: id, name, id, thread: of, event, fields: {} }
}

test('a span is known by its process, its name and its id', () => {
  const pairs = new AsyncPairs<string>()
  const never = (): void => expect.unreachable()
  for (const [one, value] of [
    [item(1n), 'a'],
    [item(2n), 'b'],
    [item(1n, 'u'), 'c'],
    [item(1n, 't', other), 'd'],
  ] as const) {
    pairs.begin(one, () => value, never)
  }
  expect(pairs.end(item(1n))?.value).toBe('a')
  expect(pairs.end(item(1n))).toBe(undefined)
  expect(pairs.end(item(1n, 'u'))?.value).toBe('c')
  expect([...pairs.open()].map(({ value }) => value)).toEqual(['b', 'd'])
})

test('of too many open ones the oldest is cut, before the new one takes its place', () => {
  const pairs = new AsyncPairs<bigint>(2)
  const log: string[] = []
  for (const id of [1n, 2n, 3n, 3n]) {
    pairs.begin(
      item(id),
      () => {
        log.push(`make ${id}`)
        return id
      },
      ({ begin }) => log.push(`cut ${begin.id}`),
    )
  }
  expect(log).toEqual(['make 1', 'make 2', 'cut 1', 'make 3', 'cut 3', 'make 3'])
})
