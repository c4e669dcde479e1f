/**
 * Recordings in a row in one process, of every mode and of two sizes, with a worker that lives
 * through all of them and one that comes and goes.
 *
 * Forbidden: an event is neither in its recording's trace nor counted; an event is in another
 * recording's trace; what the process holds grows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkFlat } from './flat.mjs'
import { runProgram } from './programs.mjs'

const program = fileURLToPath(new URL('recordings-program.mjs', import.meta.url))

export async function runRecordings({ count, seed, folder, progress, fail }) {
  const home = mkdtempSync(join(folder, 'recordings '))
  const samples = []
  try {
    const { events, lost } = await runProgram(
      program,
      [home, `${count}`, `${seed}`],
      ({ done, sample, problem }) => {
        if (problem !== undefined) fail(problem)
        else samples.push(sample)
        if (done !== undefined) progress(done)
      },
      ['--expose-gc'],
    )
    const flat = checkFlat(samples, fail)
    rmSync(home, { recursive: true })
    return `${count} recordings, ${events} events in their traces, ${lost} counted as lost; ${flat}`
  } catch (error) {
    fail(`${error.message}\n  ${home}`)
    return 'not to its end'
  }
}
