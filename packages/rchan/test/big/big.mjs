/** Whether reading and converting takes the same memory for a small trace and a big one. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** All ways to read a trace: see `read.mjs`. */
export const WAYS = [
  'items',
  'records',
  'summary',
  'perfetto',
  'chrome',
  'speedscope',
  'jsonl',
  'csv',
  'svg',
  'files',
]
/** Megabytes of objects that a process that reads may have; with more it dies. */
const HEAP_MB = 48
/** The most by which resident memory may differ: V8 fills its heap before it collects. */
const MOST_MORE_BYTES = 32 * 2 ** 20

function run(script, nodeArgs, args) {
  const path = fileURLToPath(new URL(script, import.meta.url))
  return JSON.parse(execFileSync(process.execPath, [...nodeArgs, path, ...args], { encoding: 'utf8' }))
}

/**
 * @param small, big megabytes of the traces, about.
 * @param tell gets a line for each way.
 * @returns what went wrong; empty if nothing did.
 */
export function compare(small, big, ways, tell) {
  const folder = mkdtempSync(join(tmpdir(), 'rchan-big-'))
  const wrong = []
  try {
    const made = [small, big].map((megabytes) => {
      const path = join(folder, String(megabytes))
      const { events, discarded } = run('make.mjs', [], [path, String(megabytes)])
      tell(`${megabytes} MB: ${events} events${discarded > 0 ? `, ${discarded} lost` : ''}`)
      return { path, events }
    })
    for (const way of ways) {
      const nodeArgs = [`--max-old-space-size=${HEAP_MB}`, '--max-semi-space-size=4']
      const [less, more] = made.map(({ path }) => run('read.mjs', nodeArgs, [path, way]))
      const mb = (bytes) => (bytes / 2 ** 20).toFixed(0)
      tell(`${way}: resident ${mb(less.rss)} MiB, ${mb(more.rss)} MiB`)
      if (more.rss > less.rss + MOST_MORE_BYTES) {
        wrong.push(`${way}: resident ${mb(less.rss)} MiB for ${small} MB, ${mb(more.rss)} MiB for ${big} MB`)
      }
      for (const [index, { count }] of [less, more].entries()) {
        const { events } = made[index]
        if (way === 'records' && count !== events) wrong.push(`${way}: ${count} of ${events} events`)
        if (count === 0) wrong.push(`${way}: nothing`)
      }
    }
    return wrong
  } finally {
    rmSync(folder, { recursive: true })
  }
}
