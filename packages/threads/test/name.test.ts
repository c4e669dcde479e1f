import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'

const MODULE = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve('@rchan/threads')).href)
const SOURCE = (file: string): string => `import(${MODULE}).then(({ threadName }) => {
  const name = threadName(${file})
  const { parentPort } = require('node:worker_threads')
  if (parentPort) parentPort.postMessage(name)
  else console.log(name)
})`

async function nameOfWorker(file: string): Promise<unknown> {
  const worker = new Worker(SOURCE(file), { eval: true })
  return await new Promise((resolve, reject) => worker.on('error', reject).on('message', resolve))
}

test('a worker without a name is called like its file', async () => {
  for (const [file, name] of [
    ["'/a/b/worker.js'", 'worker.js'],
    ["'C:\\\\a\\\\b.mjs'", 'b.mjs'],
    ["'é.js'", 'é.js'],
    ['process.argv[1]', 'worker'],
    ["'/a/'", 'worker'],
    ['undefined', 'worker'],
    ['{}', 'worker'],
  ]) {
    expect(await nameOfWorker(file)).toBe(name)
  }
})

test('the main thread is called main', () => {
  const ran = spawnSync(process.execPath, ['-e', SOURCE("'/a/b.js'")], { encoding: 'utf8' })
  expect(ran.stdout, ran.stderr).toBe('main\n')
})
