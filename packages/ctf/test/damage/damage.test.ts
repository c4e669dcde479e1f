/**
 * A small trace of each layout with every byte changed, cut at every length, with files missing,
 * doubled and swapped: the reader refuses it or gives what the damage left, never anything else.
 *
 * `npm run damage` tries several changes of each byte; the test one.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EventClass } from '@rchan/ctf'
import { ALL_CPUS } from '@rchan/ctf/reader'
import { temporaryFolder, UUID, writeTrace, type FixturePacket, type FixtureTrace } from '../fixture.js'

const ALL = process.env.RCHAN_DAMAGE === 'all'
/** Ends a hang; a run takes seconds. */
const LIMIT_MS = ALL ? 3_600_000 : 300_000
const PATTERNS = ALL ? [1, 2, 4, 8, 16, 32, 64, 128, 255] : [1, 128, 255, 4, 32]

const EVENT: EventClass = {
  id: 0,
  name: 'pool:all',
  fields: [
    { name: 'small', type: 'u8' },
    { name: 'wide', type: 'u64' },
    { name: 'text', type: 'string' },
    { name: 'ratio', type: 'f64' },
    { name: 'on', type: 'bool' },
    { name: 'signed', type: 'i16' },
  ],
}
const EMPTY: EventClass = { id: 3, name: 'pool:empty', fields: [] }

function packetsOf(cpu: number, global: boolean): FixturePacket[] {
  const common = { generation: 1, threadId: cpu, eventsDiscarded: 0 }
  let time = 1000n + BigInt(cpu)
  return [
    { ...common, begin: time, end: time, sequence: 0, records: [] },
    ...[1, 2].map((sequence) => {
      const begin = time
      const records = Array.from({ length: 3 }, (_, index) => ({
        event: index === 1 ? EMPTY : EVENT,
        time: (time += 10n),
        ...(global && { by: { cpu: index, threadId: index } }),
        values:
          index === 1
            ? []
            : [cpu, BigInt(sequence * 100 + index), `é${index}`, index / 3, index === 0, -sequence],
      }))
      return { ...common, begin, end: (time += 10n), sequence, records }
    }),
  ]
}

function traceOf(global: boolean): FixtureTrace {
  return {
    uuid: UUID,
    clock: { offsetSeconds: 0, offsetNs: 0 },
    env: { hostname: 'here', pid: 4711 },
    events: [EVENT, EMPTY],
    ...(global && { global: true as const }),
    streams: global
      ? [{ file: 'global', cpu: ALL_CPUS, instance: 0, packets: packetsOf(0, true) }]
      : [0, 1].map((cpu) => ({ file: `cpu${cpu}`, cpu, instance: cpu, packets: packetsOf(cpu, false) })),
  }
}

test.each(['per-thread', 'global'])(
  'a damaged %s trace is refused, or gives what the damage left',
  (layout) => {
    using folder = temporaryFolder()
    const trace = join(folder.path, 'trace')
    writeTrace(trace, traceOf(layout === 'global'))
    const script = join(import.meta.dirname, 'read-damaged.mjs')
    const run = spawnSync(
      process.execPath,
      ['--max-old-space-size=256', script, trace, folder.path, PATTERNS.join(','), ALL ? 'all' : 'each'],
      { encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: 2 ** 28 },
    )
    expect({ signal: run.signal, status: run.status, stderr: run.stderr }).toEqual({
      signal: null,
      status: 0,
      stderr: '',
    })
    const { faults, counts } = JSON.parse(run.stdout) as { faults: string[]; counts: unknown }
    if (ALL) console.log(layout, counts)
    expect(faults).toEqual([])
  },
  LIMIT_MS + 1000,
)
