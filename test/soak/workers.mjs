/**
 * Thousands of workers in sequence, eight at a time, through eight places of one recording. They
 * end, exit, throw, and are terminated after their last event.
 *
 * Forbidden: an event of theirs is neither in the trace nor counted; two of them are one thread in
 * the trace; what the process holds grows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { checkFlat } from './flat.mjs'
import { runProgram } from './programs.mjs'

const program = fileURLToPath(new URL('workers-program.mjs', import.meta.url))

export async function runWorkers({ count, folder, progress, fail }) {
  const home = mkdtempSync(join(folder, 'workers '))
  const path = join(home, 'trace')
  const samples = []
  try {
    const { attempts, ended, ...summary } = await runProgram(
      program,
      [path, `${count}`],
      ({ done, sample }) => {
        samples.push(sample)
        progress(done)
      },
      ['--expose-gc'],
    )
    const { events, discarded, discardedBy, overwritten, torn, unwritten, error } = summary
    const books = JSON.stringify({ attempts, events, discardedBy, overwritten, torn, unwritten, error })
    if (events + discarded + overwritten + torn + unwritten !== attempts)
      fail(`the books are not exact: ${books}`)
    if (unwritten + torn + overwritten + discardedBy.full !== 0 || error !== undefined)
      fail(`something is lost that had room: ${books}`)
    const threads = new Map()
    let read = 0
    for (const { cpu, generation, threadId, fields } of openTrace(path).records()) {
      const place = `${cpu} ${generation}`
      if (threads.get(threadId) !== undefined && threads.get(threadId) !== place)
        throw new Error(`thread ${threadId} is at ${threads.get(threadId)} and at ${place}`)
      if (fields.thread !== threadId)
        throw new Error(`an event of ${fields.thread} is said to be of ${threadId}`)
      threads.set(threadId, place)
      read += 1
    }
    if (read !== events) fail(`the trace has ${read} events: ${books}`)
    if (new Set(threads.values()).size !== threads.size) fail('two threads have one generation of a place')
    const flat = checkFlat(samples, fail)
    rmSync(home, { recursive: true })
    return (
      `${ended} workers ended, ${threads.size} threads traced ${events} events, ` +
      `${discardedBy.noBuffer} without a place; ${flat}`
    )
  } catch (error) {
    fail(`${error.message}\n  ${path}`)
    return 'not to its end'
  }
}
