// Programs that the compiler must refuse. `tsc -p tsconfig.tests.json` reads this file. If an
// expected error doesn't come, that is an error.
import { expect, test } from 'vitest'
import {
  asyncSpan,
  counter,
  flow,
  span,
  startRecording,
  t,
  tracepoint,
  type FieldTypes,
  type FieldValues,
  type Recording,
  type RecordingSummary,
  type Tracepoint,
} from '@rchan/trace'

const tile = tracepoint('types:tile', { id: 'u32', size: 'u64', ms: 'f64', path: 'string', hit: 'bool' })
const none = tracepoint('types:none')
const bare = span('types:bare')
const good = { id: 1, size: 2n, ms: 0.5, path: 'a', hit: true }

const rich = tracepoint('types:rich', {
  result: t.enum('hit', 'miss'),
  samples: t.seq('f32', { max: 10 }),
  place: t.struct({ x: 'f32', name: t.optional('string') }),
  error: t.optional('string'),
  raw: 'bytes',
})
const decode = span('types:decode', { id: 'u32', ms: 'f64' })
const task = asyncSpan('types:task', { begin: { file: 'interned' } })
const way = flow('types:way')
const queue = counter('types:queue', 'u32')
const heap = counter('types:heap', { used: 'f64' })

export function refusedOfOtherTypes(): void {
  const fine = { result: 'hit', samples: [1], place: { x: 1 }, raw: new Uint8Array(1) } as const
  rich(fine)
  rich({ ...fine, error: undefined, samples: new Float32Array(3), place: { x: 1, name: 'a' } })
  // @ts-expect-error -- no label
  rich({ ...fine, result: 'hat' })
  // @ts-expect-error -- texts for numbers
  rich({ ...fine, samples: ['1'] })
  // @ts-expect-error -- a member of a struct is missing
  rich({ ...fine, place: { name: 'a' } })
  // @ts-expect-error -- a number for an optional text
  rich({ ...fine, error: 1 })
  // @ts-expect-error -- a list for bytes
  rich({ ...fine, raw: [1] })
  // @ts-expect-error -- no type
  t.seq('string')
  // @ts-expect-error -- no level
  tracepoint('types:level', {}, { level: 'loud' })
}

export function refusedOfOtherKinds(): void {
  decode.end(decode.begin({ id: 1 }), { ms: 1 })
  decode.end(decode.begin({ id: 1, ms: 1 }))
  decode.end(decode.begin(), { id: 1, ms: 1 })
  const number: number = decode.run({ id: 1, ms: 1 }, () => 1)
  decode.between(1, 2n, { id: number, ms: 1 })
  const text: string = bare.run(() => 'a')
  bare.run({}, () => text)
  bare.using()
  bare.between(1, 2)
  none.at(1n)
  // @ts-expect-error -- fields are needed
  decode.run(() => 1)
  // @ts-expect-error -- fields are needed
  decode.using()
  // @ts-expect-error -- fields are needed
  tile.at(1)
  // @ts-expect-error -- ms is still owed
  decode.end(decode.begin({ id: 1 }))
  // @ts-expect-error -- id is still owed
  decode.end(decode.begin({ ms: 1 }), { ms: 2 })
  // @ts-expect-error -- a text for a number
  decode.begin({ id: '1' })
  // @ts-expect-error -- a field is missing
  decode.run({ id: 1 }, () => 1)
  task.begin(1, { file: 'a' })
  task.end(1n)
  // @ts-expect-error -- a field is missing
  task.begin(1)
  // @ts-expect-error -- a text for an id
  way.start('1')
  queue(1)
  heap({ used: 1 })
  // @ts-expect-error -- an object for a number
  queue({ value: 1 })
  // @ts-expect-error -- a number for an object
  heap(1)
}

export function refused(): void {
  tile(good)
  // A wider object that is not written out in place is fine, as everywhere in TypeScript.
  const wider = { ...good, more: 1 }
  tile(wider)
  // @ts-expect-error -- no arguments
  tile()
  // @ts-expect-error -- a field is missing
  tile({ id: 1, size: 2n, ms: 0.5, path: 'a' })
  // @ts-expect-error -- a field that is not declared
  tile({ ...good, wrong: 1 })
  tile({ ...good, size: 2 })
  // @ts-expect-error -- a string for a u64
  tile({ ...good, size: '2' })
  // @ts-expect-error -- a bigint for a u32
  tile({ ...good, id: 1n })
  // @ts-expect-error -- a string for a u32
  tile({ ...good, id: '1' })
  // @ts-expect-error -- a number for a string
  tile({ ...good, path: 1 })
  // @ts-expect-error -- a number for a bool
  tile({ ...good, hit: 1 })
  // @ts-expect-error -- undefined for a field
  tile({ ...good, path: undefined })
  // @ts-expect-error -- one argument
  tile(good, good)
  none()
  none({})
  // @ts-expect-error -- a field that is not declared
  none({ id: 1 })
  // @ts-expect-error -- read only
  tile.enabled = true
  const fields = { id: 'u32' } as const satisfies FieldTypes
  const values: FieldValues<typeof fields> = { id: 1 }
  // @ts-expect-error -- read only
  values.id = 2
}

export function refusedDeclarations(): void {
  // @ts-expect-error -- there is no such type
  tracepoint('types:a', { id: 'u33' })
  // @ts-expect-error -- a type is a string
  tracepoint('types:a', { id: 32 })
  // @ts-expect-error -- a field that is not declared
  tracepoint('types:a').at(1, { id: 1 })
  // @ts-expect-error -- a name is a string
  tracepoint(1, {})
}

export async function refusedRecordings(): Promise<void> {
  const inMemory: Recording<string | undefined> = await startRecording({ mode: 'overwrite' })
  // @ts-expect-error -- a recording in memory has no folder at first
  inMemory.path.slice(1)
  // @ts-expect-error -- there is no such mode
  await startRecording({ path: 'a', mode: 'circular' })
  // @ts-expect-error -- there is no such option
  await startRecording({ path: 'a', buffer: 1 })
  // @ts-expect-error -- each snapshot gets a folder in `dir`
  await startRecording({ mode: 'flight' })
  // @ts-expect-error -- the same
  await startRecording({ mode: 'flight', path: 'a' })
  // @ts-expect-error -- there are no snapshots
  await startRecording({ path: 'a', keepSeconds: 10 })
  const flight: Recording = await startRecording({ mode: 'flight', dir: 'a', keepSeconds: 10 })
  await flight.stop()
  const recording: Recording = await startRecording({ path: 'a' })
  const summary: RecordingSummary = await recording.stop()
  // @ts-expect-error -- read only
  summary.events = 1
}

test('a tracepoint’s type follows from its fields, written out in place or not', () => {
  const fields = { id: 'u32', at: 'i64' } as const
  const point: Tracepoint<typeof fields> = tracepoint('types:point', fields)
  const call: (values: { id: number; at: bigint }) => void = point
  expect(point.schema.fields.map(({ type }) => type)).toEqual(['u32', 'i64'])
  expect(() => call({ id: 1, at: 2n })).not.toThrow()
})
