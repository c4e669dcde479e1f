// Kills recordings under load, again and again, and reads the trace of each. All must be readable.
// Exit status: 0 when they were, 1 when a trace was bad (it stays), 2 for misuse.
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { killOne } from './kill.mjs'

const USAGE = `usage: npm run kills -- [--count N] [--folder DIR] [--mode discard|overwrite]
         [--buffers per-thread|global] [--seed N] [--babeltrace]
default: 100 kills in the folder for temporary files, all modes and buffers in turn`

/** The options of the command line. @throws Error for what is none. */
function chosen() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      count: { type: 'string', default: '100' },
      folder: { type: 'string', default: tmpdir() },
      mode: { type: 'string' },
      buffers: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1e6) },
      babeltrace: { type: 'boolean', default: false },
    },
  })
  const oneOf = (name, words) => {
    if (values[name] !== undefined && !words.includes(values[name]))
      throw new RangeError(`${name}=${values[name]}: there are ${words.join(', ')}`)
  }
  oneOf('mode', ['discard', 'overwrite'])
  oneOf('buffers', ['per-thread', 'global'])
  for (const name of ['count', 'seed']) {
    if (!/^\d{1,9}$/.test(values[name])) throw new RangeError(`${name}=${values[name]} is not a whole number`)
  }
  return values
}

let values
try {
  values = chosen()
} catch (error) {
  console.error(`kills: ${error.message}\n${USAGE}`)
  process.exit(2)
}
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
const shapes = []
for (const mode of values.mode === undefined ? ['discard', 'overwrite'] : [values.mode]) {
  for (const buffers of values.buffers === undefined ? ['per-thread', 'global'] : [values.buffers]) {
    shapes.push({ mode, buffers, flushIntervalMs: 10 })
  }
}
let state = Number(values.seed)
/** Numbers from 0 to 1, the same for the same seed. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
console.log(`seed=${values.seed}, folder=${values.folder}`)
const sums = new Map()
let bad = 0
for (let i = 0; i < Number(values.count); i += 1) {
  const options = shapes[i % shapes.length]
  const delayMs = random() * 80
  const { events, files, problem, path } = await killOne({
    parent: values.folder,
    options,
    delayMs,
    babeltrace: values.babeltrace,
  })
  const name = `${options.mode} ${options.buffers}`
  const sum = sums.get(name) ?? { kills: 0, bad: 0, events: 0, files: 0 }
  sums.set(name, sum)
  sum.kills += 1
  sum.events += events
  sum.files += files
  if (problem === undefined) continue
  bad += 1
  sum.bad += 1
  console.log(`kill ${i} (${name}, after ${delayMs.toFixed(1)} ms): ${problem}\n  the trace: ${path}`)
}
for (const [name, { kills, bad: unreadable, events, files }] of sums) {
  console.log(`${name}: ${kills} kills, ${unreadable} unreadable, ${events} events in ${files} files`)
}
process.exitCode = bad === 0 ? 0 : 1
