/** A program without workers makes much garbage; or little. */
import { pick } from './pool.mjs'
import { garbage } from './work.mjs'

const value = pick({
  strong: { ms: 30, kept: 150_000 },
  weak: { ms: 30, kept: 30_000 },
  healthy: { ms: 30, kept: 10 },
})
for (let count = 0; count < 60; count += 1) {
  garbage(value)
  await new Promise((done) => setTimeout(done, 10))
}
