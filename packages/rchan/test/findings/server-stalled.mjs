/** A server without workers computes in some of its requests, and others wait; or it only waits. */
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import { pick } from './pool.mjs'

const [ms, every] = pick({ strong: [200, 4], weak: [80, 10], healthy: [2, 4] })
const server = createServer((request, response) => {
  const until = performance.now() + (request.url.startsWith('/compute') ? ms : 0)
  while (performance.now() < until);
  setTimeout(() => response.end('done'), 5)
})
server.listen(0)
await once(server, 'listening')
const { port } = server.address()
const ask = (path) =>
  new Promise((done) => get({ port, path, agent: false }, (response) => response.resume().on('end', done)))
for (let round = 0; round < 60; round += 1) {
  await Promise.all([ask('/a'), ask(round % every === 0 ? '/compute?n=1' : '/b'), ask('/c')])
}
server.close()
