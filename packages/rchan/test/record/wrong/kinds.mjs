// Starts workers of all kinds, one after the other, and prints what each said and how it ended.
import { SHARE_ENV, Worker } from 'node:worker_threads'

const say = (text) => `require('node:worker_threads').parentPort.postMessage(${text})`
const environment = say(
  `Object.keys(process.env).filter((name) => !/^(RCHAN_|NODE_OPTIONS)/.test(name)).length`,
)
const kinds = {
  module: [
    new URL(`data:text/javascript,import{parentPort}from'node:worker_threads';parentPort.postMessage(1)`),
  ],
  text: [
    say('process.execArgv.concat(process.argv.slice(2))'),
    { argv: ['a', 'b'], execArgv: ['--no-warnings'] },
  ],
  output: [`console.log('out'); console.error('err')`, { stdout: true, stderr: true }],
  input: [`process.stdin.on('data', (data) => console.log('got ' + data))`, { stdin: true, stdout: true }],
  'no environment': [environment, { env: {} }],
  'a shared environment': [`process.env.MINE = 'x'; ${say('1')}`, { env: SHARE_ENV }],
  'an own environment': [environment, { env: { A: '1', B: '2' } }],
  'an error': [`throw new TypeError('on purpose')`],
  'a rejection': [`Promise.reject(new Error('on purpose'))`],
  'an exit code': ['process.exit(5)'],
  'little memory': [
    'const all = []; for (;;) all.push(new Array(1000).fill(1.5))',
    { resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } },
  ],
  'a small stack': [
    `const f = () => f(); try { f() } catch (error) { ${say('error.name')} }`,
    { resourceLimits: { stackSizeMb: 0.5 } },
  ],
  'a worker of its own': [
    `const { parentPort, Worker } = require('node:worker_threads')
    const worker = new Worker(${JSON.stringify(say("'deep'"))}, { eval: true })
    worker.on('message', (message) => parentPort.postMessage(message))`,
  ],
}
for (const [kind, [code, options = {}]] of Object.entries(kinds)) {
  const said = []
  const worker = new Worker(code, { eval: typeof code === 'string', ...options })
  worker.on('message', (message) => said.push(message))
  worker.on('error', ({ name, message, code: number }) => said.push([name, message, number]))
  for (const name of ['stdout', 'stderr'])
    if (options[name]) worker[name].on('data', (data) => said.push(`${name}: ${data}`))
  worker.stdin?.end('hello')
  const exitCode = await new Promise((done) => worker.once('exit', done))
  // Streams of a worker may end after it.
  await new Promise((done) => setTimeout(done, 50))
  console.log(
    `${kind}: ${JSON.stringify(said.toSorted((a, b) => String(a).localeCompare(String(b))))}, ${exitCode}`,
  )
}
console.log(process.env.MINE)
