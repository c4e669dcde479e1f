// A server by fastify, which does its work in a pool of piscina, and 600 requests to it by
// autocannon, in a process of its own.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import { Piscina } from 'piscina'

const REQUESTS = 600
const autocannon = createRequire(import.meta.url).resolve('autocannon')
const pool = new Piscina({
  filename: new URL('./server-work.mjs', import.meta.url).href,
  minThreads: 2,
  maxThreads: 2,
})
const server = Fastify()
server.get('/sum/:n', async ({ params }) => ({ sum: await pool.run(Number(params.n)) }))
const address = await server.listen({ port: 0, host: '127.0.0.1' })
const args = [autocannon, '--json', '--amount', String(REQUESTS), '--connections', '16', `${address}/sum/2`]
const { stdout } = await promisify(execFile)(process.execPath, args)
const { '2xx': good, non2xx, errors, timeouts } = JSON.parse(stdout)
console.log(`answers: ${good} good, ${non2xx} bad, ${errors} errors, ${timeouts} too late`)
console.log(`tasks: ${pool.completed}`)
await server.close()
await pool.destroy()
