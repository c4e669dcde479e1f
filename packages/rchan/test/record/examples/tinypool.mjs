// What tinypool's own examples and its users show, one after the other. Says for each how many
// tasks it has submitted, and what came out. Arguments: the module of the pool.
import { MessageChannel } from 'node:worker_threads'

const [, , name] = process.argv
const { Tinypool } = await import(name)
const file = (of) => new URL(`./${of}`, import.meta.url).href
const messageOf = (promise) =>
  promise.then(
    (value) => value,
    (error) => error.message,
  )

/** Each makes its pool, uses it, and returns what it says. */
const examples = {
  async simple(make) {
    const pool = make({ filename: file('add.mjs') })
    return await pool.run({ a: 4, b: 6 })
  },
  async 'a port of its own'(make) {
    const pool = make({ filename: file('port.mjs') })
    const { port1, port2 } = new MessageChannel()
    const said = new Promise((done) => port1.once('message', done))
    const answer = await pool.run({ port: port2 }, { transferList: [port2] })
    const result = `${await said} ${answer}`
    port1.close()
    return result
  },
  async 'a worker for each task'(make) {
    const pool = make({ filename: file('add.mjs'), isolateWorkers: true, maxThreads: 2 })
    const results = []
    for (let n = 0; n < 4; n += 1) results.push(await pool.run({ a: n, b: n }))
    return results.join()
  },
  async 'workers that are made anew'(make) {
    const pool = make({ filename: file('wait.mjs'), minThreads: 2, maxThreads: 2 })
    const before = (await Promise.all([pool.run(2), pool.run(2)])).length
    await pool.recycleWorkers()
    return before + (await Promise.all([pool.run(2), pool.run(2), pool.run(2)])).length
  },
  async 'a teardown of each worker'(make) {
    const pool = make({
      filename: file('teardown.mjs'),
      isolateWorkers: true,
      maxThreads: 2,
      teardown: 'teardown',
    })
    return [await pool.run(1), await pool.run(2), await pool.run(3)].join()
  },
  async 'child processes'(make) {
    const pool = make({ filename: file('add.mjs'), runtime: 'child_process', maxThreads: 1 })
    return [await pool.run({ a: 1, b: 2 }), await pool.run({ a: 3, b: 4 })].join()
  },
  async 'a channel to a child process'(make) {
    const pool = make({ filename: file('channel.mjs'), runtime: 'child_process', maxThreads: 1 })
    let listener
    const said = []
    const channel = {
      onMessage: (callback) => (listener = callback),
      postMessage: (message) => said.push(message.said),
    }
    const task = pool.run('', { channel })
    const timer = setInterval(() => listener?.('hello child'), 10)
    const answer = await task
    clearInterval(timer)
    return `${answer} ${said.includes('hello parent')}`
  },
  async 'several functions'(make) {
    const pool = make({ filename: file('named.mjs') })
    const add = pool.run({ a: 4, b: 6 }, { name: 'add' })
    return [await add, await pool.run({ a: 4, b: 6 }, { name: 'multiply' })].join()
  },
  async 'a task that is aborted'(make) {
    const pool = make({ filename: file('wait.mjs'), maxThreads: 1, minThreads: 1 })
    const abort = new AbortController()
    const task = messageOf(pool.run(60_000, { signal: abort.signal }))
    abort.abort()
    return `${await task} ${await pool.run(1)}`
  },
  async 'a queue that is full'(make) {
    const pool = make({ filename: file('wait.mjs'), minThreads: 1, maxThreads: 1, maxQueue: 2 })
    return (await Promise.all([1, 1, 1, 1, 1].map((n) => messageOf(pool.run(n))))).join()
  },
  async 'a task whose signal was aborted before'(make) {
    const pool = make({ filename: file('wait.mjs') })
    return await messageOf(pool.run(1, { signal: AbortSignal.abort() }))
  },
  async 'a task that throws'(make) {
    const pool = make({ filename: file('throws.mjs') })
    return [await messageOf(pool.run('now')), await messageOf(pool.run('later'))].join()
  },
  async 'work on a CPU'(make) {
    const pool = make({ filename: file('scrypt.mjs'), minThreads: 2, maxThreads: 2 })
    return new Set(await Promise.all(Array.from({ length: 8 }, () => pool.run('secret')))).size
  },
}

let total = 0
for (const [title, example] of Object.entries(examples)) {
  const made = []
  let tasks = 0
  const result = await example((options) => {
    const pool = new Tinypool(options)
    const { run } = pool
    pool.run = (...args) => {
      tasks += 1
      return run.apply(pool, args)
    }
    made.push(pool)
    return pool
  })
  total += tasks
  console.log(`${title}: ${tasks} tasks: ${result}`)
  for (const pool of made) await pool.destroy()
}
console.log(`tasks: ${total}`)
