/**
 * What becomes of a trace: reading, conversions and the summary, for each item. Nothing is written
 * to files. The trace is half spans and half events.
 *
 * The floor of reading and of Perfetto's format is `babeltrace2 -o dummy` on the same trace,
 * without its start; where babeltrace2 is not installed, and of all others, it is the reader alone.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { summarize } from '@rchan/analysis'
import { openTrace } from '@rchan/ctf/reader'
import { FORMATS } from '@rchan/export'
import { span, startRecording, tracepoint } from 'rchan'
import type { BenchTask, Suite } from './harness.js'

const PAIRS = 100_000
/** Pairs between two waits, so that the consumer keeps up. */
const BURST = 4096

const decode = span('convert:decode', { id: 'u32', path: 'interned' })
const done = tracepoint('convert:done', { id: 'u32', bytes: 'u64', name: 'string' })

/** Records a trace. @returns how many items it has. */
async function record(path: string, pairs: number): Promise<number> {
  const recording = await startRecording({ path })
  for (let n = 0; n < pairs; n += 1) {
    const token = decode.begin()
    done({ id: n, bytes: n * 100, name: `picture ${n & 15}` })
    decode.end(token, { id: n, path: `/pictures/${n & 63}.jpg` })
    if (n % BURST === 0) await delay(5)
  }
  await recording.stop()
  let items = 0
  for (const _ of openTrace(path).items()) items += 1
  return items
}

/** @returns milliseconds; undefined if babeltrace2 is not installed. */
function babeltrace(path: string): number | undefined {
  const before = performance.now()
  const { error, status, stderr } = spawnSync('babeltrace2', ['-o', 'dummy', path], { encoding: 'utf8' })
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return undefined
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`babeltrace2 -o dummy ${path}: status=${status} ${stderr}`)
  return performance.now() - before
}

/** Without what a trace of one pair takes, which is its start. */
function babeltraceTask(path: string, small: string, operations: number): BenchTask {
  const time = (): Promise<number> => {
    const start = babeltrace(small) ?? 0
    return Promise.resolve(Math.max((babeltrace(path) ?? 0) - start, 0.001))
  }
  return { name: 'babeltrace2', floor: 'babeltrace2', operations, time }
}

export const convert: Suite = {
  name: 'read',
  about: `reading a trace of ${PAIRS} spans and as many events, and converting it, for each item;\nthe floor is babeltrace2 -o dummy, or the reader`,
  rounds: 10,
  warmUpRounds: 2,
  calls: 1,
  setUp: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rchan-bench-'))
    const path = join(folder, 'trace')
    const operations = await record(path, PAIRS)
    const small = join(folder, 'small')
    await record(small, 1)
    const hasBabeltrace = babeltrace(small) !== undefined
    if (!hasBabeltrace) {
      console.error('babeltrace2 is not installed (apt-get install babeltrace2): nothing is compared with it')
    }
    const reference = hasBabeltrace ? 'babeltrace2' : 'read-items'
    const task = (name: string, floor: string, run: () => void): BenchTask => ({
      name,
      floor,
      operations,
      run,
    })
    const tasks = [
      task('read-items', reference, () => {
        for (const _ of openTrace(path).items());
      }),
      task('read-records', reference, () => {
        for (const _ of openTrace(path).records());
      }),
      ...Object.entries(FORMATS).map(([name, { convert: convertTo }]) =>
        task(`convert-${name}`, name === 'perfetto' ? reference : 'read-items', () => {
          for (const _ of convertTo(openTrace(path)));
        }),
      ),
      task('summary', 'read-items', () => {
        summarize(openTrace(path))
      }),
      ...(hasBabeltrace ? [babeltraceTask(path, small, operations)] : []),
    ]
    const tearDown = (): Promise<void> => {
      rmSync(folder, { recursive: true })
      return Promise.resolve()
    }
    return { tasks, tearDown }
  },
}
