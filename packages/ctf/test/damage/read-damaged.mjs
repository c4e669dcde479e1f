/**
 * Damages a small trace in many ways, and reads each result. Run as a process of its own, with a
 * heap limit and a time limit, so that a hang or an endless allocation ends it.
 *
 * node read-damaged.mjs FOLDER SCRATCH PATTERNS each|all [STRIDE], where FOLDER has a whole trace
 * and PATTERNS are numbers that a byte is xored with, joined by commas. `each`: each byte takes the
 * next of them; `all`: each byte takes each. With a STRIDE only every so many-th byte and length is
 * tried. Prints one line of JSON: the faults, and how often the reader refused and accepted.
 *
 * A fault is an exception that is no TraceError, or a record that the damage can't explain. What a
 * record says is compared outside of the damaged packet: nothing
 * in the format could tell that the bytes of a value are wrong.
 */
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { PACKET, PACKET_HEADER_BYTES } from '@rchan/ctf'
import { TraceError, openTrace } from '@rchan/ctf/reader'

const [folder, scratch, patternList, mode, strideText = '1'] = process.argv.slice(2)
const stride = Number(strideText)
const patterns = patternList.split(',').map(Number)
const files = readdirSync(folder)
const streams = files.filter((file) => file !== 'metadata')
const whole = new Map(files.map((file) => [file, readFileSync(join(folder, file))]))
const damaged = join(scratch, 'damaged')
const faults = []
const counts = {}

const text = (value) => JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part))

/** Reads a folder in each way. What a record says, and the error, if there was one. */
function read(path) {
  const records = []
  let error
  try {
    const trace = openTrace(path)
    for (const { time, event, fields } of trace.records()) records.push(text([time, event.name, fields]))
    trace.losses()
    let count = 0
    for (const _item of trace.items()) count += 1
    if (count < records.length) throw new Error(`${count} items of ${records.length} records`)
  } catch (thrown) {
    error = thrown
  }
  return { records, error }
}

function restore() {
  rmSync(damaged, { recursive: true, force: true })
  mkdirSync(damaged, { recursive: true })
  for (const file of files) copyFileSync(join(folder, file), join(damaged, file))
}

/** Reads what was damaged: `expected` gets the records, and says what is wrong with them. */
function check(kind, what, expected) {
  const { records, error } = read(damaged)
  const count = (counts[kind] ??= { refused: 0, accepted: 0 })
  if (error === undefined) count.accepted += 1
  else count.refused += 1
  if (error !== undefined && !(error instanceof TraceError)) {
    faults.push(`${kind} ${what}: ${error?.stack ?? error}`)
    return
  }
  const wrong = expected(records, error)
  if (wrong !== undefined) faults.push(`${kind} ${what}: ${wrong}`)
}

const nothing = () => undefined
const mustRefuse = (_records, error) => (error === undefined ? 'was accepted' : undefined)

/** The packets of a stream: where they begin and end. */
function packetsOf(bytes) {
  const packets = []
  for (let start = 0; start < bytes.length;) {
    const end = start + Number(bytes.readBigUInt64LE(start + PACKET.packetBits)) / 8
    packets.push({ start, end })
    start = end
  }
  return packets
}

/** The records of a folder with only some of a stream's bytes, and with nothing of the others. */
function alone(file, bytes) {
  const path = join(scratch, 'alone')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path)
  copyFileSync(join(folder, 'metadata'), join(path, 'metadata'))
  writeFileSync(join(path, file), bytes)
  const { records, error } = read(path)
  if (error !== undefined) throw error
  return records
}

/** The first of some records that is not among others. */
const oneBeyond = (records, of) => {
  const left = new Map()
  for (const record of of) left.set(record, (left.get(record) ?? 0) + 1)
  return records.find((record) => {
    const count = left.get(record) ?? 0
    left.set(record, count - 1)
    return count === 0
  })
}

/** In a packet's header: each change is refused. */
const SURE = [
  ['magic', 4],
  ['uuid', 16],
  ['streamId', 4],
  ['streamInstanceId', 8],
  ['packetBits', 8],
]

const pristine = read(folder)
if (pristine.error !== undefined) throw pristine.error

