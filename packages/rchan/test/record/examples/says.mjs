import { parentPort } from 'node:worker_threads'

export default () => {
  parentPort.postMessage('hello pool')
  return 'done'
}
