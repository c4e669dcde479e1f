/** The first bad argument of each tracepoint is said by name, on all ways to a record. */
import { t, type FieldType } from '@rchan/ctf'
import { MAX_REMARKS } from '@rchan/runtime'
import { startRecording, tracepoint, type RecordingSummary } from '@rchan/trace'
import { packetClient } from '@rchan/trace/packet-client'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, test, vi } from 'vitest'
import { Rig } from './rig.ts'

const throwing = {
  get a(): never {
    throw new Error('from a getter')
  },
}
const refuse = (): never => {
  throw new Error('the code of the caller ran again')
}
const hostile = { toString: refuse, valueOf: refuse, toJSON: refuse, [Symbol.toPrimitive]: refuse }
const NO_FIELDS = 'called without its fields'

const MANY_LABELS = t.enum(...Array.from({ length: 20 }, (_, i) => `label ${i}`))

const MISFITS: [Readonly<Record<string, FieldType>>, unknown, string | RegExp][] = [
  [{ at: 'u32' }, { at: 1795665340000 }, 'at=1795665340000 is no u32'],
  [{ n: 'u8' }, { n: -0.5 }, 'n=-0.5 is no u8'],
  [{ n: 'u16' }, { n: NaN }, 'n=NaN is no u16'],
  [{ n: 'i32' }, { n: 2n }, 'n=2n is no i32'],
  [{ n: 'u64' }, { n: -1 }, 'n=-1 is no u64'],
  [{ n: 'u64' }, { n: 2 ** 53 }, 'n=9007199254740992 is no u64'],
  [{ n: 'i64' }, { n: 0.5 }, 'n=0.5 is no i64'],
  [{ e: t.enum('hit', 'miss') }, { e: 'mist' }, `e="mist" is no enum('hit', 'miss')`],
  [{ e: MANY_LABELS }, { e: 'label 20' }, /^e="label 20" is no enum\('label 0', .*, …\)$/],
  [{ b: 'bytes' }, { b: [1, 2] }, 'b=(an object) is no bytes'],
  [{ s: t.seq('u8') }, { s: 7 }, 's=7 is no seq(u8)'],
  [{ s: t.seq('u8') }, { s: [1, 256] }, 's=(an object) is no seq(u8), or something in it does not fit'],
  [{ s: t.array('u8', 2) }, { s: [1] }, 's=(an object) is no array(u8), or something in it does not fit'],
  [{ s: t.seq('u8') }, { s: [throwing, 1] }, 's=(an object) is no seq(u8), or something in it does not fit'],
  [{ p: t.struct({ a: 'u8' }) }, { p: null }, 'p=null is no struct'],
  [{ p: t.struct({ a: 'u8' }) }, { p: throwing }, 'p could not be read: its getter threw'],
  [{ o: t.optional('u8'), n: 'u8' }, { o: 256 }, 'o=256 is no optional(u8)'],
  [{ i: 'interned' }, { i: 7 }, 'i=7 is no interned'],
  [{ n: 'i64' }, { n: 2n ** 63n }, `n=${2n ** 63n}n is no i64`],
  [{ n: 'i64' }, { n: -(2n ** 4096n) }, 'n=(a bigint of more than 128 bits) is no i64'],
  [{ n: 'f64' }, { n: '1' }, 'n="1" is no f64'],
  [{ n: 'f32' }, { n: null }, 'n=null is no f32'],
  [{ flag: 'bool' }, { flag: 'x'.repeat(41) }, `flag="${'x'.repeat(40)}…" is no bool`],
  [{ flag: 'bool' }, { flag: 'x'.repeat(40) }, `flag="${'x'.repeat(40)}" is no bool`],
  [{ s: 'string' }, { s: true }, 's=true is no string'],
  [{ s: 'string' }, { s: hostile }, 's=(an object) is no string'],
  [
    { s: 'string' },
    { s: new Proxy({}, { get: refuse, getPrototypeOf: refuse }) },
    's=(an object) is no string',
  ],
  [{ s: 'string' }, { s: refuse }, 's=(a function) is no string'],
  [{ s: 'string' }, { s: Symbol('s') }, 's=(a symbol) is no string'],
  [{ s: 'string' }, {}, 's is missing'],
  [{ a: 'u8' }, throwing, 'a could not be read: its getter threw'],
  [
    { b: 'u8', a: 'u8' },
    Object.assign(Object.create(throwing), { b: 1 }),
    'a could not be read: its getter threw',
  ],
  // The first of them.
  [{ b: 'u8', a: 'u8' }, throwing, 'b is missing'],
  [{ b: 'string', c: 'u8', d: 'u8' }, { b: '', c: 300, d: 300 }, 'c=300 is no u8'],
  [{ n: 'u8' }, undefined, NO_FIELDS],
  [{ n: 'u8' }, null, NO_FIELDS],
  [{ n: 'u8' }, 7, NO_FIELDS],
]

