// A pool of two workers and 60 tasks. One throws, two are aborted while they wait.
// Arguments: the module of the pool.
const [, , name] = process.argv
const found = await import(name)
const Pool = found.Piscina ?? found.Tinypool ?? found.default
const pool = new Pool({
  filename: new URL('./pool-task.mjs', import.meta.url).href,
  minThreads: 2,
  maxThreads: 2,
})
const abort = new AbortController()
const tasks = Array.from({ length: 60 }, (_, n) =>
  pool.run({ n }, n >= 58 ? { signal: abort.signal } : {}).then(
    () => 'ok',
    (error) => error.message,
  ),
)
abort.abort()
const results = await Promise.all(tasks)
console.log(results.filter((result) => result === 'ok').length, results[7], pool.completed)
await pool.destroy()
