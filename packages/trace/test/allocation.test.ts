import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freshFolder, printed, run } from './process.ts'

// With a young generation of 1 MiB, an argument object or a BigInt for each event causes a collection at about every
// 30,000th event, so at least 10 in a round of 500,000. How soon V8 compiles the code for good differs; then there is
// none. Every call is inlined up to the record's stores, with all fields in registers.
for (const [buffers, event] of [
  ['per-thread', 'small'],
  ['per-thread', 'large'],
  ['global', 'small'],
  ['global', 'large'],
  ['global', 'full'],
]) {
  test(`an event allocates nothing once its code is compiled (${buffers}, ${event})`, async () => {
    const args = [join(freshFolder(), 'trace'), buffers, event]
    const rounds = printed(await run('allocates.mjs', args, ['--max-semi-space-size=1'])) as number[]
    for (const count of rounds.slice(-3)) expect(count, rounds.join()).toBeLessThanOrEqual(2)
  })
}