describe.each([
  ['compiled', false],
  ['interpreted', false],
  ['compiled', true],
  ['interpreted', true],
] as const)('%s, one buffer for all: %s', (kind, global) => {
  const makeRig = (): Rig => new Rig(packetClient, { subbufSize: 1024, subbufCount: 4, global })

  test('each kind of misfit is said by name, once for a tracepoint', () => {
    for (const [fields, args, text] of MISFITS) {
      const rig = makeRig()
      const point = rig.encoder(kind, 'bad:point', fields)
      point(args as never)
      point({})
      point(undefined)
      expect(rig.discarded()).toEqual({ full: 0, tooBig: 0, bad: 3 })
      expect(rig.arena.remarks.all()).toEqual([
        { id: 0, text: typeof text === 'string' ? text : (expect.stringMatching(text) as string) },
      ])
    }
  })

  test('good calls say nothing, nor does a tracepoint without fields', () => {
    const rig = makeRig()
    rig.encoder(kind, 'bad:point', { n: 'u8', s: 'string' })({ n: 1, s: '' })
    rig.encoder(kind, 'bad:none', {})()
    expect(rig.arena.remarks.all()).toEqual([])
  })

  test('when the room for texts is used up, calls are counted all the same', () => {
    const rig = makeRig()
    for (let i = 0; i < MAX_REMARKS + 5; i += 1) rig.encoder(kind, `bad:p${i}`, { n: 'u8' })({ n: -i - 1 })
    expect(rig.discarded()).toMatchObject({ bad: MAX_REMARKS + 5 })
    const all = rig.arena.remarks.all()
    expect(all).toHaveLength(MAX_REMARKS)
    expect(all.at(-1)?.text).toBe(`n=-${MAX_REMARKS} is no u8`)
  })
})

async function summaryWhile(
  buffers: 'per-thread' | 'global',
  work: () => unknown,
): Promise<RecordingSummary> {
  const folder = mkdtempSync(join(tmpdir(), 'rchan test '))
  try {
    const recording = await startRecording({ path: join(folder, 'trace'), buffers, bufferSize: 65_536 })
    await work()
    return await recording.stop()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe.each(['per-thread', 'global'] as const)('%s buffers', (buffers) => {
  test('several threads say it once for a tracepoint; the next recording starts anew', async () => {
    const point = tracepoint('bad:shared', { n: 'u32' })
    const own = tracepoint('bad:own', { text: 'string' })
    const workers = (): Promise<unknown> =>
      Promise.all(
        [1, 2, 3].map(async () => {
          const worker = new Worker(new URL('fixtures/bad-arguments.mjs', import.meta.url))
          await new Promise((done) => worker.once('exit', done))
        }),
      )
    const first = await summaryWhile(buffers, async () => {
      own({ text: 7 as never })
      await workers()
    })
    expect(first.discardedBy.bad).toBe(31)
    expect(first.badArguments).toEqual(['bad:shared: n=-1 is no u32', 'bad:own: text=7 is no string'])
    const second = await summaryWhile(buffers, () => point({ n: 0.5 }))
    expect(second.badArguments).toEqual(['bad:shared: n=0.5 is no u32'])
    expect((await summaryWhile(buffers, () => point({ n: 1 }))).badArguments).toEqual([])
  })

  test('a recording does not fail because an argument can not be named', async () => {
    const point = tracepoint('bad:own', { text: 'string' })
    const replaced = vi.spyOn(String.prototype, 'replaceAll')
    try {
      const summary = await summaryWhile(buffers, () => {
        point({ text: 7 as never })
        replaced.mockImplementation(() => {
          throw new Error('replaced')
        })
      })
      expect(summary.discardedBy.bad).toBe(1)
      expect(summary.badArguments).toEqual(['the bad arguments could not be named: replaced'])
    } finally {
      replaced.mockRestore()
    }
  })

  test('what a text holds does not control a terminal', async () => {
    const point = tracepoint('bad:text', { n: 'u32' })
    const summary = await summaryWhile(buffers, () => point({ n: '\u001b[31m\n\u202eé' as never }))
    expect(summary.badArguments).toEqual(['bad:text: n="\\u{1b}[31m\\u{a}\\u{202e}é" is no u32'])
  })
})
