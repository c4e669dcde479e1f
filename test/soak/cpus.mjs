/**
 * Thousands of workers in sequence as CPUs of one runtime, eight at a time. They end, exit, throw,
 * leave, retire when they are asked, and are terminated; some join by themselves and are terminated
 * at any instant.
 *
 * Forbidden: a record that was written does not come, or comes torn; a sub-buffer is said to be of
 * another generation than its records; a CPU stays taken; what the process holds grows.
 */
import { fileURLToPath } from 'node:url'
import { checkFlat } from './flat.mjs'
import { runProgram } from './programs.mjs'

const program = fileURLToPath(new URL('cpus-program.mjs', import.meta.url))

export async function runCpus({ count, seed, progress, fail }) {
  const samples = []
  try {
    const books = await runProgram(
      program,
      [`${count}`, `${seed}`],
      ({ done, sample }) => {
        samples.push(sample)
        progress(done)
      },
      ['--expose-gc'],
    )
    const { delivered, counted, torn, misattributed, unattributed, full, online, ended } = books
    const text = JSON.stringify(books)
    // The last record of a worker that was terminated may have been written, and not counted.
    if (delivered < counted || delivered > counted + ended || full !== 0)
      fail(`the books are not exact: ${text}`)
    if (torn !== 0) fail(`torn records: ${text}`)
    if (misattributed + unattributed !== 0) fail(`records of another generation: ${text}`)
    if (online !== 1) fail(`CPUs are taken when all workers have ended: ${text}`)
    return `${ended} workers ended, ${delivered} records; ${checkFlat(samples, fail)}`
  } catch (error) {
    fail(error.message)
    return 'not to its end'
  }
}
