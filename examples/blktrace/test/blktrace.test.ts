/**
 * The kernel's own consumer of relay files reads ours: `blkparse` prints exactly the accepted
 * records.
 */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { plainMachine, Relay, RelayFile, spliceToDescriptor, type RelayChannel } from 'rchan/relay'
import { afterAll, expect, test } from 'vitest'
import { needReader, runReader } from '../../../test/readers.js'
import { capture, type CaptureOptions, type CpuReport } from '../dist/capture.js'
import { BlktraceFiles } from '../dist/files.js'
import { ACTION_NAMES } from '../dist/record.js'
import { finish, workload, type Ledger } from '../dist/workload.js'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6))
const CPUS = 3

const sandbox = mkdtempSync(join(tmpdir(), 'blktrace '))
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))
let names = 0
function freshName(): string {
  names += 1
  return join(sandbox, `io ${names}`)
}

/** A clock that never shows the same time twice, so that there is one order. */
function clock(): () => bigint {
  let timeNs = 5_000_000_000n
  return () => (timeNs += 1009n)
}

interface Decoded {
  readonly device: number
  readonly cpu: number
  readonly sequence: number
  readonly timeNs: bigint
  readonly what: number
  readonly category: number
  readonly pid: number
  readonly sector: bigint
  readonly bytes: number
  readonly pdu: Buffer
}

/** Takes records apart, by the layout that blkparse knows. */
function decode(bytes: Uint8Array): Decoded[] {
  const view = Buffer.from(bytes)
  const records: Decoded[] = []
  for (let at = 0; at < view.length;) {
    expect(view.readUInt32LE(at)).toBe(0x65617407)
    expect(view.readUInt16LE(at + 44)).toBe(0)
    const pduBytes = view.readUInt16LE(at + 46)
    records.push({
      device: view.readUInt32LE(at + 36),
      cpu: view.readUInt32LE(at + 40),
      sequence: view.readUInt32LE(at + 4),
      timeNs: view.readBigUInt64LE(at + 8),
      what: view.readUInt16LE(at + 28),
      category: view.readUInt16LE(at + 30),
      pid: view.readUInt32LE(at + 32),
      sector: view.readBigUInt64LE(at + 16),
      bytes: view.readUInt32LE(at + 24),
      pdu: view.subarray(at + 48, at + 48 + pduBytes),
    })
    at += 48 + pduBytes
  }
  return records
}

const LETTERS = '?QM?G??DCPU?I'
const FORMAT = String.raw`%c %s %T.%9t %p %a %d %S %N [%C]\n`

