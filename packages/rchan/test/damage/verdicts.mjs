/**
 * Damages a trace at sampled places, and asks our reader and babeltrace2 (by python3-bt2) for their
 * verdicts.
 *
 * node verdicts.mjs FOLDER SCRATCH PYTHON COUNT SEED: COUNT places of each part of the trace.
 * Prints
 * JSON: for each part how often which of the two refused, and what only babeltrace2 refused.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { PACKET, PACKET_HEADER_BYTES } from '@rchan/ctf'
import { TraceError, openTrace } from '@rchan/ctf/reader'

const [folder, scratch, python, countText, seedText] = process.argv.slice(2)
const count = Number(countText)
let state = Number(seedText)
const random = (below) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

const whole = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]))
const streams = [...whole.keys()].filter((file) => file !== 'metadata')

/** The first byte after each packet's header, and the packet's end. */
function bodiesOf(bytes) {
  const bodies = []
  for (let start = 0; start < bytes.length;) {
    const end = start + Number(bytes.readBigUInt64LE(start + PACKET.packetBits)) / 8
    bodies.push({ start, end })
    start = end
  }
  return bodies
}

const flipped = (bytes, at) => {
  const copy = Buffer.from(bytes)
  copy[at] ^= 1 << random(8)
  return copy
}
const pick = (list) => list[random(list.length)]

/** Ways to damage each part. Each gives a file and its new bytes. */
const PARTS = {
  'packet header': () => {
    const file = pick(streams)
    const bytes = whole.get(file)
    const at = pick(bodiesOf(bytes)).start + random(PACKET_HEADER_BYTES)
    return [file, flipped(bytes, at), `${file} byte ${at}`]
  },
  records: () => {
    const file = pick(streams)
    const bytes = whole.get(file)
    const { start, end } = pick(bodiesOf(bytes).filter((body) => body.end - body.start > PACKET_HEADER_BYTES))
    const at = start + PACKET_HEADER_BYTES + random(end - start - PACKET_HEADER_BYTES)
    return [file, flipped(bytes, at), `${file} byte ${at}`]
  },
  'stream cut off': () => {
    const file = pick(streams)
    const bytes = whole.get(file)
    const length = random(bytes.length)
    return [file, bytes.subarray(0, length), `${file} at ${length}`]
  },
  metadata: () => {
    const bytes = whole.get('metadata')
    const at = random(bytes.length)
    return [
      'metadata',
      flipped(bytes, at),
      `byte ${at} (${JSON.stringify(String(bytes.subarray(at - 20, at + 20)))})`,
    ]
  },
  'metadata cut off': () => {
    const bytes = whole.get('metadata')
    const length = random(bytes.length)
    return ['metadata', bytes.subarray(0, length), `at ${length}`]
  },
}

function ours(path) {
  try {
    let records = 0
    for (const _record of openTrace(path).records()) records += 1
    return `ok ${records}`
  } catch (error) {
    if (error instanceof TraceError) return 'refused'
    throw error
  }
}

const cases = []
for (const [part, damage] of Object.entries(PARTS)) {
  for (let n = 0; n < count; n += 1) {
    const [file, bytes, what] = damage()
    const path = join(scratch, `${cases.length}`)
    mkdirSync(path, { recursive: true })
    cpSync(folder, path, { recursive: true })
    writeFileSync(join(path, file), bytes)
    cases.push({ part, what, path, ours: ours(path) })
  }
}
const { stdout, status } = spawnSync(python, [new URL('bt2-verdicts.py', import.meta.url).pathname], {
  input: cases.map(({ path }) => `${path}\n`).join(''),
  encoding: 'utf8',
  maxBuffer: 2 ** 26,
})
const theirs = stdout.trim().split('\n')
const table = {}
const onlyTheirs = []
for (const [index, { part, what, ours: verdict }] of cases.entries()) {
  const row = (table[part] ??= { both: 0, onlyOurs: 0, onlyTheirs: 0, neither: 0, none: 0 })
  const we = verdict === 'refused'
  const they = theirs[index] === 'refused'
  if (theirs[index] === 'none') {
    row.none += 1
    continue
  }
  row[we ? (they ? 'both' : 'onlyOurs') : they ? 'onlyTheirs' : 'neither'] += 1
  if (they && !we) onlyTheirs.push(`${part}: ${what}`)
}
for (const { path } of cases) rmSync(path, { recursive: true })
console.log(JSON.stringify({ table, onlyTheirs, answered: theirs.length === cases.length, status }))
