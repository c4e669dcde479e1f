/** Recordings that are converted while they run. */
import type { FollowOptions, FollowSource, TraceItem } from '@rchan/ctf/reader'
import { followCsv, followJsonLines, FORMATS, toCsv, toJsonLines } from '@rchan/export'
import { expect, test } from 'vitest'
import { MadeTrace } from './made-trace.ts'

/** A trace of as many events. */
function made(events: number): MadeTrace {
  const trace = new MadeTrace()
  const thread = trace.thread(trace.process(1), 0, 'main')
  const event = trace.event('log', { n: 'u32' })
  for (let n = 0; n < events; n += 1) trace.happened(thread, event, BigInt(n), { n })
  return trace
}

/** A recording whose items come when the test says so. */
class Live implements FollowSource {
  readonly #items: TraceItem[]
  #given = 0
  #there = 0
  #isOver = false
  #wake = (): void => undefined
  readonly #trace: MadeTrace
  isClosed = false

  constructor(trace: MadeTrace) {
    this.#trace = trace
    this.#items = [...trace.items()]
  }

  come(count: number): void {
    this.#there += count
    this.#wake()
  }

  end(): void {
    this.#isOver = true
    this.#wake()
  }

  async *follow({ signal }: FollowOptions = {}): AsyncIterable<TraceItem> {
    try {
      for (;;) {
        if (signal?.aborted === true) return
        for (; this.#given < this.#there; this.#given += 1) yield this.#items[this.#given]
        if (this.#isOver) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          signal?.addEventListener('abort', () => resolve())
        })
      }
    } finally {
      this.isClosed = true
    }
  }

  wallClock(time: bigint): bigint {
    return this.#trace.wallClock(time)
  }
}

test('what has come goes out at once, in whole lines, and all of it is what the trace becomes', async () => {
  const trace = made(5)
  const live = new Live(trace)
  const pieces = followJsonLines(live)
  const text: string[] = []
  const next = async (): Promise<string> => {
    const { value } = (await pieces.next()) as { value: string }
    text.push(value)
    return value
  }
  expect(await next()).toMatch(/^\{"type":"trace",.*\}\n$/)
  live.come(2)
  expect((await next()).split('\n').filter((line) => line.includes('"n":')).length).toBe(2)
  live.come(3)
  expect((await next()).split('\n').length).toBe(4)
  live.end()
  expect(await pieces.next()).toEqual({ done: true, value: undefined })
  expect(live.isClosed).toBe(true)
  expect(text.join('')).toBe([...toJsonLines(trace)].join(''))
})

test('much at once comes in pieces', async () => {
  const trace = made(20_000)
  const live = new Live(trace)
  live.come(20_000)
  live.end()
  const pieces: string[] = []
  for await (const piece of followCsv(live)) pieces.push(piece)
  expect(pieces.length).toBeGreaterThan(10)
  for (const piece of pieces) expect(piece.length).toBeLessThan(70_000)
  expect(pieces.join('')).toBe([...toCsv(trace)].join(''))
})

test('who leaves, or aborts, does not wait for the next item', async () => {
  const left = new Live(made(1))
  for await (const piece of followCsv(left)) {
    expect(piece).toMatch(/^time,/)
    break
  }
  expect(left.isClosed).toBe(true)

  const aborted = new Live(made(1))
  const stop = new AbortController()
  const pieces = followCsv(aborted, { signal: stop.signal })
  await pieces.next()
  const last = pieces.next()
  stop.abort()
  expect(await last).toEqual({ done: true, value: undefined })
  expect(aborted.isClosed).toBe(true)
})

test('only formats whose items stand one after the other can be followed', () => {
  const followed = Object.entries(FORMATS).filter(([, { follow }]) => follow !== undefined)
  expect(followed.map(([name]) => name)).toEqual(['jsonl', 'csv'])
})
