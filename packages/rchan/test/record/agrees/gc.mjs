// Allocates in a thread: the main one, which turns its event loop, or the only worker of a pool,
// which never does. Arguments: which.
import { allocate } from './works.mjs'

const [, , where] = process.argv
if (where === 'main') {
  for (let round = 0; round < 40; round += 1) {
    allocate(100)
    await new Promise((done) => setTimeout(done, 1))
  }
  // So long the observer takes to tell of the last ones.
  await new Promise((done) => setTimeout(done, 100))
} else {
  const { Piscina } = await import('piscina')
  const pool = new Piscina({
    filename: new URL('./works.mjs', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
  })
  for (let round = 0; round < 40; round += 1) await pool.run(100, { name: 'allocate' })
  await pool.destroy()
}
