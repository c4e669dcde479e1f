// What workerpool's own examples show, one after the other. Says for each how many calls it has
// submitted, and what came out. Arguments: the module of the pool.
import { createRequire } from 'node:module'

const [, , name] = process.argv
const require = createRequire(import.meta.url)
const workerpool = require(name)
const file = require.resolve('./workerpool-worker.cjs')
// So do the workers know which module they have to load.
process.env.POOL = name
const messageOf = (promise) =>
  promise.then(
    (value) => value,
    (error) => error.name + (error.name === 'Error' ? `: ${error.message}` : ''),
  )

/** Each makes its pool, uses it, and returns what it says. */
const examples = {
  async 'a function that is sent'(make) {
    const add = (a, b) => a + b
    return await make().exec(add, [3, 4])
  },
  async 'a worker of its own'(make) {
    return await make(file).exec('fibonacci', [15])
  },
  async 'by its proxy'(make) {
    const worker = await make(file).proxy()
    return [await worker.fibonacci(10), await worker.later(2)].join()
  },
  async 'several at once'(make) {
    const pool = make(file, { maxWorkers: 2 })
    return (await Promise.all(Array.from({ length: 12 }, (_, n) => pool.exec('fibonacci', [n])))).join()
  },
  async 'a task that is cancelled'(make) {
    const pool = make(file, { maxWorkers: 1 })
    const task = pool.exec('later', [60_000])
    task.cancel()
    return `${await messageOf(task)} ${await pool.exec('later', [1])}`
  },
  async 'a task that takes too long'(make) {
    const pool = make(file, { maxWorkers: 1 })
    return `${await messageOf(pool.exec('later', [60_000]).timeout(50))} ${await pool.exec('later', [1])}`
  },
  async 'a task that is told to end'(make) {
    const pool = make(file, { maxWorkers: 1, workerTerminateTimeout: 1000 })
    const task = pool.exec('untilAborted', [])
    await new Promise((done) => setTimeout(done, 100))
    task.cancel()
    return await messageOf(task)
  },
  async 'events of a task'(make) {
    const seen = []
    const answer = await make(file).exec('tells', [], { on: (event) => seen.push(event.status) })
    return `${seen.join()} ${answer}`
  },
  async 'what is transferred'(make) {
    const bytes = new Uint8Array(1000).fill(7)
    const result = await make(file).exec('moves', [bytes], { transfer: [bytes.buffer] })
    return `${bytes.length} ${result.length} ${result[999]}`
  },
  async 'what a worker prints'(make) {
    const seen = []
    const pool = make(file, { emitStdStreams: true })
    await pool.exec('prints', [], { on: ({ stdout = '' }) => seen.push(stdout.trim()) })
    return seen.filter((text) => text !== '').join()
  },
  async 'the last one first'(make) {
    const pool = make(file, { maxWorkers: 1, queueStrategy: 'lifo' })
    const order = []
    await Promise.all([1, 2, 3, 4].map((n) => pool.exec('later', [n]).then(() => order.push(n))))
    return order.join()
  },
  async 'a task that throws'(make) {
    const pool = make(file)
    return [await messageOf(pool.exec('throws', [])), await messageOf(pool.exec('no such', []))].join()
  },
  async 'child processes'(make) {
    const pool = make(file, { workerType: 'process', maxWorkers: 1 })
    return [await pool.exec('fibonacci', [5]), await pool.exec('fibonacci', [6])].join()
  },
}

let total = 0
for (const [title, example] of Object.entries(examples)) {
  const made = []
  let tasks = 0
  const result = await example((script, options = {}) => {
    const all = { workerType: 'thread', ...options }
    const pool = script === undefined ? workerpool.pool(all) : workerpool.pool(script, all)
    const { exec } = pool
    let depth = 0
    // It calls itself for a function.
    pool.exec = (...args) => {
      if (depth === 0) tasks += 1
      depth += 1
      try {
        return exec.apply(pool, args)
      } finally {
        depth -= 1
      }
    }
    made.push(pool)
    return pool
  })
  total += tasks
  console.log(`${title}: ${tasks} tasks: ${result}`)
  for (const pool of made) await pool.terminate()
}
console.log(`tasks: ${total}`)
