// workerpool's method `run`, as mocha has it: of a file. Also of something else, and another one.
import workerpool from 'workerpool'

const file = new URL('./calls-run-worker.cjs', import.meta.url)
const pool = workerpool.pool(file.pathname, { maxWorkers: 1, workerType: 'thread' })
const submit = await pool.proxy()
const results = [
  await submit.run('/tests/a.spec.cjs', '{}'),
  await submit.run(String.raw`C:\tests\b.spec.cjs`, '{}'),
  await submit.run('/* no path */', '{}'),
  await submit.size('/tests/c.spec.cjs'),
]
console.log(results.join())
await pool.terminate()
