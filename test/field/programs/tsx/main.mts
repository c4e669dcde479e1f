// TypeScript as it is. Node 20 runs its module hooks in a thread of its own. It lives for a while.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Color, nameOf } from './colors.mts'

const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: Color.Blue })
const [answer] = (await once(worker, 'message')) as [number]
console.log(nameOf(answer))
await new Promise((done) => setTimeout(done, 1500))
