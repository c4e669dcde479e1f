/**
 * What becomes of a trace: conversions and the summary, for each item. The floor is the reader
 * alone, on the same trace, which is half spans and half events. Nothing is written to files.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { summarize } from '@rchan/analysis'
import { openTrace } from '@rchan/ctf/reader'
import { FORMATS } from '@rchan/export'
import { span, startRecording, tracepoint } from 'rchan'
import type { BenchTask, Suite } from './harness.js'

const PAIRS = 50_000
/** Pairs between two waits, so that the consumer keeps up. */
const BURST = 4096

const decode = span('convert:decode', { id: 'u32', path: 'interned' })
const done = tracepoint('convert:done', { id: 'u32', bytes: 'u64', name: 'string' })

/** Records a trace. @returns how many items it has. */
async function record(path: string): Promise<number> {
  const recording = await startRecording({ path })
  for (let n = 0; n < PAIRS; n += 1) {
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

export const convert: Suite = {
  name: 'read',
  about: `reading a trace of ${PAIRS} spans and as many events, and converting it, for each item`,
  rounds: 10,
  warmUpRounds: 2,
  calls: 1,
  setUp: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rchan-bench-'))
    const path = join(folder, 'trace')
    const operations = await record(path)
    const task = (name: string, run: () => void): BenchTask => ({
      name,
      floor: 'read-items',
      operations,
      run,
    })
    const tasks = [
      task('read-items', () => {
        for (const _ of openTrace(path).items());
      }),
      ...Object.entries(FORMATS).map(([name, { convert: convertTo }]) =>
        task(`convert-${name}`, () => {
          for (const _ of convertTo(openTrace(path)));
        }),
      ),
      task('summary', () => {
        summarize(openTrace(path))
      }),
    ]
    const tearDown = (): Promise<void> => {
      rmSync(folder, { recursive: true })
      return Promise.resolve()
    }
    return { tasks, tearDown }
  },
}
