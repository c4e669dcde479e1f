/** A worker is started, and never comes; or it comes late. */
import { setTimeout as later } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ask, crewOf, end } from './crew.mjs'
import { pick, variant } from './pool.mjs'

const { file, preload } = pick({
  // A lock that nobody opens, in a module that is loaded before the worker's own.
  strong: { file: './crew-worker.mjs', preload: './waits.cjs' },
  // The worker is there, and waits at top level before it listens.
  weak: { file: './waits-at-top.mjs' },
  healthy: { file: './comes-late.mjs' },
})
const execArgv = preload === undefined ? [] : ['--require', fileURLToPath(new URL(preload, import.meta.url))]
const workers = crewOf(1, file, { execArgv })
if (variant === 'healthy') await ask(workers[0], 'spin', 5)
else workers[0].postMessage({ name: 'spin', value: 5 })
await later(1500)
await end(workers)