/** The expected output of blkparse for records, sorted by time. */
function expectedLines(records: readonly Uint8Array[]): string[] {
  const processes = new Map<number, string>()
  const lines: [bigint, (startNs: bigint) => string][] = []
  for (const record of records) {
    const isDeviceless = Buffer.from(record).readUInt32LE(36) === 0
    if (isDeviceless) {
      // A name or a time. It is used, not printed.
      const kind = Buffer.from(record).readUInt16LE(28)
      const text = Buffer.from(record.subarray(48)).toString()
      if (kind === 0) processes.set(Buffer.from(record).readUInt32LE(32), text.replace('\0', ''))
      continue
    }
    const [{ cpu, sequence, timeNs, what, category, pid, sector, bytes, pdu }] = decode(record)
    const time = (startNs: bigint): string => {
      const ns = timeNs - startNs
      return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`
    }
    if ((category & 1024) !== 0) {
      lines.push([timeNs, (startNs) => `8,0 ${cpu} 0 ${time(startNs)} 0 m N ${pdu.toString()}`])
      continue
    }
    const direction = (category & 2) !== 0 ? 'W' : (category & 1) !== 0 ? 'R' : 'N'
    const flags = direction + ((category & 8) !== 0 ? 'S' : '') + ((category & 4096) !== 0 ? 'M' : '')
    const process = processes.get(pid) ?? '(null)'
    lines.push([
      timeNs,
      (startNs) =>
        `${cpu} ${sequence} ${time(startNs)} ${pid} ${LETTERS[what]} ${flags} ${sector} ${bytes} [${process}]`,
    ])
  }
  lines.sort(([a], [b]) => (a < b ? -1 : 1))
  return lines.map(([, text]) => text(lines[0][0]))
}

/** The lines of records and messages that blkparse prints of files. */
function printedLines(name: string): string[] {
  const { status, stdout, stderr } = runReader('blkparse', ['-q', '-i', name, '-f', FORMAT])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .slice(0, stdout.indexOf('Input file '))
    .split('\n')
    .map((line) => line.trim().replaceAll(/ +/g, ' '))
    .filter((line) => line !== '')
}

interface Skips {
  readonly ranges: [number, number][]
  readonly count: number
  readonly records: number
  readonly entries: number
}

/** The gaps that `cat FILES | blkparse -i - -b 1000000 -v` reports. */
function reportedSkips(files: readonly string[]): Skips {
  const all = Buffer.concat(files.map((file) => readFileSync(file)))
  const { status, stdout, stderr } = runReader('blkparse', ['-i', '-', '-b', '1000000', '-v'], all)
  expect(status).toBe(0)
  const ranges = stderr
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line): [number, number] => {
      const [, first, last] = /^\(8,0\): skipping (\d+) -> (\d+)$/.exec(line) ?? [line]
      return [Number(first), Number(last)]
    })
  const [, count, records] = /^Skips: (\d+) forward \((\d+) -/m.exec(stdout) ?? []
  const [, entries] = /^Events \(8,0\): (\d+) entries$/m.exec(stdout) ?? []
  return { ranges, count: Number(count), records: Number(records), entries: Number(entries) }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
/** In one order, whichever CPU comes first. */
const sorted = (ranges: readonly (readonly [number, number])[]): (readonly [number, number])[] =>
  ranges.toSorted(([a, b], [c, d]) => a - c || b - d)
const lengthOf = ([first, last]: readonly [number, number]): number => last - first + 1

/** Compares blkparse's output for a CPU with its ledger. */
function compareWithLedger(name: string, lines: readonly string[], ledger: Ledger): void {
  const { cpu, actions, gaps, firstWritten, lastWritten, last } = ledger
  const mine = lines.map((line) => line.split(' ')).filter(([first]) => first === String(cpu))
  // Every record that was accepted, once, by number.
  const missing = new Set(
    gaps.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)),
  )
  expect(mine.map((fields) => Number(fields[1]))).toEqual(
    Array.from({ length: lastWritten - firstWritten + 1 }, (_, i) => firstWritten + i).filter(
      (sequence) => !missing.has(sequence),
    ),
  )
  for (const action of ACTION_NAMES) {
    expect([action, mine.filter((fields) => fields[4] === action).length]).toEqual([
      action,
      actions[action].written,
    ])
  }
  const written = sum(ACTION_NAMES.map((action) => actions[action].written))
  const refused = sum(ACTION_NAMES.map((action) => actions[action].refused))
  expect([written, written + refused]).toEqual([mine.length, last])
  // Each gap is one skip. Losses after the last record are invisible.
  expect(reportedSkips([`${name}.blktrace.${cpu}`]).ranges).toEqual(gaps)
  expect(refused).toBe(sum(gaps.map(lengthOf)) + (firstWritten - 1) + (last - lastWritten))
}

/** Compares blkparse's output for a capture with the ledgers of its CPUs. */
function compareWithLedgers(name: string, ledgers: readonly Ledger[]): void {
  const lines = printedLines(name)
  for (const ledger of ledgers) compareWithLedger(name, lines, ledger)
  const gaps = ledgers.flatMap((ledger) => ledger.gaps)
  const skips = reportedSkips(ledgers.map(({ cpu }) => `${name}.blktrace.${cpu}`))
  expect({ ...skips, ranges: sorted(skips.ranges) }).toEqual({
    ranges: sorted(gaps),
    count: gaps.length,
    records: sum(gaps.map(lengthOf)),
    entries: lines.length,
  })
}

/** Returns the ledgers of CPUs that ended by themselves. They must agree with the shared counts. */
function ledgersOf(reports: readonly CpuReport[]): Ledger[] {
  return reports.flatMap(({ cpu, written, refused, ledger }) => {
    if (ledger === undefined) return []
    const counts = [...Object.values(ledger.actions), ledger.notices]
    expect([ledger.cpu, written, refused]).toEqual([
      cpu,
      sum(counts.map((count) => count.written)),
      sum(counts.map((count) => count.refused)),
    ])
    return [ledger]
  })
}

const OPTIONS: CaptureOptions = {
  cpus: CPUS,
  pauses: 4,
  records: 300,
  seed: SEED,
  subbufSize: 4096,
  subbufCount: 4,
}

test(`blkparse prints what the threads wrote and reports what was refused in overfull moments (seed ${SEED})`, async (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const ledgers = ledgersOf(await capture(name, OPTIONS))
  expect(ledgers.map(({ gaps }) => gaps.length >= OPTIONS.pauses)).toEqual(Array(CPUS).fill(true))
  compareWithLedgers(name, ledgers)
})

test(`blkparse reports no skips when nothing was refused (seed ${SEED})`, async (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const ledgers = ledgersOf(
    await capture(name, { ...OPTIONS, pauses: 0, subbufSize: 2 ** 20, subbufCount: 16 }),
  )
  expect(ledgers.flatMap(({ gaps, last, lastWritten }) => [...gaps, last - lastWritten])).toEqual([0, 0, 0])
  compareWithLedgers(name, ledgers)
})

test(`everything that a terminated thread had written is printed (seed ${SEED})`, async (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const reports = await capture(name, { ...OPTIONS, killed: 1 })
  const ledgers = ledgersOf(reports)
  expect(ledgers.map(({ cpu }) => cpu)).toEqual([0, 2])
  const records = decode(readFileSync(`${name}.blktrace.1`))
  // Its last write may have ended without being counted.
  expect([0, 1]).toContain(records.length - reports[1].written)
  expect(records.length).toBeGreaterThan(OPTIONS.records)
  const lines = printedLines(name)
  for (const ledger of ledgers) compareWithLedger(name, lines, ledger)
  const events = records.filter(({ sequence }) => sequence > 0)
  const printed = lines.map((line) => line.split(' ')).filter(([cpu]) => cpu === '1')
  expect(printed.map((fields) => Number(fields[1]))).toEqual(events.map(({ sequence }) => sequence))
})

/**
 * Plays some CPUs, whose files are drained at odd moments. @returns the records that were accepted.
 */
function play(channel: RelayChannel, drain: () => void): Uint8Array[] {
  const accepted: Uint8Array[] = []
  const now = clock()
  const running = Array.from({ length: CPUS }, (_, cpu) =>
    workload(
      (record) => {
        const written = channel.write(cpu, record)
        if (written) accepted.push(record)
        return written
      },
      cpu,
      { batches: 60, seed: SEED, now, ...(cpu === 0 && { wallNs: 1_700_000_000_000_000_000n }) },
    ),
  )
  for (let batch = 0, left = CPUS; left > 0; batch += 1) {
    left = running.filter((steps) => steps.next().done !== true).length
    if (batch % 40 < 20) drain()
  }
  drain()
  return accepted
}

test(`each line is what was written: read, the files hold the open sub-buffers, too (seed ${SEED})`, (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const files = new BlktraceFiles(name)
  const channel = new Relay(plainMachine(CPUS)).open({
    ...files.names,
    callbacks: files.callbacks,
    subbufSize: 2048,
    subbufCount: 5,
  })
  const accepted = play(channel, () => files.drain())
  files.close()
  expect(files.bytes).toBe(sum(accepted.map(({ length }) => length)))
  const expected = expectedLines(accepted)
  expect(expected.some((line) => / m N cpu \d lost \d+ records$/.test(line))).toBe(true)
  expect(printedLines(name)).toEqual(expected)
})

test(`spliced to descriptors, the files are the same (seed ${SEED})`, (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const open: { file: RelayFile; fd: number }[] = []
  const channel = new Relay(plainMachine(CPUS)).open({
    baseFilename: `${name}.blktrace.`,
    subbufSize: 2048,
    subbufCount: 5,
    callbacks: {
      createBufFile: (path, _parent, _mode, buffer) =>
        path !== undefined && open.push({ file: new RelayFile(buffer), fd: openSync(path, 'w') }),
    },
  })
  const splice = (): void => {
    for (const { file, fd } of open) spliceToDescriptor(file, fd)
  }
  const accepted = play(channel, splice)
  channel.flush()
  splice()
  for (const { fd } of open) closeSync(fd)
  expect(printedLines(name)).toEqual(expectedLines(accepted))
})

test('raw sub-buffers, with their padding, are not what blkparse reads', (context) => {
  needReader(context, 'blkparse')
  const name = freshName()
  const channel = new Relay(plainMachine(1)).open({ subbufSize: 2048, subbufCount: 64 })
  const ledger = finish(
    workload((record) => channel.write(0, record), 0, { batches: 20, seed: 1, now: clock() }),
  )
  const buffer = channel.buffer(0)
  if (buffer === undefined) throw new Error('no buffer')
  const fd = openSync(`${name}.blktrace.0`, 'w')
  writeSync(fd, buffer.pages.subarray(0, buffer.produced * 2048))
  closeSync(fd)
  const { stdout, stderr } = runReader('blkparse', ['-i', name])
  expect(stderr).toContain('Bad magic 0')
  expect(Number(/^Events .*: (\d+) entries$/m.exec(stdout)?.[1])).toBeLessThan(ledger.last)
})

test('a record has its fields where blkparse looks for them', () => {
  const records: Uint8Array[] = []
  finish(
    workload((record) => records.push(record) > 0, 2, {
      batches: 3,
      seed: SEED,
      now: clock(),
      wallNs: 1_700_000_000_000_000_007n,
    }),
  )
  const clockPdu = Buffer.from(records[0].subarray(48))
  expect([clockPdu.readUInt32LE(0), clockPdu.readUInt32LE(4), clockPdu.length]).toEqual([1_700_000_000, 7, 8])
  const events = decode(Buffer.concat(records)).filter(({ device }) => device !== 0)
  expect(new Set(events.map(({ device }) => device))).toEqual(new Set([8 << 20]))
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1))
  expect(new Set(events.map(({ cpu }) => cpu))).toEqual(new Set([2]))
  // The pdu of an unplug alone is in network byte order.
  const unplug = events.filter(({ what }) => what === 10)
  expect(unplug.map(({ pdu }) => pdu.length)).toEqual(unplug.map(() => 8))
  expect(unplug.every(({ pdu }) => pdu.readBigUInt64BE() <= 8n && pdu.readBigUInt64BE() > 0n)).toBe(true)
})

test(`a ledger is what its write said (seed ${SEED})`, () => {
  const answers: [number, boolean][] = []
  let state = SEED
  const ledger = finish(
    workload(
      (record) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        const answer = state % 16 < 5 || (answers.at(-1)?.[1] === true && state % 16 < 14)
        const sequence = Buffer.from(record).readUInt32LE(4)
        if (sequence > 0) answers.push([sequence, answer])
        return answer
      },
      0,
      { batches: 100, seed: SEED, now: clock() },
    ),
  )
  const written = answers.filter(([, answer]) => answer).map(([sequence]) => sequence)
  expect([ledger.firstWritten, ledger.lastWritten, ledger.last]).toEqual([
    written[0],
    written.at(-1),
    answers.length,
  ])
  const gaps = written
    .map((sequence, index): [number, number] => [(written[index - 1] ?? 0) + 1, sequence - 1])
    .filter(([first, last], index) => index > 0 && first <= last)
  expect(ledger.gaps).toEqual(gaps)
  expect(sum(ACTION_NAMES.map((action) => ledger.actions[action].written))).toBe(written.length)
})

test('the command leaves the files of all CPUs, and none of an earlier run', (context) => {
  const run = (...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [MAIN, ...args], { cwd: sandbox, encoding: 'utf8' })
  const ours = (): string[] => readdirSync(join(sandbox, 'made')).sort()
  expect(run('made/x', '--cpus', '3', '--pauses', '0', '--records', '50')).toMatchObject({
    status: 0,
    stderr: '',
  })
  expect(ours()).toEqual(['x.blktrace.0', 'x.blktrace.1', 'x.blktrace.2'])
  writeFileSync(join(sandbox, 'made', 'x.blktrace.notes'), 'mine')
  const { status, stdout } = run('made/x', '--cpus', '2', '--pauses', '1', '--kill', '0')
  expect(status).toBe(0)
  expect(stdout).toMatch(/^cpu 0 {2}terminated: [1-9]\d* records written, \d+ lost$/m)
  expect(stdout).toMatch(/^cpu 1 .* lost in [1-9]\d* gaps$/m)
  expect(ours()).toEqual(['x.blktrace.0', 'x.blktrace.1', 'x.blktrace.notes'])
  for (const wrong of [['a', 'b'], ['--cpus', '0'], ['--records', 'many'], ['--kill', '4'], ['--fast']]) {
    expect(run(...wrong)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('Try --help') as string,
    })
  }
  needReader(context, 'blkparse')
  const printed = Number(
    /(\d+) entries/.exec(runReader('blkparse', ['-i', join(sandbox, 'made', 'x')]).stdout)?.[1],
  )
  expect(printed).toBeGreaterThan(0)
})
