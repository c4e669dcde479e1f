// What piscina's own examples show, one after the other. Says for each how many tasks it has
// submitted, and what came out. Arguments: the module of the pool.
import { MessageChannel, BroadcastChannel } from 'node:worker_threads'

const [, , module] = process.argv
const { Piscina } = await import(module)
const file = (of) => new URL(`./${of}`, import.meta.url).href
const counted = (pool) => {
  let tasks = 0
  for (const name of ['run', 'runTask']) {
    const submit = pool[name]
    if (submit === undefined) continue
    pool[name] = (...args) => {
      tasks += 1
      return submit.apply(pool, args)
    }
  }
  return { pool, tasks: () => tasks }
}
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
  async 'async tasks'(make) {
    const pool = make({ filename: file('wait.mjs') })
    return (await Promise.all([1, 2, 3].map((n) => pool.run(n)))).join()
  },
  async 'a worker that loads for some time'(make) {
    const pool = make({ filename: file('late.mjs') })
    return await pool.run('there')
  },
  async CommonJS(make) {
    const pool = make({ filename: file('add.cjs') })
    return await pool.run({ a: 2, b: 3 })
  },
  async 'a task that is aborted while it runs'(make) {
    const pool = make({ filename: file('wait.mjs') })
    const abort = new AbortController()
    const task = messageOf(pool.run(60_000, { signal: abort.signal }))
    await pool.run(1)
    abort.abort()
    return await task
  },
  async 'tasks that are aborted in the queue'(make) {
    const pool = make({ filename: file('wait.mjs'), maxThreads: 1 })
    const abort = new AbortController()
    const first = pool.run(5)
    const others = [1, 2].map((n) => messageOf(pool.run(n, { signal: abort.signal })))
    abort.abort()
    return [await first, ...(await Promise.all(others))].join()
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
  async progress(make) {
    const pool = make({ filename: file('port.mjs') })
    const results = await Promise.all(
      [3, 4].map(async (steps) => {
        const { port1, port2 } = new MessageChannel()
        let seen = 0
        const all = new Promise((done) =>
          port1.on('message', () => {
            seen += 1
            if (seen === steps) done(seen)
          }),
        )
        await pool.run({ port: port2, steps }, { transferList: [port2], name: 'progress' })
        await all
        port1.close()
        return seen
      }),
    )
    return results.join()
  },
  async 'messages of a worker'(make) {
    const pool = make({ filename: file('says.mjs'), atomics: module === 'piscina' ? 'disabled' : undefined })
    const said = new Promise((done) => pool.once('message', done))
    const answer = await pool.run()
    return module === 'piscina' ? `${await said} ${answer}` : answer
  },
  async 'by its old name'(make) {
    const pool = make({ filename: file('add.mjs') })
    return await (pool.runTask ?? pool.run).call(pool, { a: 1, b: 2 })
  },
  async 'what is moved'(make) {
    const pool = make({ filename: file('moves.mjs'), argv: [module] })
    const bytes = new Uint8Array(1000).fill(7)
    const result = await pool.run(Piscina.move(bytes))
    return `${bytes.length} ${result.length} ${result[999]}`
  },
  async 'several functions, several files'(make) {
    const pool = make({ filename: file('named.mjs') })
    const results = await Promise.all([
      pool.run({ a: 4, b: 6 }, { name: 'add' }),
      pool.run({ a: 4, b: 6 }, { name: 'multiply' }),
      pool.run({ a: 1, b: 1 }, { filename: file('add.mjs') }),
      messageOf(pool.run({}, { name: 'no such' })),
    ])
    return results.join()
  },
  async 'a limit of memory'(make) {
    const pool = make({
      filename: file('grows.mjs'),
      maxThreads: 1,
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    })
    const why = await messageOf(pool.run())
    return why.replace(/:.*/s, '')
  },
  async 'a queue of its own'(make) {
    const tasks = []
    const taskQueue = {
      get size() {
        return tasks.length
      },
      shift: () => tasks.pop() ?? null,
      push: (task) => void tasks.push(task),
      remove: (task) => void tasks.splice(tasks.indexOf(task), 1),
    }
    const pool = make({ filename: file('wait.mjs'), maxThreads: 1, minThreads: 1, taskQueue })
    const order = []
    await Promise.all([1, 2, 3, 4].map((n) => pool.run(n).then(() => order.push(n))))
    return order.join()
  },
  async 'a broadcast'(make) {
    const pool = make({
      filename: file('broadcast.mjs'),
      atomics: module === 'piscina' ? 'disabled' : undefined,
    })
    const channel = new BroadcastChannel('rchan examples')
    const said = new Promise((done) => {
      channel.addEventListener('message', ({ data }) => done(data))
    })
    await pool.run('everybody')
    const heard = await said
    channel.close()
    return heard
  },
  async 'options of a worker'(make) {
    const pool = make({
      filename: file('options.mjs'),
      workerData: 'data',
      argv: ['--mine'],
      env: { MINE: 'yes' },
      execArgv: [],
    })
    return JSON.stringify(await pool.run())
  },
  async 'several tasks in a thread'(make) {
    const pool = make({ filename: file('wait.mjs'), maxThreads: 2, concurrentTasksPerWorker: 4 })
    return (await Promise.all(Array.from({ length: 16 }, (_, n) => pool.run(n % 3)))).length
  },
  async 'a queue that is full, and drains'(make) {
    const pool = make({ filename: file('wait.mjs'), maxThreads: 1, maxQueue: 2 })
    const drained = new Promise((done) => pool.once('drain', done))
    const tasks = [1, 1, 1, 1, 1].map((n) => messageOf(pool.run(n)))
    const results = await Promise.all(tasks)
    await drained
    return results.join()
  },
  async 'work on a CPU'(make) {
    const pool = make({ filename: file('scrypt.mjs'), maxThreads: 2 })
    return new Set(await Promise.all(Array.from({ length: 8 }, () => pool.run('secret')))).size
  },
  async 'a task whose signal was aborted before'(make) {
    const pool = make({ filename: file('wait.mjs') })
    return await messageOf(pool.run(1, { signal: AbortSignal.abort() }))
  },
  async 'a task that throws'(make) {
    const pool = make({ filename: file('throws.mjs') })
    return [await messageOf(pool.run('now')), await messageOf(pool.run('later'))].join()
  },
}

let total = 0
for (const [title, example] of Object.entries(examples)) {
  const made = []
  const result = await example((options) => {
    const one = counted(new Piscina({ idleTimeout: 1000, ...options }))
    made.push(one)
    return one.pool
  })
  const tasks = made.reduce((sum, one) => sum + one.tasks(), 0)
  total += tasks
  console.log(`${title}: ${tasks} tasks: ${result}`)
  for (const { pool } of made) await pool.destroy()
}
console.log(`tasks: ${total}`)
