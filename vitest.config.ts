import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Everything runs from the build: packages are imported by name and loaded by Node itself, never
// transformed, so a module has one instance in a thread. Forks, because a test file must be a main
// thread.
export default defineConfig({
  test: {
    include: [
      'packages/*/test/**/*.test.ts',
      'examples/*/test/**/*.test.ts',
      'bench/test/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    pool: 'forks',
    // Most tests wait for threads and processes: on two cores one file alone leaves them idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Only for what would never end: on a busy machine a thread may not run for seconds.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // By default a poll gives up after a second.
    expect: { poll: { timeout: 240_000 } },
    server: { deps: { external: [/\/dist\//] } },
  },
})
