import { test } from 'vitest'
import { damageEachWord } from '../../../test/hostile/watched.ts'

// Any thread with the memory may have stored anything there, and a thread may have died at any
// store. Forbidden: a call that hangs, a span outside of its sub-buffer, a count that is no number,
// and an error that doesn't name the value and its place.
const ARENAS = new URL('./hostile/arenas.mjs', import.meta.url).href

for (const subject of ['arena of channels', 'arena of a global buffer', 'control page']) {
  test(`a word of shared memory that was damaged hangs nobody: ${subject}`, async () => {
    await damageEachWord(ARENAS, subject)
  })
}
