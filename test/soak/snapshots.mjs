/**
 * Snapshots of a flight recorder, while threads write.
 *
 * - `snapshots`: threads write at full speed, are terminated and replaced. Forbidden: a snapshot
 *   that our reader or a babeltrace can't read, that has other events or losses than it says, or in
 *   which a thread's events have a hole that it does not tell of.
 * - `cuts`: threads pass tokens by Atomics, and record what they send and receive. Forbidden: a
 *   snapshot that has a receipt without its sending, and does not say that this was overwritten.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openTrace } from '@rchan/ctf/reader'
import { checkTokens } from '../../packages/rchan/test/flight/tokens.mjs'
import { derive } from '../stress/random.mjs'
import { runProgram } from './programs.mjs'
import { otherReaders } from './ways.mjs'

const program = fileURLToPath(new URL('../../packages/rchan/test/fixtures/flight-load.mjs', import.meta.url))
/** Snapshots of one recording. */
const LOAD_PLAY = 25
const TOKEN_PLAY = 250
const BUFFERS = ['per-thread', 'global']

export async function runSnapshots({ count, seed, folder, progress, fail }) {
  const readers = otherReaders()
  const sums = { plays: 0, taken: 0, events: 0, lost: 0 }
  while (sums.taken < count) {
    progress(sums.taken)
    const dir = mkdtempSync(join(folder, 'snapshots '))
    const many = Math.min(LOAD_PLAY, count - sums.taken)
    const playSeed = derive(seed, 'snapshots', sums.plays)
    const buffers = BUFFERS[sums.plays % 2]
    try {
      const { snapshots } = await runProgram(program, [dir, `${many}`, `${playSeed}`, buffers])
      if (snapshots.length < many) throw new Error(`${snapshots.length} of ${many} snapshots were taken`)
      for (const snapshot of snapshots) {
        checkSnapshot(snapshot, readers)
        sums.events += snapshot.events
        sums.lost += snapshot.lost
      }
      rmSync(dir, { recursive: true })
    } catch (error) {
      fail(`play ${sums.plays} (${buffers}): ${error.message}\n  ${dir}`)
    }
    sums.taken += many
    sums.plays += 1
  }
  return (
    `${sums.taken} snapshots of ${sums.plays} recordings, ${sums.events} events, ${sums.lost} said to be overwritten ` +
    `meanwhile, read by ours, ${readers.join(', ')}`
  )
}

/** @throws Error when a snapshot can't be read, or is not as it says. */
function checkSnapshot({ path, events, lost }, readers) {
  const trace = openTrace(path)
  let read = 0
  const last = new Map()
  for (const { event, fields, threadId } of trace.records()) {
    read += 1
    if (event.name !== 'load:number') continue
    const before = last.get(threadId)
    const { thread, number } = fields
    const isNext = before === undefined || (lost === 0 ? number === before + 1 : number > before)
    if (thread !== threadId || !isNext)
      throw new Error(`${path}: thread ${threadId}: ${before} is followed by ${JSON.stringify(fields)}`)
    last.set(threadId, number)
  }
  const told = trace.losses().reduce((sum, { eventsDiscarded }) => sum + eventsDiscarded, 0)
  // And the event of the snapshot itself.
  if (read !== events + 1 || told !== lost)
    throw new Error(`${path} has ${read} events and ${told} losses, not ${events + 1} and ${lost}`)
  for (const reader of readers) {
    const { status, stderr } = spawnSync(reader, [path, '-o', 'dummy'], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${reader} can't read ${path}: ${stderr.slice(0, 2000)}`)
  }
}

export async function runCuts({ count, seed, folder, progress, fail }) {
  const sums = { plays: 0, taken: 0, receipts: 0, sendings: 0, lost: 0 }
  while (sums.taken < count) {
    progress(sums.taken)
    const dir = mkdtempSync(join(folder, 'cuts '))
    const snapshots = Math.min(TOKEN_PLAY, count - sums.taken)
    const buffers = BUFFERS[sums.plays % 2]
    try {
      const found = await checkTokens({
        dir,
        snapshots,
        seed: derive(seed, 'cuts', sums.plays) % 1e6,
        buffers,
        threads: 3,
      })
      for (const problem of found.problems) fail(`play ${sums.plays} (${buffers}): ${problem}`)
      for (const name of ['receipts', 'sendings', 'lost']) sums[name] += found[name]
      rmSync(dir, { recursive: true, force: true })
    } catch (error) {
      fail(`play ${sums.plays} (${buffers}): ${error.message}\n  ${dir}`)
    }
    sums.taken += snapshots
    sums.plays += 1
  }
  return (
    `${sums.taken} snapshots of ${sums.plays} recordings, ${sums.receipts} receipts beside ${sums.sendings} sendings, ` +
    `${sums.lost} events said to be overwritten meanwhile`
  )
}
