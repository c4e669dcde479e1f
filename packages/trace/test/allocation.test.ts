import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freshFolder, printed, run } from './process.ts'

// With a young generation of 1 MiB, an argument object or a BigInt for each event causes a
// collection at about every 30,000th event, so at least 10 in a round of 500,000. How soon V8
// compiles the code for good differs; then there is none. Every call is inlined up to the stores of
// its fields, which are in registers.
for (const [buffers, event] of [
  ['per-thread', 'small'],
  ['per-thread', 'large'],
  ['per-thread', 'span'],
  ['per-thread', 'span-end'],
  ['per-thread', 'span-fail'],
  ['per-thread', 'async-begin'],
  ['per-thread', 'async-end'],
  ['per-thread', 'async-bare'],
  ['per-thread', 'flow'],
  ['per-thread', 'counter'],
  ['global', 'small'],
  ['global', 'large'],
  ['global', 'span-end'],
  ['global', 'async-end'],
  ['global', 'full'],
]) {
  test(`an event allocates nothing once its code is compiled (${buffers}, ${event})`, async () => {
    const args = [join(freshFolder(), 'trace'), buffers, event]
    // Compiled on its own thread: else it is compiled when a busy machine gets to it.
    const flags = ['--max-semi-space-size=1', '--no-concurrent-recompilation']
    const rounds = printed(await run('allocates.mjs', args, flags)) as number[]
    for (const count of rounds.slice(-3)) expect(count, rounds.join()).toBeLessThanOrEqual(2)
  })
}
