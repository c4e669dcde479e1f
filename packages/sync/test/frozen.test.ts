import { Worker } from 'node:worker_threads'
import { clocks } from '@rchan/sync/clocks'
import { Patience } from '@rchan/sync/waiting'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'

const taken = { ...clocks }
afterEach(() => void Object.assign(clocks, taken))

test.each(['before', 'after'])(
  'waits end where the clocks have stood still since %s the import',
  async (when) => {
    const worker = new Worker(new URL('./frozen-worker.mjs', import.meta.url), { workerData: when })
    onTestFinished(async () => void (await worker.terminate()))
    const outcomes = await new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(outcomes).toEqual({
      mutex: false,
      condition: false,
      semaphore: false,
      latch: false,
      barrier: 'timed-out',
      word: false,
      queue: false,
    })
  },
)

describe('patience', () => {
  const words = new Int32Array(new SharedArrayBuffer(4))
  let atMs = 0
  const model = (): void =>
    void Object.assign(clocks, { epochMs: () => 1000 + atMs, monotonicMs: () => atMs })

  test('is used up by slices that were slept through, and not by others', () => {
    model()
    const patience = Patience.until(1005)
    expect(patience.sliceMs(2)).toBe(2)
    expect(patience.wait(words, 0, 0, 2)).toBe('timed-out')
    expect(patience.sliceMs(Infinity)).toBe(3)
    expect(patience.wait(words, 0, 1, 3)).toBe('not-equal')
    expect(patience.sliceMs(Infinity)).toBe(3)
    patience.wait(words, 0, 0, 3)
    expect(patience.sliceMs(Infinity)).toBe(0)
  })

  test('is used up by the clock, where it moves', () => {
    model()
    const patience = Patience.of(5)
    atMs = 4
    expect(patience.sliceMs(Infinity)).toBe(1)
    atMs = 5
    expect(patience.sliceMs(Infinity)).toBe(0)
    atMs = 0
  })

  test('does without a clock that answers nonsense', () => {
    Object.assign(clocks, { monotonicMs: () => NaN })
    expect(Patience.of(5).sliceMs(10)).toBe(5)
  })

  test('is over at once for what is no time, and never for Infinity', () => {
    model()
    for (const none of [0, -1, -Infinity, NaN]) {
      expect(Patience.of(none).sliceMs(10) > 0).toBe(false)
      expect(Patience.until(none).sliceMs(10) > 0).toBe(false)
    }
    expect(Patience.of(Infinity).sliceMs(10)).toBe(10)
    expect(Patience.until(Infinity).sliceMs(10)).toBe(10)
  })
})
