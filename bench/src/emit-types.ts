/**
 * The suite *emit*, by the types of fields and by the kinds of tracepoints: each an event with one
 * field of the type. The floor is the event with a u32. As `emit`, without a consumer.
 */
import { asyncSpan, counter, flow, t, tracepoint, type FieldType } from '@rchan/trace'
import { OPERATIONS, startUndrained, task } from './emit.js'
import type { BenchTask, Suite } from './harness.js'

const PATHS = ['src/a.ts', 'src/b.ts', 'src/deep/c.ts', 'README.md']
const BYTES = Uint8Array.from({ length: 16 }, (_, index) => index)
const NUMBERS = [1, 2, 3, 4]

/** A type, and what is given. Each call site is a function of its own, as in programs. */
function typed(name: string, type: FieldType, valueOf: (n: number) => unknown): BenchTask {
  const traced = tracepoint(`bench:type-${name}`, { value: type }) as unknown as (fields: {
    value: unknown
  }) => void
  return task(`type-${name}`, 'type-u32', () => {
    for (let i = 0; i < OPERATIONS; i += 1) traced({ value: valueOf(i) })
  })
}

const byType: readonly BenchTask[] = [
  typed('u32', 'u32', (n) => n),
  typed('u64-number', 'u64', (n) => n * 1e6),
  typed('u64-bigint', 'u64', () => 12_345_678_901_234n),
  typed('enum', t.enum('hit', 'miss'), (n) => ((n & 1) === 0 ? 'hit' : 'miss')),
  typed('interned', 'interned', (n) => PATHS[n & 3]),
  typed('string', 'string', (n) => PATHS[n & 3]),
  typed('bytes', 'bytes', () => BYTES),
  typed('seq', t.seq('u32', { max: 8 }), () => NUMBERS),
  typed('struct', t.struct({ x: 'f64', y: 'f64' }), (n) => ({ x: n, y: 0.5 })),
  typed('optional', t.optional('u32'), (n) => n),
]

const job = asyncSpan('bench:kind-async', { begin: { n: 'u32' } })
const way = flow('bench:kind-flow')
const level = counter('bench:kind-counter', 'u32')

const byKind: readonly BenchTask[] = [
  task('kind-async-pair', 'type-u32', () => {
    for (let i = 0; i < OPERATIONS; i += 1) {
      job.begin(i, { n: i })
      job.end(i)
    }
  }),
  task('kind-flow', 'type-u32', () => {
    for (let i = 0; i < OPERATIONS; i += 1) way.start(i)
  }),
  task('kind-counter', 'type-u32', () => {
    for (let i = 0; i < OPERATIONS; i += 1) level(i)
  }),
]

export const emitTypes: Suite = {
  name: 'emit',
  about: 'one event with one field of each type, and one of each kind; the floor is the event with a u32',
  async setUp() {
    const runtime = await startUndrained()
    return {
      tasks: [...byType, ...byKind],
      tearDown: async () => void (await runtime.stop()),
    }
  },
}
