import { workerData } from 'node:worker_threads'

export default () => ({
  data: Array.isArray(workerData) ? workerData[1] : workerData,
  argv: process.argv.slice(2),
  env: process.env.MINE,
})
