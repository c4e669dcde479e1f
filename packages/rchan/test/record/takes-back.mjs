// Installs each probe by itself while a recording runs, uses what it watches, and takes it off
// again. Prints what it had changed, and what is still changed at the end.
import asyncHooks from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import events, { getEventListeners } from 'node:events'
import Module, { createRequire } from 'node:module'
import workerThreads from 'node:worker_threads'
import * as workerThreadsByName from 'node:worker_threads'
import * as eventsByName from 'node:events'
import { startRecording } from 'rchan'
import { PROBES, probes } from 'rchan/probes'

const require = createRequire(import.meta.url)
const { Worker, MessageChannel } = workerThreads

/** All own properties of an object, as they are now. */
function propertiesOf(name, object) {
  return Reflect.ownKeys(object).map((key) => {
    const property = Object.getOwnPropertyDescriptor(object, key)
    const { enumerable, configurable, writable } = property
    const flags = JSON.stringify([enumerable, configurable, writable])
    return [`${name}.${String(key)}`, [...['value', 'get', 'set'].map((part) => property[part]), flags]]
  })
}

/** What probes could change. */
function look() {
  return new Map([
    ...propertiesOf('MessagePort.prototype', workerThreads.MessagePort.prototype),
    ...propertiesOf('worker_threads', workerThreads),
    ...propertiesOf('import worker_threads', workerThreadsByName),
    ...propertiesOf('events', events),
    ...propertiesOf('import events', eventsByName),
    ...propertiesOf('async_hooks', asyncHooks),
    ...propertiesOf('Module', Module),
    ...propertiesOf('Module.prototype', Module.prototype),
    ...propertiesOf('console', console),
    ...propertiesOf('globalThis', globalThis),
    ...process.eventNames().map((name) => [`process on ${String(name)}`, [process.listenerCount(name)]]),
    ['channel worker_threads', [channel('worker_threads').hasSubscribers]],
  ])
}

function differences(before, after) {
  const same = (a = [], b = []) => a.length === b.length && a.every((each, at) => Object.is(each, b[at]))
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) => !same(before.get(key), after.get(key)),
  )
}

/** Loads the pools anew: one that was loaded before a probe is not seen by it. */
function loadPools() {
  for (const file of Object.keys(require.cache))
    if (/[/\\](piscina|workerpool|jest-worker)[/\\]/.test(file)) delete require.cache[file]
  return {
    Piscina: require('piscina').Piscina,
    workerpool: require('workerpool'),
    jestWorker: require('jest-worker'),
  }
}

async function use() {
  const { Piscina, workerpool, jestWorker } = loadPools()
  const pool = new Piscina({
    filename: new URL('./sizes-task.mjs', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
  })
  const { signal } = new AbortController()
  // The second one waits for the first.
  const tasks = [pool.run(500), pool.run(1, { signal })]
  const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
  await new Promise((done) => worker.once('online', done))
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(1)
  await new Promise((done) => port2.once('message', done))
  return {
    /** The texts of methods: each pool has functions of its own. */
    methods: () => ({
      'Piscina.run': `${Piscina.prototype.run}`,
      'workerpool.pool': `${workerpool.pool}`,
      'jestWorker.call': `${jestWorker.Worker.prototype._callFunctionWithArgs}`,
    }),
    worker,
    signal,
    finish: async () => {
      await Promise.all(tasks)
      await pool.destroy()
      port1.close()
      await worker.terminate()
    },
  }
}

/** How many listeners there are on what the program has made. */
function listenersOf({ worker, signal }) {
  const counts = worker.eventNames().map((event) => worker.listenerCount(event))
  return counts.reduce((sum, count) => sum + count, getEventListeners(signal, 'abort').length)
}

// Node loads some of its own later, and the pools leave things behind: none of that is a probe's.
if (!(new AbortController().signal instanceof AbortSignal)) throw new Error('not the AbortSignal of Node')
const alone = await startRecording()
const first = await use()
const listeners = listenersOf(first)
const methods = first.methods()
const changedMethods = ({ methods: now }) =>
  Object.keys(methods).filter((name) => now()[name] !== methods[name])
await first.finish()
await alone.stop()
look() // Node 22 loads fetch, with a global of its own, when the descriptor of FormData is read.
const result = {}
for (const { name } of PROBES) {
  const recording = await startRecording()
  const before = look()
  const end = probes(['-all', name])
  const used = await use()
  const changed = differences(before, look())
  const listenersWith = listenersOf(used) - listeners
  changed.push(...changedMethods(used))
  end()
  const left = differences(before, look())
  const listenersLeft = listenersOf(used) - listeners
  left.push(...changedMethods(used))
  await used.finish()
  await recording.stop()
  result[name] = { changed, left, listenersWith, listenersLeft }
}
console.log(JSON.stringify(result))
