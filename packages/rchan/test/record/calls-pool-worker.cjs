// The worker of a pool that calls functions by their names.
const work = () => {
  const end = performance.now() + 1
  while (performance.now() < end);
}
const double = (n) => {
  work()
  return n * 2
}
const fails = (n) => {
  work()
  throw new Error(`seven ${n}`)
}
const ends = () => process.exit(3)
const { POOL: pool = '' } = process.env
if (pool.startsWith('workerpool')) {
  require(pool).worker({ double, fails, ends })
} else if (pool.startsWith('poolifier')) {
  const { ThreadWorker } = require(pool)
  module.exports = new ThreadWorker({ double, fails, ends })
} else {
  module.exports = { double, fails, ends }
}
