/**
 * The suite *emit*: the cost of a tracepoint on the calling thread, for an event of `{ u32, f64 }`.
 *
 * The buffer is in overwrite mode and is not drained, so only the writer is measured. The figures
 * include the switches of sub-buffers, but not the consumer's use of the machine.
 */
import { PACKET_HEADER_BYTES } from '@rchan/ctf'
import { Recorder } from '@rchan/runtime/recorder'
import { span, tracepoint } from '@rchan/trace'
import { packetClient } from '@rchan/trace/packet-client'
import { setFlagsFromString } from 'node:v8'
import type { BenchTask, Suite } from './harness.js'

export const OPERATIONS = 20_000
const RECORD_BYTES = 24
const FIELDS = { id: 'u32', ms: 'f64' } as const

const enabled = tracepoint('bench:enabled', FIELDS)
const apart = tracepoint('bench:not-inlined', FIELDS)
const shared = tracepoint('bench:global', FIELDS)
const off = tracepoint('bench:disabled', FIELDS)
const spanned = span('bench:span', { id: 'u32' })
const spannedBoth = span('bench:span-both', { id: 'u32', bytes: 'u32' })
const spanOff = span('bench:span-disabled', { id: 'u32' })

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const hrtime = process.hrtime.bigint
const memory = new SharedArrayBuffer(2 ** 22)
const i64 = new BigInt64Array(memory)
const u32 = new Uint32Array(memory)
const f64 = new Float64Array(memory)

function clock(): void {
  for (let i = 0; i < OPERATIONS; i += 1) i64[i & 1023] = hrtime()
}

/** The floor of a span, which reads the clock at its begin and at its end. */
function twoClocks(): void {
  for (let i = 0; i < OPERATIONS; i += 1) {
    i64[i & 1023] = hrtime()
    i64[(i + 1) & 1023] = hrtime()
  }
}

function spanCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) spanned.end(spanned.begin(), { id: i })
}

/** Fields that are known when the span begins. */
function spanCallsBegun(): void {
  for (let i = 0; i < OPERATIONS; i += 1) spanned.end(spanned.begin({ id: i }))
}

/** Some are known then, others at the end. */
function spanCallsBoth(): void {
  for (let i = 0; i < OPERATIONS; i += 1) spannedBoth.end(spannedBoth.begin({ id: i }), { bytes: i })
}

function disabledSpans(): void {
  for (let i = 0; i < OPERATIONS; i += 1) spanOff.end(spanOff.begin(), { id: i })
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

function sharedCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) shared({ id: i, ms: i * 0.5 })
}

/**
 * Functions with more bytecode than this are not inlined. That keeps V8 from inlining tracepoints,
 * but not the clock.
 */
const TRACEPOINTS_APART = '--max-inlined-bytecode-size=80'
const INLINING_DEFAULT = '--max-inlined-bytecode-size=460'

function apartCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) apart({ id: i, ms: i * 0.5 })
}

export const task = (name: string, floor: string, run: () => void): BenchTask => ({
  name,
  floor,
  operations: OPERATIONS,
  run,
})

function disabledCalls(): void {
  for (let i = 0; i < OPERATIONS; i += 1) off({ id: i, ms: i * 0.5 })
}

/** Records into a buffer that is not drained. */
export async function startUndrained(global = false): Promise<Recorder> {
  return await Recorder.start({
    channel: {
      subbufSize: 2 ** 18,
      subbufCount: 16,
      mode: 'overwrite',
      headerBytes: PACKET_HEADER_BYTES,
      possibleCpus: 1,
      global,
    },
    client: new Uint8Array(16),
    cpuClient: packetClient,
    consumer: undefined,
  })
}

export const emitOff: Suite = {
  name: 'emit',
  about: 'while nothing is recorded; the floor is an empty call with the same arguments',
  setUp: () =>
    Promise.resolve({
      tasks: [
        task('empty-call', 'empty-call', emptyCalls),
        task('tracepoint-disabled', 'empty-call', disabledCalls),
        task('span-disabled', 'empty-call', disabledSpans),
      ],
      tearDown: () => Promise.resolve(),
    }),
}

export const emit: Suite = {
  name: 'emit',
  about: 'one event of { u32, f64 } on the calling thread; the floor of a tracepoint is the bare clock read',
  async setUp() {
    const runtime = await startUndrained()
    return {
      tasks: [
        task('clock', 'clock', clock),
        task('record-stores', 'record-stores', recordStores),
        task('tracepoint-enabled', 'clock', enabledCalls),
        task('two-clocks', 'two-clocks', twoClocks),
        task('span', 'two-clocks', spanCalls),
        task('span-begun', 'two-clocks', spanCallsBegun),
        task('span-both', 'two-clocks', spanCallsBoth),
      ],
      tearDown: async () => void (await runtime.stop()),
    }
  },
}

export const emitGlobal: Suite = {
  name: 'emit',
  about: 'the same into one global buffer, which no other thread writes meanwhile',
  async setUp() {
    const runtime = await startUndrained(true)
    return {
      tasks: [
        { ...task('clock', 'clock', clock), listed: false },
        task('tracepoint-global', 'clock', sharedCalls),
      ],
      tearDown: async () => void (await runtime.stop()),
    }
  },
}

export const emitApart: Suite = {
  name: 'emit',
  about: `the same where V8 does not inline the tracepoint (${TRACEPOINTS_APART})`,
  async setUp() {
    setFlagsFromString(TRACEPOINTS_APART)
    const runtime = await startUndrained()
    return {
      tasks: [
        { ...task('clock', 'clock', clock), listed: false },
        task('tracepoint-enabled-not-inlined', 'clock', apartCalls),
      ],
      tearDown: async () => {
        setFlagsFromString(INLINING_DEFAULT)
        await runtime.stop()
      },
    }
  },
}

/** With those of the other suites these nearly fill the table of a process, which has 2048. */
const MANY = 1950

function manyCalls(called: (fields: { id: number; ms: number }) => void): void {
  for (let i = 0; i < OPERATIONS; i += 1) called({ id: i, ms: i * 0.5 })
}

export const emitMany: Suite = {
  name: 'emit',
  about: `the same in a process that has ${MANY} tracepoints more, all of them recorded`,
  async setUp() {
    const others = Array.from({ length: MANY }, (_, index) => tracepoint(`bench:many-${index}`, FIELDS))
    const runtime = await startUndrained()
    // Each has its code, as in a program that uses them all.
    for (const other of others) other({ id: 0, ms: 0 })
    const last = others[MANY - 1]
    return {
      tasks: [
        { ...task('clock', 'clock', clock), listed: false },
        task('tracepoint-of-many', 'clock', () => manyCalls(last)),
      ],
      tearDown: async () => void (await runtime.stop()),
    }
  },
}
