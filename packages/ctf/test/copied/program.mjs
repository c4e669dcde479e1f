// Records a trace with all types and kinds: program.mjs FOLDER
// The trace beside this is the copy by `babeltrace2 --output-format=ctf` of what it wrote.
import { Worker, isMainThread } from 'node:worker_threads'
import { asyncSpan, counter, flow, nameThread, span, startRecording, t, tracepoint } from '@rchan/trace'

const all = tracepoint('all:types', {
  u8: 'u8', i8: 'i8', u16: 'u16', i16: 'i16', u32: 'u32', i32: 'i32', u64: 'u64', i64: 'i64', f32: 'f32', f64: 'f64',
  bool: 'bool',
  string: 'string',
  interned: 'interned',
  label: t.enum('hit', 'miss "it"'),
  bytes: t.bytes({ max: 10 }),
  seq: t.seq('f32', { max: 4 }),
  wide: t.seq('u64'),
  array: t.array('f64', 3),
  struct: t.struct({ x: 'f32', y: 'string', z: t.seq('u8') }),
  maybe: t.optional('u32'),
  maybeBytes: t.optional(t.bytes()),
  hex: t.u32({ base: 16, unit: 'bytes', description: 'é & "more"' }),
  maybeStruct: t.optional(t.struct({ a: 'u8', b: t.optional('f64') })),
}) // prettier-ignore
const plain = tracepoint('plain', { b: 'bool', x: 'u64' }, { level: 'warning' })
const decode = span('tile:decode', { id: 'u32' })
const task = asyncSpan('task', { begin: { file: 'interned' } })
const way = flow('way')
const queue = counter('queue', 'u32')

function work() {
  nameThread(isMainThread ? 'the main' : 'wörker')
  for (let i = 0; i < 12; i += 1) {
    all({
      u8: i, i8: -i, u16: i * 300, i16: -i * 300, u32: i * 70_000, i32: -i * 70_000,
      u64: BigInt(i) ** 17n, i64: -(BigInt(i) ** 17n), f32: i / 3, f64: i / 7,
      bool: i % 2 === 0,
      string: `hé"${i}`,
      interned: `file ${i % 3}`,
      label: i % 2 === 0 ? 'hit' : 'miss "it"',
      bytes: new Uint8Array(i).fill(i),
      seq: [i, 1, 2, 3, 4],
      wide: [1n, BigInt(i)],
      array: [1, 2, i],
      struct: { x: i, y: 'y', z: [1, i] },
      maybe: i % 2 === 0 ? undefined : i,
      maybeBytes: i % 3 === 0 ? new Uint8Array([i]) : undefined,
      hex: i * 1001,
      maybeStruct: i % 2 === 0 ? undefined : { a: i, b: i % 3 === 0 ? 0.5 : undefined },
    }) // prettier-ignore
    plain({ b: i % 2 === 0, x: i })
    plain.at(1000 + i, { b: false, x: i })
    decode.between(100 * i, 100 * i + 7, { id: i })
    task.begin(i, { file: `file ${i % 3}` })
    way.start(i)
    task.fail(i)
    queue(i)
  }
}

if (isMainThread) {
  const recording = await startRecording({ path: process.argv[2] })
  work()
  await new Promise((resolve) => new Worker(new URL(import.meta.url)).on('exit', resolve))
  // Open at the end.
  decode.begin({ id: 99 })
  console.log(await recording.stop())
} else work()
