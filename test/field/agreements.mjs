/**
 * How closely recordings agree with what others measure in the same run: piscina, V8 and the
 * kernel. The programs are those of the tests (`packages/rchan/test/record-agrees.test.ts`).
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTraces, openTraces } from 'rchan/reader'
import {
  collectionsIn,
  differenceFromV8,
  differencesFromPiscina,
  differencesFromUsage,
  differencesFromV8,
  minorCollectionsOf,
  spreadOf,
  sumsOf,
} from '../../packages/rchan/test/record/agreement.mjs'

const PROGRAMS = new URL('../../packages/rchan/test/record/agrees/', import.meta.url)
const COMMAND = fileURLToPath(new URL('../../packages/rchan/dist/bin/rchan.cjs', import.meta.url))

export const HEAD = ['measured by', 'what', 'values', 'difference', '9 of 10 below']

function record(file, args = [], nodeArgs = []) {
  const dir = mkdtempSync(join(tmpdir(), 'rchan-field-agreement-'))
  try {
    const program = [...nodeArgs, fileURLToPath(new URL(file, PROGRAMS)), ...args]
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [COMMAND, 'record', '--quiet', '--dir', dir, '--', process.execPath, ...program],
      { encoding: 'utf8' },
    )
    if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}`)
    return { stdout, items: [...openTraces(findTraces(dir)).items()] }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function row(by, what, differences) {
  const { count, median, p90 } = spreadOf(differences)
  return [by, what, `${count}`, micros(median), count < 10 ? '' : micros(p90)]
}

function micros(ms) {
  return `${(ms * 1000).toFixed(ms < 0.1 ? 1 : 0)} µs`
}

/** Records the programs. @returns rows of a table. */
export function measureAgreements() {
  const rows = []
  for (const pool of ['piscina', 'piscina4']) {
    const { stdout, items } = record('piscina-times.cjs', [pool])
    const { wait, run } = differencesFromPiscina(items, JSON.parse(stdout))
    const name = pool === 'piscina' ? 'piscina 5' : 'piscina 4'
    rows.push(row(name, 'wait of each task', wait), row(name, 'run time of each task', run))
  }
  const alone = record('gc.mjs', ['main'], ['--trace-gc'])
  const minor = longestOf(collectionsIn(alone.stdout)).filter(({ kind }) => kind === 'Scavenge')
  const ours = minorCollectionsOf(alone.items, 0)
  const each = differencesFromV8(
    ours,
    minor.map(({ ms }) => ms),
  )
  rows.push(row('`--trace-gc`', 'each collection of the main thread', each))
  const parked = record('gc.mjs', ['pool'], ['--trace-gc'])
  const sums = sumsOf(parked.items)
  const together = differenceFromV8(sums, longestOf(collectionsIn(parked.stdout)))
  const what = `the ${sums.collections} collections of a parked worker, together`
  rows.push(row('`--trace-gc`', what, [together]))
  if ('threadCpuUsage' in process) {
    const { stdout, items } = record('cpu.mjs')
    const used = differencesFromUsage(items, JSON.parse(stdout))
    rows.push(row('`threadCpuUsage`', 'time of each task on a CPU', used))
  }
  return rows
}

function longestOf(lists) {
  return lists.reduce((longest, list) => (list.length > longest.length ? list : longest), [])
}
