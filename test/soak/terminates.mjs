/**
 * Workers are terminated at any instant while they write, in every mode, on few places.
 *
 * Forbidden: the books are not exact, but for one call of each thread that was terminated; the
 * trace has other events than the summary says, or an event twice, torn, or out of order.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { derive, Random } from '../stress/random.mjs'
import { runProgram } from './programs.mjs'

const program = fileURLToPath(new URL('../../packages/rchan/test/fixtures/killed.mjs', import.meta.url))
const WORKERS = 5
const ROUNDS = 5

export async function runTerminates({ count, seed, folder, progress, fail }) {
  const sums = { terminated: 0, attempts: 0, events: 0, lost: 0, torn: 0, cut: 0, plays: 0 }
  while (sums.terminated < count) {
    progress(sums.terminated)
    const random = new Random(derive(seed, 'terminates', sums.plays))
    const options = {
      mode: random.pick(['discard', 'overwrite']),
      buffers: random.pick(['per-thread', 'global']),
      bufferSize: random.pick([32 * 1024, 256 * 1024, 2 ** 20]),
      possibleCpus: random.pick([2, 4, 8]),
      flushIntervalMs: random.pick([10, 100]),
    }
    const home = mkdtempSync(join(folder, 'terminates '))
    const path = join(home, 'trace')
    const rounds = Math.min(ROUNDS, Math.ceil((count - sums.terminated) / WORKERS))
    try {
      const said = await runProgram(program, [path, `${rounds}`, `${WORKERS}`, JSON.stringify(options)])
      const { events, discarded, overwritten, torn, unwritten, begun, returned } = said
      const books = JSON.stringify({ events, discarded, overwritten, torn, unwritten, begun, returned })
      const known = events + discarded + overwritten + torn + unwritten
      if (known < returned || known > begun || begun - returned > rounds * WORKERS)
        throw new Error(`the books are not exact: ${books}`)
      if (unwritten !== 0 || said.error !== undefined)
        throw new Error(`not all was written: ${books} ${said.error ?? ''}`)
      const read = readSteps(path)
      if (read.events !== events || read.lost !== discarded + overwritten + torn)
        throw new Error(`the trace has ${JSON.stringify(read)}: ${books}`)
      sums.attempts += begun
      sums.events += events
      sums.lost += known - events
      sums.torn += torn
      sums.cut += begun - returned
      rmSync(home, { recursive: true, force: true })
    } catch (error) {
      fail(`play ${sums.plays}: ${error.message}\n  ${path} ${JSON.stringify(options)}`)
    }
    sums.plays += 1
    sums.terminated += rounds * WORKERS
  }
  return (
    `${sums.terminated} workers terminated in ${sums.plays} recordings, ${sums.attempts} attempts, ` +
    `${sums.events} events in the traces, ${sums.lost} counted as lost (${sums.torn} torn), ${sums.cut} calls cut off`
  )
}

/** Reads a trace of `killed.mjs`. @throws Error for an event that is torn, or out of order. */
function readSteps(path) {
  const trace = openTrace(path)
  const next = new Map()
  let events = 0
  for (const { event, fields } of trace.records()) {
    const { thread, step, value, text } = fields
    if (step < (next.get(thread) ?? 0)) throw new Error(`thread ${thread}: ${step} is out of order`)
    const isWhole = event.name === 'fixture:text' ? text === 'x'.repeat(step % 50) : value === step / 3
    if (!isWhole) throw new Error(`thread ${thread}: event ${step} is torn`)
    next.set(thread, step + 1)
    events += 1
  }
  return { events, lost: trace.losses().reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0) }
}
