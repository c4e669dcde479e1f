// Records a small trace of all kinds and of all families of types. Arguments: a folder, and the
// layout: per-thread, global, late (files set up later) or snapshot (of a flight recorder).
import { renameSync } from 'node:fs'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { asyncSpan, counter, flow, nameThread, span, startRecording, t, tracepoint } from 'rchan'

const all = tracepoint('damage:all', {
  name: 'interned',
  how: t.enum('fast', 'slow'),
  on: 'bool',
  wide: 'i64',
  text: t.string({ max: 12 }),
  bytes: t.bytes({ max: 4 }),
  list: t.seq('u16', { max: 3 }),
  pair: t.array('f32', 2),
  place: t.struct({ x: 'f64', y: t.optional('u8') }),
})
const work = span('damage:work', { n: t.u32({ unit: 'bytes' }) })
const job = asyncSpan('damage:job', { begin: { n: 'u8' } })
const way = flow('damage:way')
const level = counter('damage:level', 'u32')

function trace(n) {
  all({
    name: `name ${n % 2}`,
    how: n % 2 === 0 ? 'fast' : 'slow',
    on: true,
    wide: -n,
    text: 'é'.repeat(n),
    bytes: new Uint8Array(n),
    list: [1, 2, 3].slice(0, n),
    pair: [n, 1 / 3],
    place: { x: n, y: n === 1 ? undefined : n },
  })
  work.end(work.begin({ n }))
  job.begin(n, { n })
  way.start(n)
  level(n)
  job.end(n)
}

if (isMainThread) {
  const [, , folder, layout] = process.argv
  const options = {
    'per-thread': { path: folder },
    global: { path: folder, buffers: 'global' },
    late: {},
    snapshot: { mode: 'flight', dir: `${folder}-snapshots` },
  }[layout]
  const recording = await startRecording({ bufferSize: 32768, flushIntervalMs: 60_000, ...options })
  nameThread('main of damage')
  const worker = new Worker(new URL(import.meta.url), { workerData: 2 })
  await new Promise((done) => worker.once('exit', done))
  trace(1)
  if (layout === 'late') await recording.setUpFiles({ path: folder })
  work.begin({ n: 99 }) // cut off by the end
  trace(3)
  if (layout === 'snapshot') {
    const { path } = await recording.snapshot({ reason: 'to be damaged' })
    renameSync(path, folder)
  }
  await recording.stop()
} else {
  trace(workerData)
}
