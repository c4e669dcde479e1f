import { test } from 'vitest'
import { damageEachWord } from '../../../test/hostile/watched.ts'

// Whoever has the memory may have stored anything there, and a thread may have died at any store.
// Forbidden: a call that hangs, a loop over spans without an end, a span outside of its sub-buffer,
// a count that is no number, and an error that doesn't say what was found where.
const RINGS = new URL('../../ring/test/hostile/rings.mjs', import.meta.url).href

for (const subject of ['global discard', 'global overwrite', 'channel discard', 'channel overwrite']) {
  test(`a word of shared memory that was damaged hangs nobody: ${subject}`, async () => {
    await damageEachWord(RINGS, subject)
  })
}

test('a word of a relay that was damaged, its locks included, hangs nobody', async () => {
  await damageEachWord(new URL('./hostile/relays.mjs', import.meta.url).href, 'relay')
})
