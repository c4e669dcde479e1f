import { parentPort } from 'node:worker_threads'

if (process.argv.includes('comlink')) {
  const { expose } = await import('comlink')
  const { default: nodeEndpoint } = await import('comlink/dist/umd/node-adapter.js')
  expose({ double: (n) => n * 2 }, nodeEndpoint(parentPort))
} else {
  const { runAsWorker } = await import('synckit')
  runAsWorker(async (n) => n * 2)
}
