// What Node itself measures, and the program's own measures and timers.
const dns = require('node:dns')
const http = require('node:http')
const { performance } = require('node:perf_hooks')

const { time, timeEnd } = console
console.time('work')
console.time()
console.time('never ended')
console.timeEnd('never begun')
performance.mark('begun')

const server = http.createServer((request, response) => response.writeHead(203).end(request.url))
server.listen(0, '127.0.0.1', async () => {
  const address = `http://127.0.0.1:${server.address().port}`
  await new Promise((done) => {
    http.get(`${address}/by-http`, { agent: false }, (response) => response.resume().on('end', done))
  })
  await (await fetch(`${address}/by-fetch`)).text()
  await new Promise((done) => dns.lookup('localhost', done))
  performance.measure('measured', 'begun')
  console.timeEnd('work')
  console.timeEnd()
  // Node tells what it has measured from the event loop.
  await new Promise((done) => setTimeout(done, 50))
  console.log(console.time === time, console.timeEnd === timeEnd, console.time.name, console.time.length)
  server.close()
  server.closeAllConnections()
})
