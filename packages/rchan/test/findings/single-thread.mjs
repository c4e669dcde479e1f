/** One thread computes, and the other CPUs have nothing to do; or it mostly waits. */
import { pick } from './pool.mjs'

const [ms, computes] = pick({ strong: [4000, 1], weak: [1800, 1], healthy: [2500, 0.3] })
const end = performance.now() + ms
while (performance.now() < end) {
  const until = performance.now() + 100 * computes
  while (performance.now() < until);
  if (computes < 1) await new Promise((done) => setTimeout(done, 100 * (1 - computes)))
}