// Each byte of each stream, changed.
for (const file of streams) {
  const bytes = whole.get(file)
  restore()
  let turn = 0
  for (const { start, end } of packetsOf(bytes)) {
    // Whatever the damaged packet says, the others say what they said.
    const inPacket = alone(file, bytes.subarray(start, end))
    const rest = [...pristine.records]
    for (const record of inPacket) rest.splice(rest.indexOf(record), 1)
    for (let at = start; at < end; at += stride) {
      const used = mode === 'all' ? patterns : [patterns[turn++ % patterns.length]]
      for (const pattern of used) {
        const copy = Buffer.from(bytes)
        copy[at] ^= pattern
        writeFileSync(join(damaged, file), copy)
        const inHeader = at - start < PACKET_HEADER_BYTES
        const sure = SURE.some(([name, size]) => {
          const offset = at - start - PACKET[name]
          return offset >= 0 && offset < size
        })
        const what = `${file} byte ${at} (${at - start} of its packet) ^ ${pattern}`
        check(inHeader ? 'header' : 'records', what, (records, error) => {
          if (error !== undefined) {
            // What came before the error: of the damaged packet at most as many as it has room for.
            const strange = records.filter((record) => !pristine.records.includes(record))
            const most = (end - start - PACKET_HEADER_BYTES) / 12
            return strange.length > most ? `${strange.length} records that nobody wrote` : undefined
          }
          if (sure) return 'was accepted'
          const missing = oneBeyond(rest, records)
          return missing === undefined ? undefined : `a record of another packet is gone: ${missing}`
        })
      }
    }
  }
}

// Each stream, cut at each length.
for (const file of streams) {
  const bytes = whole.get(file)
  const ends = new Set([0, ...packetsOf(bytes).map(({ end }) => end)])
  restore()
  for (let length = 0; length < bytes.length; length += stride) {
    writeFileSync(join(damaged, file), bytes.subarray(0, length))
    check('cut', `${file} at ${length}`, (records, error) => {
      const strange = oneBeyond(records, pristine.records)
      if (strange !== undefined) return `a record that nobody wrote: ${strange}`
      if (ends.has(length) !== (error === undefined))
        return error === undefined ? 'was accepted' : String(error)
      return undefined
    })
  }
}

// Whole files.
for (const file of streams) {
  restore()
  rmSync(join(damaged, file))
  const rest = alone(file, whole.get(file))
  check('missing', file, (records, error) => {
    if (error !== undefined) return String(error)
    return records.length === pristine.records.length - rest.length ? undefined : `${records.length} records`
  })
  restore()
  copyFileSync(join(damaged, file), join(damaged, `${file}_9`))
  check('doubled', file, mustRefuse)
  for (const other of streams) {
    if (other === file) continue
    restore()
    writeFileSync(join(damaged, file), whole.get(other))
    writeFileSync(join(damaged, other), whole.get(file))
    check('swapped', `${file} and ${other}`, (records, error) =>
      error === undefined && text(records) !== text(pristine.records) ? 'other records' : undefined,
    )
  }
}

// The metadata: each byte changed, each length, and another trace's.
{
  const metadata = whole.get('metadata')
  restore()
  const other = Buffer.from(metadata)
  // That of the trace; the clock's is in front of it, or behind.
  const digit = other.indexOf('uuid = "', other.indexOf('trace {')) + 8
  other[digit] = other[digit] === 0x31 ? 0x32 : 0x31
  writeFileSync(join(damaged, 'metadata'), other)
  check('metadata of another', '', mustRefuse)
  for (let at = 0; at < metadata.length; at += stride) {
    const used = mode === 'all' ? patterns : [patterns[at % patterns.length]]
    for (const pattern of used) {
      const copy = Buffer.from(metadata)
      copy[at] ^= pattern
      writeFileSync(join(damaged, 'metadata'), copy)
      check('metadata', `byte ${at} ^ ${pattern}`, nothing)
    }
  }
  for (let length = 0; length < metadata.length; length += stride) {
    writeFileSync(join(damaged, 'metadata'), metadata.subarray(0, length))
    check('metadata cut', `at ${length}`, nothing)
  }
}

console.log(JSON.stringify({ faults, counts }))
