// A pool whose own figures are kept one by one: piscina's histograms are replaced by lists. Prints
// the lists, in ms, in the order in which tasks were dispatched (waits) and handled (runs).
// Arguments: the module of the pool.
const perfHooks = require('node:perf_hooks')

const [, , name] = process.argv
const lists = []
const { createHistogram } = perfHooks
perfHooks.createHistogram = (...args) => {
  const histogram = createHistogram(...args)
  const values = []
  lists.push(values)
  const record = histogram.record.bind(histogram)
  histogram.record = (value) => {
    // piscina gives µs.
    values.push(value / 1000)
    record(value)
  }
  return histogram
}

async function main() {
  const { Piscina } = require(name)
  const pool = new Piscina({
    filename: require.resolve('./works.mjs'),
    minThreads: 2,
    maxThreads: 2,
    recordTiming: true,
    workerHistogram: false,
  })
  // Without the start of the threads.
  await Promise.all([pool.run(1), pool.run(1)])
  await Promise.all(Array.from({ length: 60 }, (_, n) => pool.run(3 + (n % 4))))
  const [runs, waits] = lists
  console.log(JSON.stringify({ runs, waits }))
  await pool.destroy()
}

void main()
