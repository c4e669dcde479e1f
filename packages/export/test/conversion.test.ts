/** How the pieces of a file are asked for, one by one. */
import type { EventClass, ItemSource, TraceItem } from '@rchan/ctf/reader'
import { FORMATS, toJsonLines } from '@rchan/export'
import { expect, test } from 'vitest'
import { MadeTrace } from './made-trace.ts'

/** A trace of more items than fit in a piece, that says what was done with its items. */
function watched(fail?: Error) {
  const trace = new MadeTrace()
  const thread = trace.thread(trace.process(1), 0)
  const event = trace.event('log', { text: 'string' })
  for (let n = 1n; n <= 3000n; n += 1n) trace.happened(thread, event, n, { text: 'x'.repeat(100) })
  const seen = { opened: 0, closed: 0 }
  const source: ItemSource = {
    wallClock: (time) => trace.wallClock(time),
    *items(): IterableIterator<TraceItem> {
      seen.opened += 1
      try {
        yield* trace.items()
        if (fail !== undefined) throw fail
      } finally {
        seen.closed += 1
      }
    },
  }
  return { source, seen }
}

test.each(Object.entries(FORMATS))('%s: nothing is read before the first piece is asked for', (_, format) => {
  const { source, seen } = watched()
  const pieces = format.convert(source)
  expect(seen).toEqual({ opened: 0, closed: 0 })
  const texts = [...pieces].map((piece) => Buffer.from(piece).length)
  // SVG is read twice: first for the times that it shows.
  expect(seen.opened).toBeGreaterThan(0)
  expect(seen.closed).toBe(seen.opened)
  expect(texts.length).toBeGreaterThan(0)
  expect(pieces.next()).toEqual({ done: true, value: undefined })
})

test('whoever needs no further piece closes the trace', () => {
  const { source, seen } = watched()
  for (const piece of toJsonLines(source)) {
    expect(piece.length).toBeGreaterThan(60_000)
    break
  }
  expect(seen).toEqual({ opened: 1, closed: 1 })
  const pieces = toJsonLines(source)
  pieces.next()
  expect(pieces.return?.()).toEqual({ done: true, value: undefined })
  expect(pieces.next()).toEqual({ done: true, value: undefined })
  expect(seen).toEqual({ opened: 2, closed: 2 })
})

test('an error of the trace ends the pieces', () => {
  const error = new Error('torn')
  const { source, seen } = watched(error)
  const pieces = toJsonLines(source)
  expect(() => [...pieces]).toThrow(error)
  expect(seen).toEqual({ opened: 1, closed: 1 })
  expect(pieces.next()).toEqual({ done: true, value: undefined })
})

test('a conversion that fails closes the trace', () => {
  const { source, seen } = watched()
  const broken: ItemSource = {
    ...source,
    *items() {
      for (const item of source.items()) yield { ...item, thread: undefined } as unknown as TraceItem
    },
  }
  expect(() => [...toJsonLines(broken)]).toThrow(TypeError)
  expect(seen).toEqual({ opened: 1, closed: 1 })
})

test.each(Object.entries(FORMATS))('%s: what a trace by others calls its events is no code', (_, format) => {
  const trace = new MadeTrace()
  const thread = trace.thread(trace.process(1), 0)
  const code = 'globalThis.broken = true'
  const names = [
    `"; ${code}; "`,
    `'\n${code}\n`,
    `\u2028${code}\u2029`,
    `\${${code}}`,
    `*/ ${code} /*`,
    `\\"; ${code} //`,
  ]
  for (const [id, name] of names.entries()) {
    const event: EventClass = {
      id,
      name,
      kind: 'span',
      fields: [
        { name, type: 'u32' },
        { name: `${name}2`, type: 'string' },
      ],
    }
    // More than a class has before code is made for it.
    for (let n = 0n; n < 200n; n += 1n) {
      const time = BigInt(id) * 1000n + n
      trace.span(thread, event, time, time + 1n, { [name]: 7, [`${name}2`]: name })
    }
  }
  const text = Buffer.concat([...format.convert(trace)].map((piece) => Buffer.from(piece))).toString()
  expect(text.length).toBeGreaterThan(1000)
  expect(globalThis).not.toHaveProperty('broken')
})
