// A pool of tasks that take some 0.5 ms: they compute, sleep, or wait for a CPU. Argument: what
// they do, and how many threads.
const { Piscina } = require('piscina')

const [, , what, threads] = process.argv

async function main() {
  const pool = new Piscina({
    filename: require.resolve('./short-task.cjs'),
    minThreads: Number(threads),
    maxThreads: Number(threads),
  })
  const until = performance.now() + 1500
  const lane = async () => {
    while (performance.now() < until) await pool.run(what)
  }
  await Promise.all(Array.from({ length: 2 * Number(threads) }, lane))
  await pool.destroy()
}

void main()
