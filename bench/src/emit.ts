/**
 * The suite *emit*: what a tracepoint costs the thread that calls it, for an event of `{ u32, f64 }`.
 *
 * The buffer is in overwrite mode and nobody drains it, so that only the writer is measured: the switches of
 * sub-buffers are in the figures, the consumer's use of the machine is not.
 */
import { PACKET_HEADER_BYTES } from '@rchan/ctf'
import { Runtime } from '@rchan/runtime/coordinator'
import { tracepoint } from '@rchan/trace'
import type { BenchTask, Suite } from './harness.js'

/** A multiple of the number of sites. */
const OPERATIONS = 19_200
const RECORD_BYTES = 24
const FIELDS = { id: 'u32', ms: 'f64' } as const

const enabled = tracepoint('bench:enabled', FIELDS)
/** So many call sites in one function that the two or three which V8 inlines don't count. */
const SITES = 64
const sites = Array.from({ length: SITES }, (_, i) => tracepoint(`bench:site${i}`, FIELDS))

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const hrtime = process.hrtime.bigint
const memory = new SharedArrayBuffer(2 ** 22)
const i64 = new BigInt64Array(memory)
const u32 = new Uint32Array(memory)
const f64 = new Float64Array(memory)

function clock(): void {
  for (let i = 0; i < OPERATIONS; i += 1) i64[i & 1023] = hrtime()
}

function recordStores(): void {
  let at = 0
  for (let i = 0; i < OPERATIONS; i += 1) {
    u32[at >> 2] = i
    u32[(at + 4) >> 2] = 0
    u32[(at + 8) >> 2] = 1
    u32[(at + 12) >> 2] = i
    f64[(at + 16) >> 3] = i * 0.5
    at = (at + RECORD_BYTES) & (2 ** 22 - 8)
    if (at > 2 ** 22 - RECORD_BYTES) at = 0
  }
}

function emptyCall(_fields: { id: number; ms: number }): void {}

function emptyCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) emptyCall({ id: i, ms: i * 0.5 })
}

function enabledCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) enabled({ id: i, ms: i * 0.5 })
}

/** 64 tracepoints at call sites of their own. */
// oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- 64 equal lines, made here
const siteCalls = new Function(
  'sites',
  `const [${sites.map((_, i) => `t${i}`).join(', ')}] = sites
   return function () {
     for (let i = 0; i < ${OPERATIONS}; i += ${SITES}) {
       const ms = i * 0.5
       ${sites.map((_, i) => `t${i}({ id: i, ms })`).join('\n')}
     }
   }`,
)(sites) as () => void

const task = (name: string, floor: string, run: () => void): BenchTask => ({
  name,
  floor,
  operations: OPERATIONS,
  run,
})

/** A tracepoint that is off has its loop to itself, as in a program that never records. */
const off = tracepoint('bench:disabled', FIELDS)
function disabledCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) off({ id: i, ms: i * 0.5 })
}

export const emit: Suite = {
  name: 'emit',
  about: 'one event of { u32, f64 } on the calling thread; the floor of a tracepoint is the bare clock read',
  async setUp() {
    const runtime = await Runtime.start({
      channel: {
        subbufSize: 2 ** 18,
        subbufCount: 16,
        mode: 'overwrite',
        headerBytes: PACKET_HEADER_BYTES,
        possibleCpus: 1,
      },
      client: new Uint8Array(16),
      consumer: undefined,
    })
    return {
      tasks: [
        task('clock', 'clock', clock),
        task('record-stores', 'record-stores', recordStores),
        task('tracepoint-enabled', 'clock', enabledCalls),
        task('tracepoint-enabled-not-inlined', 'clock', siteCalls),
      ],
      tearDown: async () => void (await runtime.stop()),
    }
  },
}

export const emitOff: Suite = {
  name: 'emit',
  about: 'the same while nothing is recorded; the floor is an empty call with the same arguments',
  setUp: () =>
    Promise.resolve({
      tasks: [
        task('empty-call', 'empty-call', emptyCalls),
        task('tracepoint-disabled', 'empty-call', disabledCalls),
      ],
      tearDown: () => Promise.resolve(),
    }),
}
