// A pool of jest-worker whose calls are about files, as those of jest are. It is its worker, too.
const { Worker } = require('jest-worker')

if (require.main === module) {
  const pool = new Worker(__filename, {
    numWorkers: 1,
    enableWorkerThreads: true,
    exposedMethods: ['worker'],
  })
  const paths = ['/tests/a.test.js', '/tests/b.test.js']
  void Promise.all(paths.map((path) => pool.worker({ path }))).then(async (all) => {
    console.log(all.join(' '))
    await pool.end()
  })
}

exports.worker = ({ path }) => path.length
