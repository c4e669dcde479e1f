/**
 * What a process holds, and whether it stays the same while the process does the same again and
 * again. Needs `--expose-gc`.
 */
import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** The most that memory may grow from the second to the last tenth of the samples. */
const MOST_GROWTH_BYTES = 48 * 2 ** 20
/**
 * The most by which a number of things may differ: a worker that has just ended may still have
 * some, and a file is made when a place is first used.
 */
const MOST_MORE = 8
/** Fewer samples say nothing of memory. */
const LEAST_SAMPLES = 20

/** What this process holds now: bytes of memory, and numbers of things. */
export async function holds() {
  await setImmediate()
  globalThis.gc()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  const isLinux = process.platform === 'linux'
  return {
    rss,
    heapUsed,
    arrayBuffers,
    listeners,
    descriptors: isLinux ? readdirSync('/proc/self/fd').length : 0,
    threads: isLinux ? readdirSync('/proc/self/task').length : 0,
  }
}

/**
 * @param samples of `holds`, at equal distances, each at the same point of what is repeated.
 * @param fail is told each thing that grew.
 * @returns a text with the first and the last value of each.
 */
export function checkFlat(samples, fail) {
  const tenth = Math.max(1, Math.floor(samples.length / 10))
  // What is loaded and compiled at first is no growth.
  const early = samples.slice(Math.min(tenth, samples.length - 1), 2 * tenth + 1)
  const late = samples.slice(-tenth)
  const texts = []
  for (const name of ['descriptors', 'threads', 'listeners']) {
    const [before, after] = [least(early, name), least(late, name)]
    texts.push(`${name} ${before} → ${after}`)
    if (after > before + MOST_MORE) fail(`${name} grew from ${before} to ${after}`)
  }
  for (const name of ['rss', 'heapUsed', 'arrayBuffers']) {
    const [before, after] = [least(early, name), least(late, name)]
    texts.push(`${name} ${mebibytes(before)} → ${mebibytes(after)} MiB`)
    if (samples.length >= LEAST_SAMPLES && after - before > MOST_GROWTH_BYTES)
      fail(`${name} grew from ${mebibytes(before)} to ${mebibytes(after)} MiB`)
  }
  return texts.join(', ')
}

/** The least of some samples: what is about to be freed counts for nothing. */
function least(samples, name) {
  return Math.min(...samples.map((sample) => sample[name]))
}

function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1)
}
