/** The suite *start-up*: what rchan adds to the start of a program and of a worker. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { BenchTask, Suite } from './harness.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const RCHAN = import.meta.resolve('rchan')
const NO_CODE = new URL('no-code.js', import.meta.url).href

/**
 * A program that does nothing, one that imports a file with next to no code, one that imports
 * rchan, and one that declares a tracepoint too.
 */
const NOTHING = 'export {}'
const LOADS = `import ${JSON.stringify(NO_CODE)}`
const IMPORTS = `import ${JSON.stringify(RCHAN)}`
const DECLARES = `import { tracepoint } from ${JSON.stringify(RCHAN)}; tracepoint('a:b', { id: 'u32' })({ id: 1 })`

function runMain(program: string): number {
  const start = performance.now()
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: HERE })
  if (status !== 0) throw new Error(`a program ended with status=${status}: ${program}`)
  return performance.now() - start
}

async function runWorker(program: string): Promise<number> {
  return await workerOf(new URL(`data:text/javascript,${encodeURIComponent(program)}`))
}

/** A worker of a file, as most are: its thread has loaded a file anyway. */
async function runFile(program: string, folder: string): Promise<number> {
  const file = join(folder, `${createHash('sha1').update(program).digest('hex')}.mjs`)
  if (!existsSync(file)) writeFileSync(file, program)
  return await workerOf(pathToFileURL(file))
}

async function workerOf(url: URL): Promise<number> {
  const start = performance.now()
  const worker = new Worker(url)
  await once(worker, 'exit')
  return performance.now() - start
}

const about = (what: string, most: number): string =>
  `${what} from start to exit: one that does nothing (the floor), one that imports a file with next to no code, one that imports ` +
  `rchan (at most ${most} ms more), one that ` +
  'also declares a tracepoint and calls it while nothing is recorded'

const tasksOf = (kind: string, time: (program: string) => Promise<number>): BenchTask[] => {
  const common = { operations: 1, floor: `${kind}-alone` }
  return [
    { ...common, name: `${kind}-alone`, time: () => time(NOTHING) },
    { ...common, name: `${kind}-no-code`, time: () => time(LOADS) },
    { ...common, name: `${kind}-imports`, time: () => time(IMPORTS) },
    { ...common, name: `${kind}-declares`, time: () => time(DECLARES) },
  ]
}

const common = { name: 'start-up', rounds: 30, warmUpRounds: 2, calls: 3 }

export const startUp: readonly Suite[] = [
  {
    ...common,
    about: about('a process', 30),
    setUp: () =>
      Promise.resolve({
        tasks: tasksOf('main', (program) => Promise.resolve(runMain(program))),
        tearDown: () => Promise.resolve(),
      }),
  },
  {
    ...common,
    about: about('a worker without a file', 3),
    setUp: () => Promise.resolve({ tasks: tasksOf('worker', runWorker), tearDown: () => Promise.resolve() }),
  },
  {
    ...common,
    about: about('a worker of a file', 3),
    setUp: () => {
      const folder = mkdtempSync(join(tmpdir(), 'rchan-start-up-'))
      return Promise.resolve({
        tasks: tasksOf('worker-file', (program) => runFile(program, folder)),
        tearDown: () => Promise.resolve(rmSync(folder, { recursive: true })),
      })
    },
  },
]
