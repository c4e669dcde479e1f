const workerpool = require(process.env.POOL)

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 2) + fibonacci(n - 1)
}
workerpool.worker(
  {
    fibonacci,
    later: (ms) => new Promise((done) => setTimeout(done, ms, ms)),
    untilAborted() {
      return new Promise((done) => {
        this.worker.addAbortListener(async () => done('aborted'))
      })
    },
    tells() {
      workerpool.workerEmit({ status: 'begun' })
      workerpool.workerEmit({ status: 'nearly done' })
      return true
    },
    moves: (bytes) => new workerpool.Transfer(bytes, [bytes.buffer]),
    prints() {
      console.log('hello pool')
    },
    throws() {
      throw new Error('thrown')
    },
  },
  { abortListenerTimeout: 1000 },
)
