/**
 * Each way to die, again and again. Forbidden is what `packages/rchan/test/ways/ways.mjs` forbids,
 * and that the newest event on disk is much older than one flush when a kill comes.
 */
import { spawnSync } from 'node:child_process'
import { die, lacks, WAYS } from '../../packages/rchan/test/ways/ways.mjs'
import { derive } from '../stress/random.mjs'

/** The longest flush interval of a play, the grace period, and what a busy machine may add. */
const MOST_AGE_MS = 100 + 10 + 2000

/** Readers beside our own that are installed. */
export function otherReaders() {
  const readers = ['babeltrace2', 'babeltrace']
  return readers.filter((reader) => spawnSync(reader, ['--version']).error === undefined)
}

export async function runWays({ count, seed, folder, progress, fail }) {
  const readers = otherReaders()
  const names = Object.keys(WAYS)
  const ages = []
  const sums = { plays: 0, events: 0, lost: 0, attempts: 0, cut: 0 }
  for (const [i, name] of names.entries()) {
    const lack = lacks(name)
    if (lack !== undefined) {
      console.log(`ways: skipped: ${name}: ${lack}`)
      continue
    }
    let failed = 0
    const events = sums.events
    for (let play = 0; play < count; play += 1) {
      progress(i * count + play, names.length * count)
      sums.plays += 1
      try {
        const figures = await die(name, { seed: derive(seed, play), parent: folder, readers })
        for (const key of ['events', 'lost', 'cut']) sums[key] += figures[key]
        sums.attempts += figures.attempts ?? 0
        if (figures.ageMs === undefined) continue
        ages.push(figures.ageMs)
        if (figures.ageMs > MOST_AGE_MS)
          throw new Error(`the newest event on disk is ${figures.ageMs.toFixed(0)} ms older than the kill`)
      } catch (error) {
        failed += 1
        fail(`${name}, play ${play}: ${error.message}`)
      }
    }
    console.log(`ways: ${name}: ${count} times, ${sums.events - events} events, ${failed} forbidden`)
  }
  ages.sort((a, b) => a - b)
  const age =
    ages.length === 0
      ? ''
      : `, age of the newest event on disk at a kill: median ${at(ages, 0.5)} ms, most ${at(ages, 1)} ms`
  return (
    `${sums.plays} deaths of ${names.length} kinds, ${sums.events} events in the traces, ${sums.lost} counted as lost, ` +
    `${sums.cut} calls cut off, read by ours, ${readers.join(', ')}${age}`
  )
}

function at(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(0)
}
