/** The parts of this package in the bundles that every tracing thread loads. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Nothing in the product uses them yet; a worker must not pay for them.
const ABSENT = /\b(Barrier|Condition|Latch|Semaphore)\b/

test.each(['rchan/dist/esm/index.js', 'rchan/dist/cjs/index.js', 'trace/dist/consumer-source.js'])(
  '%s has no barrier, condition, latch or semaphore',
  (file) => {
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    expect(text).toContain('Doorbell')
    expect(ABSENT.exec(text)?.[0]).toBe(undefined)
  },
)
