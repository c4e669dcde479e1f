/**
 * The table of docs/relay.md: the effect of an operation on a buffer, for each state of its owner.
 * Each cell is a test.
 *
 * Every owner has written records 0 to 10 to a buffer with 8 records in a sub-buffer. Forbidden: an
 * operation that waits for the owner; words of the buffer that change under a living owner; a lost
 * or torn record.
 */
import { Relay, RelayFile, type RelayBuffer, type RelayChannel } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { afterEach, describe, expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { makeRecord, walkRecords } from '../../../test/records.mjs'
import { RelayThread, until } from './relay-thread.js'

const RECORDS = 11
const OWNERS = ['the caller', 'writing', 'parked', 'dead'] as const
type Owner = (typeof OWNERS)[number]

afterEach(() => RelayThread.terminateAll())

/** A buffer, and its owner if that is another thread. */
class Subject {
  readonly channel: RelayChannel
  readonly buffer: RelayBuffer
  readonly files: string[] = []
  readonly relay: Relay
  #thread: RelayThread | undefined

  constructor() {
    this.relay = new Relay(threadMachine(), { possibleCpus: 2, memoryBytes: 2 ** 20 })
    this.relay.comeOnline()
    this.channel = this.relay.open({
      subbufSize: 64,
      subbufCount: 64,
      mode: 'overwrite',
      callbacks: { createBufFile: (name) => (name === undefined ? undefined : this.files.push(name)) },
    })
    const buffer = this.channel.buffer(0)
    if (buffer === undefined) throw new Error('no buffer')
    this.buffer = buffer
  }

  get thread(): RelayThread {
    if (this.#thread === undefined) throw new Error('this thread is the owner')
    return this.#thread
  }

  async own(owner: Owner): Promise<void> {
    if (owner === 'the caller') {
      for (let number = 0; number < RECORDS; number += 1) this.buffer.write(makeRecord(8, number))
      return
    }
    const goesOn = owner === 'writing'
    const data = { memory: this.relay.memory, channelId: this.channel.id, cpu: 0, records: RECORDS, goesOn }
    this.#thread = new RelayThread('own', data)
    await this.#thread.ready()
    if (owner === 'dead') await this.#thread.terminate()
  }

  /** Until the owner has written after this call. */
  async ownerGoesOn(owner: Owner): Promise<void> {
    if (owner === 'parked') return await this.thread.writeOne()
    const before = this.thread.count
    await until('the owner goes on', () => this.thread.count > before + 1, [this.thread])
  }
}

/** Numbers of the records that a file delivers now. */
function read(file: RelayFile): number[] {
  const bytes = file.readBytes(2 ** 16)
  return walkRecords(bytes, 0, bytes.length)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

type Cell = readonly [sentence: string, run: (subject: Subject, owner: Owner) => void | Promise<void>]

const refused: Cell = [
  'throws, naming the CPU',
  ({ buffer }) => {
    const message = 'cpu=0 is written by another thread, which lives'
    expect(() => buffer.write(makeRecord(8, 99))).toThrow(message)
    expect(() => buffer.reserve(8)).toThrow(message)
  },
]
const switchedAtOnce: Cell = [
  'at once',
  ({ buffer, channel }) => {
    channel.flush()
    expect([buffer.produced, buffer.isAsked]).toEqual([2, false])
    buffer.switch(8)
    expect([buffer.produced, buffer.isAsked]).toEqual([3, false])
    expect(read(new RelayFile(buffer))).toEqual(upTo(RECORDS))
  },
]
const resetAtOnce: Cell = [
  'at once',
  ({ buffer }) => {
    expect(buffer.reset()).toBe(true)
    expect([buffer.produced, buffer.consumed, buffer.offset, buffer.isAsked]).toEqual([0, 0, 0, false])
    expect(read(new RelayFile(buffer))).toEqual([])
  },
]
const setUp: Cell = [
  'at once',
  ({ buffer, channel, files }) => {
    expect(channel.lateSetupFiles('late')).toBe('done')
    expect(files).toEqual(['late0'])
    expect(buffer.fileBytes).toBeGreaterThanOrEqual(64)
    expect(buffer.earlyBytes % 64).toBe(0)
  },
]
const prepared: Cell = [
  'at once',
  ({ channel, relay }) => {
    expect(relay.prepareCpu(1)).toBe(true)
    expect(channel.write(1, makeRecord(8, 0))).toBe(true)
  },
]
const consumed: Cell = [
  'at once',
  ({ buffer, channel }) => {
    channel.subbufsConsumed(0, 1)
    expect(buffer.consumed).toBe(1)
  },
]
const exact: Cell = [
  'exact',
  ({ buffer }) => {
    expect(read(new RelayFile(buffer))).toEqual(upTo(RECORDS))
  },
]
const aged: Cell = [
  'complete or aged',
  async ({ buffer, thread }) => {
    const file = new RelayFile(buffer)
    const numbers = read(file)
    expect(numbers.length).toBeGreaterThanOrEqual(8)
    await until('all that was written', () => (numbers.push(...read(file)), numbers.length >= RECORDS), [
      thread,
    ])
    expect(numbers).toEqual(upTo(numbers.length))
  },
]
const askedSwitch: Cell = [
  'at its next record',
  async (subject, owner) => {
    const { buffer, channel } = subject
    const before = buffer.produced
    channel.flush()
    if (owner === 'parked') expect([buffer.isAsked, buffer.produced]).toEqual([true, before])
    await subject.ownerGoesOn(owner)
    expect(buffer.isAsked).toBe(false)
    expect(buffer.produced).toBeGreaterThan(before)
    const used = 64 - buffer.padding(before)
    expect(used % 8 === 0 && used < 64).toBe(owner === 'parked' ? true : used < 64)
  },
]
const askedReset: Cell = [
  'at its next record',
  async (subject, owner) => {
    const { buffer } = subject
    const before = buffer.resets
    expect(buffer.reset()).toBe(false)
    if (owner === 'parked')
      expect([buffer.isAsked, buffer.produced, buffer.resets]).toEqual([true, 1, before])
    await subject.ownerGoesOn(owner)
    expect([buffer.isAsked, buffer.resets]).toEqual([false, before + 2])
    if (owner === 'parked') expect([buffer.produced, buffer.offset]).toEqual([0, 8])
  },
]
const closed: Cell = [
  'at once',
  async (subject, owner) => {
    const { buffer, channel, relay } = subject
    const file = new RelayFile(buffer)
    channel.close()
    expect([channel.isOpen, buffer.finalized, relay.channels]).toEqual([false, true, []])
    if (owner === 'the caller') expect(buffer.write(makeRecord(8, RECORDS))).toBe(false)
    else {
      await subject.ownerGoesOn(owner)
      expect(subject.thread.hasWritten).toBe(false)
    }
    expect(buffer.memory.discarded().bad).toBeGreaterThan(0)
    const numbers: number[] = []
    await until('what was written is read', () => (numbers.push(...read(file)), numbers.length >= RECORDS))
    expect(numbers).toEqual(upTo(numbers.length))
    file.release()
  },
]

const TABLE: Record<string, Record<Owner, Cell>> = {
  '`write`, `reserve`': {
    'the caller': [
      'goes in',
      ({ buffer }) => {
        expect(buffer.write(makeRecord(8, 11))).toBe(true)
        expect(buffer.reserve(8)).toBe(96)
        expect(buffer.offset).toBe(40)
      },
    ],
    writing: refused,
    parked: refused,
    dead: [
      'takes over behind it',
      ({ buffer }) => {
        expect(buffer.offset).toBe(24)
        expect(buffer.write(makeRecord(8, 11))).toBe(true)
        expect(buffer.offset).toBe(32)
        expect(read(new RelayFile(buffer))).toEqual(upTo(12))
      },
    ],
  },
  '`flush`, `switch`': {
    'the caller': switchedAtOnce,
    writing: askedSwitch,
    parked: askedSwitch,
    dead: switchedAtOnce,
  },
  '`reset`': { 'the caller': resetAtOnce, writing: askedReset, parked: askedReset, dead: resetAtOnce },
  '`close`': {
    'the caller': closed,
    writing: closed,
    parked: closed,
    dead: [
      'at once',
      ({ buffer, channel, relay }) => {
        const file = new RelayFile(buffer)
        channel.close()
        expect([channel.isOpen, buffer.finalized, relay.channels]).toEqual([false, true, []])
        expect(buffer.write(makeRecord(8, RECORDS))).toBe(false)
        expect(read(file)).toEqual(upTo(RECORDS))
      },
    ],
  },
  '`lateSetupFiles`': { 'the caller': setUp, writing: setUp, parked: setUp, dead: setUp },
  '`prepareCpu`': { 'the caller': prepared, writing: prepared, parked: prepared, dead: prepared },
  '`subbufsConsumed`': { 'the caller': consumed, writing: consumed, parked: consumed, dead: consumed },
  '`read` of a relay file': { 'the caller': exact, writing: aged, parked: aged, dead: exact },
}

describe.each(Object.entries(TABLE))('%s', (_, row) => {
  test.each(OWNERS.map((owner) => ({ owner, sentence: row[owner][0] })))(
    'when the owner is $owner: $sentence',
    async ({ owner }) => {
      const subject = new Subject()
      await subject.own(owner)
      await row[owner][1](subject, owner)
    },
  )
})

test('a reset waits for nobody: while a file is read it is only asked for', () => {
  const { buffer } = new Subject()
  for (let number = 0; number < RECORDS; number += 1) buffer.write(makeRecord(8, number))
  const answers: boolean[] = []
  new RelayFile(buffer).read(2 ** 16, () => answers.push(buffer.reset()) > 0)
  expect([answers, buffer.isAsked, buffer.produced]).toEqual([[false, false], true, 1])
  expect(buffer.write(makeRecord(8, RECORDS))).toBe(true)
  expect([buffer.isAsked, buffer.produced, buffer.offset]).toEqual([false, 0, 8])
})

test('the table of the documentation is this one', () => {
  const lines = readFileSync(new URL('../../../docs/relay.md', import.meta.url), 'utf8').split('\n')
  const cellsOf = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const header = lines.findIndex((line) => cellsOf(line)[1] === OWNERS[0])
  expect(cellsOf(lines[header]).slice(1)).toEqual([...OWNERS])
  const rows = Object.entries(TABLE).map(([name, row]) => [name, ...OWNERS.map((owner) => row[owner][0])])
  expect(lines.slice(header + 2, header + 2 + rows.length).map(cellsOf)).toEqual(rows)
})
