/**
 * The programs of others that `npm run field` records: how each is started, and what it says of
 * itself that the trace must say, too. Paths are relative to the folder of the installation.
 */
import { copyFileSync, cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

/** Files of webpack that ESLint looks at. */
const LINTED = ['Chunk', 'ChunkGraph', 'Compilation', 'Compiler', 'FileSystemInfo', 'MultiCompiler'].map(
  (name) => `${name}.js`,
)
const VITEST_FILES = 6
const COPIED = 5
/** Up to 20 files jest may run without a pool. */
const JEST_FILES = 22
const MOCHA_FILES = 4
const AVA_FILES = 4

/**
 * Each has a `name`, the `packages` whose versions are told, and:
 *
 * - `command`: arguments of Node; `cwd`, `env`; `prepare(folder)` makes the files that it needs;
 * - `exitCode`: that it must have;
 * - `tasks(output)`: how many tasks it has given to pools, by its own account;
 * - `workers`, `processes`: how many it starts, if that does not depend on the machine;
 * - `events`: how many there must be of some events.
 */
export const PROGRAMS = [
  {
    name: 'eslint --concurrency',
    packages: ['eslint'],
    cwd: 'linted',
    prepare(folder) {
      const target = join(folder, 'linted')
      mkdirSync(target, { recursive: true })
      copyFileSync(join(folder, 'programs/eslint.config.mjs'), join(target, 'eslint.config.mjs'))
      for (const name of LINTED) {
        copyFileSync(join(folder, `node_modules/webpack/lib/${name}`), join(target, name))
      }
    },
    command: ['../node_modules/eslint/bin/eslint.js', '.', '--concurrency', '2'],
    // By its clock it warns, or not, that one thread would have been faster.
    env: { NODE_NO_WARNINGS: '1' },
    exitCode: 1,
    tasks: () => 0,
    workers: 2,
    processes: 1,
  },
  ...['threads', 'forks', 'vmThreads'].map((pool) => ({
    name: `vitest --pool=${pool}`,
    packages: ['vitest'],
    ...vitest(pool, '../../node_modules/vitest/vitest.mjs'),
    tasks: () => 0,
    ...(pool === 'forks' ? { workers: 0, processes: 1 + VITEST_FILES } : { processes: 1 }),
    ...(pool === 'threads' ? { workers: VITEST_FILES } : {}),
  })),
  ...['threads', 'forks', 'vmThreads'].map((pool) => ({
    name: `vitest 3 --pool=${pool}`,
    packages: ['vitest3/vitest', 'vitest3/tinypool'],
    ...vitest(pool, '../../vitest3/node_modules/vitest/vitest.mjs'),
    // Its pool is one of tinypool, with a task for each file.
    tasks: () => VITEST_FILES,
    ...(pool === 'forks' ? { workers: 0 } : { processes: 1 }),
  })),
  ...['forks', 'workerThreads'].map((pool) => ({
    name: pool === 'forks' ? 'jest' : `jest --${pool}`,
    packages: ['jest'],
    ...project('jest', 'sums.test.js', JEST_FILES - 1, pool),
    command: [
      '../../node_modules/jest/bin/jest.js',
      '-c',
      'jest.config.json',
      '--maxWorkers=2',
      ...(pool === 'forks' ? [] : [`--${pool}`]),
    ],
    exitCode: 1,
    tasks: () => JEST_FILES,
    ...(pool === 'forks' ? { workers: 0, processes: 3 } : { workers: 2, processes: 1 }),
  })),
  {
    name: 'mocha --parallel',
    packages: ['mocha', 'workerpool'],
    ...project('mocha', 'sums.spec.cjs', MOCHA_FILES - 1),
    command: ['../../node_modules/mocha/bin/mocha.js', '--parallel', '--jobs', '2', '*.spec.cjs'],
    exitCode: 1,
    tasks: () => MOCHA_FILES,
    workers: 0,
    processes: 3,
  },
  {
    name: 'ava',
    packages: ['ava'],
    ...project('ava', 'sums.spec.mjs', AVA_FILES - 1),
    command: ['../../node_modules/ava/entrypoints/cli.mjs'],
    exitCode: 1,
    tasks: () => 0,
    workers: AVA_FILES,
    processes: 1,
  },
  {
    name: 'tsx',
    packages: ['tsx'],
    command: ['--import', 'tsx', 'programs/tsx/main.mts'],
    exitCode: 0,
    tasks: () => 0,
    processes: 1,
    // The worker's answer. What Node tells its own thread for module hooks is not counted.
    events: { 'message:post': 1 },
  },
  {
    name: 'terser-webpack-plugin',
    packages: ['terser-webpack-plugin', 'webpack'],
    command: ['programs/webpack.mjs'],
    exitCode: 0,
    tasks: tasksIn,
    processes: 1,
  },
  {
    name: '@rollup/plugin-terser',
    packages: ['@rollup/plugin-terser', 'rollup'],
    command: ['programs/rollup.mjs'],
    exitCode: 0,
    // Its workers are bare ones, not a pool that the probe `tasks` knows.
    tasks: () => 0,
    workers: 2,
    processes: 1,
  },
  {
    name: 'fastify under autocannon',
    packages: ['fastify', 'piscina'],
    command: ['programs/server.mjs'],
    exitCode: 0,
    tasks: tasksIn,
    workers: 2,
    processes: 2,
    // Requests that were served, and connections that autocannon has made.
    events: { 'http:request': 600, net: 16 },
  },
]

/** A folder of a program's own, in which one of its files is there so many times. */
function project(program, file, copies, variant = 'run') {
  const cwd = `programs/${program}-${variant}`
  return {
    cwd,
    prepare(folder) {
      const target = join(folder, cwd)
      cpSync(join(folder, `programs/${program}`), target, { recursive: true })
      for (let copy = 1; copy < copies; copy += 1) {
        copyFileSync(join(target, file), join(target, file.replace('.', `-${copy}.`)))
      }
    },
  }
}

/** A run of vitest over a folder of its own, by pool: five files that pass, one that fails. */
function vitest(pool, file) {
  return {
    ...project('vitest', 'sums.spec.mjs', COPIED, pool),
    command: [file, 'run', `--pool=${pool}`],
    env: { FIELD_POOL: pool },
    exitCode: 1,
  }
}

function tasksIn(output) {
  return Number(/^tasks: (\d+)$/m.exec(output)?.[1])
}
