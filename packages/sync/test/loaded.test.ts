/** The parts of this package in the bundles that every tracing thread loads. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// Nothing in the product uses them yet; a worker must not pay for them.
// In index.js the names of classes are short ones, but their methods keep their names.
const ABSENT = /\b(Barrier|Condition|Latch|Semaphore|timedWait|countDown|tryWait|broadcast)\b/

test.each(['rchan/dist/esm/index.js', 'rchan/dist/cjs/index.js', 'trace/dist/consumer-source.js'])(
  '%s has no barrier, condition, latch or semaphore',
  (file) => {
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    expect(text).toContain('stayAwake')
    expect(ABSENT.exec(text)?.[0]).toBe(undefined)
  },
)
