/**
 * Who may write a buffer, stepped: threads come to own it, take care of it, read it and die before
 * any access to shared memory, another one's operations fall between any two, and others go on
 * where they stopped.
 *
 * It is read by a `Reader`; and through a relay file, where nobody resets, switches without a
 * record, or overwrites what is not read: there a file has the kernel's quirks.
 *
 * Forbidden: a record that is torn, delivered twice, out of order, or that nobody wrote; an
 * accepted record that is neither delivered nor counted once nobody who lives writes; a sum that is
 * not that of the attempts; a thread that can't write though nobody who lives does, or can though
 * somebody does. Where threads take turns, no thread is refused.
 */
import { BUFFER, Reader, type Mode, type Span } from '@rchan/ring'
import { RelayFile } from '@rchan/relay'
import { HEAD, type ThreadBuffer } from '@rchan/relay/internal'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { makeRecord, MIN_RECORD_BYTES, walkRecords } from '../../../test/records.mjs'
import { bufferIn, FakeThreads, type FakeThread, headOf } from './fake-threads.js'
import { Death, interrupt } from '../../../test/stepping/interrupted.js'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const NEVER = -1
/** The number of the file thread among the threads. */
const READER = 0
const THREADS = 3

/**
 * What a thread does: writes a record of so many bytes, gives the buffer up, reads, lets 20 ms
 * pass, …
 */
type Op = number | 'switch' | 'reset' | 'offline' | 'read' | 'wait'

/** One thread's turn. What others do, they do before its access `at`, all at once. */
interface Turn {
  readonly thread: number
  readonly ops: readonly Op[]
  readonly actions: readonly { readonly at: number; readonly thread: number; readonly op: Op }[]
  readonly deathAt: number
}

interface Shape {
  readonly mode: Mode
  readonly subbufSize: number
  readonly subbufCount: number
  /** Whether it is read through a relay file. */
  readonly isFile: boolean
  /** Whether threads take turns in writing. */
  readonly locksWrites: boolean
}

/** Reads through the file thread's relay file. */
class FileSource {
  readonly delivered: number[] = []
  readonly #file: RelayFile
  #rest = new Uint8Array()

  constructor(buffer: ThreadBuffer) {
    this.#file = new RelayFile(buffer)
  }

  take(): void {
    const bytes = this.#file.readBytes(1 << 20)
    const all = new Uint8Array(this.#rest.length + bytes.length)
    all.set(this.#rest)
    all.set(bytes, this.#rest.length)
    let end = 0
    while (all.length - end >= MIN_RECORD_BYTES) {
      const length = all[end] | (all[end + 1] << 8)
      if (length < MIN_RECORD_BYTES) throw new Error(`torn: length=${length} behind ${this.delivered.at(-1)}`)
      if (length > all.length - end) break
      end += length
    }
    this.delivered.push(...walkRecords(all, 0, end))
    this.#rest = all.slice(end)
  }

  /** The file itself looks at the clock. */
  takeAged(): void {
    this.take()
  }

  settle() {
    expect(this.#rest.length).toBe(0)
    return { lost: 0, remaining: 0 }
  }
}

/** Reads by a `Reader`, on the file thread. */
class ReaderSource {
  readonly delivered: number[] = []
  readonly #buffer: ThreadBuffer
  readonly #reader: Reader

  constructor(buffer: ThreadBuffer) {
    this.#buffer = buffer
    this.#reader = new Reader(buffer.memory)
  }

  take(): void {
    while (this.#take(this.#reader.next()));
    if (this.#buffer.isSettled) this.#take(this.#reader.newest())
  }

  takeAged(): void {
    while (this.#take(this.#reader.next()));
    this.#take(this.#reader.aged())
    this.#reader.sample()
  }

  settle() {
    this.#reader.settle()
    return { lost: this.#reader.overwritten, remaining: this.#reader.remaining() }
  }

  #take(span: Span | undefined): boolean {
    if (span === undefined) return false
    const numbers = walkRecords(span.bytes.slice(), span.from, span.end)
    if (this.#reader.delivered(span, numbers.length)) this.delivered.push(...numbers)
    return true
  }
}

/** A buffer, the threads that have to do with it, and what was written and read. */
class History {
  readonly #fake = new FakeThreads()
  readonly #mode: Mode
  readonly #locksWrites: boolean
  readonly #id: number
  readonly #threads: { readonly buffer: ThreadBuffer; readonly fake: FakeThread | undefined }[] = []
  readonly #source: FileSource | ReaderSource
  readonly #words: Uint32Array
  readonly #head: Int32Array
  #numbers = 0
  /** Those of threads that could write. */
  #attempts = 0
  #resets = 0
  #refused = 0
  readonly #accepted: number[] = []
  /**
   * Attempts that were cut off: their record may be there, or count as refused, or have left no
   * trace.
   */
  readonly #cut: number[] = []
  /** What stood in `owner` before each access. */
  readonly #owners: number[] = []

  constructor({ mode, subbufSize, subbufCount, isFile, locksWrites }: Shape) {
    this.#mode = mode
    this.#locksWrites = locksWrites
    const { fileThread } = this.#fake
    this.#id = fileThread.open({ subbufSize, subbufCount, mode, locksWrites }).id
    fileThread.prepareCpu(0)
    const buffer = bufferIn(fileThread, this.#id, 0)
    this.#source = isFile ? new FileSource(buffer) : new ReaderSource(buffer)
    this.#words = buffer.memory.words
    this.#head = headOf(fileThread, buffer)
    this.#threads.push({ buffer, fake: undefined })
    while (this.#threads.length < THREADS) this.#threads.push(this.#join())
  }

  #join() {
    const fake = this.#fake.attach()
    return { buffer: bufferIn(fake.relay, this.#id, 0), fake }
  }

  /** @returns how many accesses there were. */
  play({ thread, ops, actions, deathAt }: Turn): number {
    const before = (step: number): void => {
      for (const { at, thread: other, op } of actions)
        if (at === step && other !== thread) this.#act(other, op)
      if (step !== deathAt) this.#owners.push(this.#head[HEAD.owner >> 2])
    }
    const { steps, died } = interrupt({ before, deathAt }, () => {
      for (const op of ops) this.#do(thread, op)
    })
    if (died) this.#bury(thread)
    return steps
  }

  /** Another one has its place among the threads, and perhaps its entry among the members. */
  #bury(thread: number): void {
    this.#threads[thread].fake?.die()
    // The file thread does not die.
    if (thread !== READER) this.#threads[thread] = this.#join()
  }

  /** What is done in the middle of another's operation, unless it would wait for that one. */
  #act(thread: number, op: Op): void {
    const isLocked = this.#livesAnother(thread, this.#head[HEAD.fileLock >> 2] & 0x3fff_ffff)
    if (isLocked && (op === 'read' || this.#words[BUFFER.resets >> 2] % 2 === 1)) return
    const owner = this.#head[HEAD.owner >> 2]
    if (typeof op === 'number' && owner < 0 && this.#livesAnother(thread, -owner)) return
    const needsTurn = typeof op === 'number' || op === 'switch' || op === 'reset'
    if (needsTurn && this.#livesAnother(thread, this.#head[HEAD.writeLock >> 2] & 0x3fff_ffff)) return
    this.#do(thread, op)
  }

  #do(thread: number, op: Op): void {
    const { buffer, fake } = this.#threads[thread]
    // Behind these a relay file is as inexact as the kernel's.
    if (this.#source instanceof FileSource && (op === 'reset' || op === 'switch')) return
    if (typeof op === 'number') this.#write(thread, buffer, op)
    else if (op === 'wait') {
      this.#fake.clockMs += 20
      if (thread === READER) this.#source.takeAged()
    } else if (op === 'offline') (fake?.relay ?? this.#fake.fileThread).goOffline()
    else if (op === 'switch') buffer.switch(0)
    else if (op === 'reset') {
      // Done or asked for: it may happen at any time.
      this.#resets += 1
      buffer.reset()
    } else if (thread === READER) this.#source.take()
  }

  #write(thread: number, buffer: ThreadBuffer, length: number): void {
    const number = this.#numbers
    this.#numbers += 1
    this.#attempts += 1
    this.#cut.push(number)
    const uncut = (): void => void this.#cut.splice(this.#cut.indexOf(number), 1)
    const since = this.#owners.push(this.#head[HEAD.owner >> 2]) - 1
    let isWritten: boolean
    try {
      isWritten = buffer.write(makeRecord(length, number))
    } catch (error) {
      if (error instanceof Death || this.#locksWrites) throw error
      expect(String(error)).toContain('is written by another thread, which lives')
      expect(this.#owners.slice(since).some((member) => this.#livesAnother(thread, member))).toBe(true)
      this.#attempts -= 1
      return uncut()
    }
    if (!this.#locksWrites) expect(this.#livesAnother(thread, this.#head[HEAD.owner >> 2])).toBe(false)
    uncut()
    if (isWritten) this.#accepted.push(number)
    else this.#refused += 1
  }

  /**
   * Whether a member is another thread than this one, and lives. Members are numbered as they join,
   * as the fakes are.
   */
  #livesAnother(thread: number, member: number): boolean {
    const mine = this.#threads[thread].fake?.identity ?? 1
    return member > 0 && member !== mine && !this.#fake.dead.has(member)
  }

  /** Nobody who lives writes any more. */
  finish(): void {
    const { buffer } = this.#threads[READER]
    for (let thread = 1; thread < THREADS; thread += 1) this.#bury(thread)
    this.#fake.fileThread.goOffline()
    expect(buffer.isSettled).toBe(true)
    // Who died in a reset leaves it to the next owner, and nothing is read before.
    if (buffer.resets % 2 === 1) buffer.switch(0)
    const source = this.#source
    for (let turn = 0; turn < 3; turn += 1) source.take()
    const { delivered } = source
    const { lost, remaining } = source.settle()
    const { full, tooBig, bad } = buffer.memory.discarded()
    const counted = full + tooBig + bad
    const what = JSON.stringify({
      attempts: this.#attempts,
      accepted: this.#accepted,
      cut: this.#cut,
      delivered,
      lost,
      remaining,
      counted,
      refused: this.#refused,
      resets: this.#resets,
    })
    const cut = new Set(this.#cut)
    const read = new Set(delivered)
    expect(read.size, what).toBe(delivered.length)
    const isExact = this.#mode === 'discard' && this.#resets === 0
    expect(
      delivered.filter((number) => !cut.has(number)),
      what,
    ).toEqual(this.#accepted.filter((number) => isExact || read.has(number)))
    expect(counted, what).toBeGreaterThanOrEqual(this.#refused)
    expect(counted, what).toBeLessThanOrEqual(this.#refused + cut.size)
    // A record that was cut may be counted in its sub-buffer, and no more: it is neither delivered
    // nor lost.
    expect(remaining, what).toBeLessThanOrEqual(cut.size)
    const accounted = delivered.length + lost + remaining + counted
    expect(accounted, what).toBeLessThanOrEqual(this.#attempts)
    expect(accounted, what).toBeGreaterThanOrEqual(this.#attempts - cut.size)
  }
}

/** @returns how many accesses each turn had. */
function play(shape: Shape, turns: readonly Turn[]): number[] {
  const history = new History(shape)
  const steps = turns.map((turn) => history.play(turn))
  history.finish()
  return steps
}

const quiet = (thread: number, ops: readonly Op[]): Turn => ({ thread, ops, actions: [], deathAt: NEVER })

const SHAPES: Shape[] = [
  { mode: 'discard', subbufSize: 32, subbufCount: 2, isFile: true, locksWrites: false },
  { mode: 'discard', subbufSize: 32, subbufCount: 3, isFile: false, locksWrites: false },
  { mode: 'overwrite', subbufSize: 32, subbufCount: 3, isFile: false, locksWrites: false },
  { mode: 'discard', subbufSize: 32, subbufCount: 3, isFile: false, locksWrites: true },
  { mode: 'overwrite', subbufSize: 32, subbufCount: 3, isFile: false, locksWrites: true },
]
const WRITES: Op[] = [6, 12, 'switch', 14, 24, 33, 9, 'offline', 9]
const RESETS: Op[] = [6, 12, 'reset', 14, 24, 'switch', 'reset', 9]
const DEEDS: [string, Op[]][] = [
  ['owns the buffer', WRITES],
  ['resets it', RESETS],
  ['takes care of it', ['switch', 'reset', 'switch']],
]

describe.each(
  SHAPES.map(
    (shape) =>
      [
        `${shape.mode} mode, ${shape.isFile ? 'a relay file' : 'a reader'}${shape.locksWrites ? ', turns' : ''}`,
        shape,
      ] as const,
  ),
)('%s:', (_, shape) => {
  test.each(DEEDS.filter(([, deeds]) => !shape.isFile || deeds === WRITES))(
    'a thread that %s may die before any access, and so may the next',
    (_what, ops) => {
      const before = quiet(2, [7, 8, 9, 'offline'])
      const next: Turn = {
        ...quiet(2, [10, 25, 'switch', 11]),
        actions: [{ at: 12, thread: READER, op: 'read' }],
      }
      const [, first, second] = play(shape, [before, quiet(1, ops), next])
      expect(first).toBeGreaterThan(10)
      for (let deathAt = 0; deathAt < first; deathAt += 1) {
        play(shape, [before, { ...quiet(1, ops), deathAt }, quiet(READER, ['read']), next])
        for (const again of [2, 9, 20])
          play(shape, [before, { ...quiet(1, ops), deathAt }, { ...next, deathAt: again }, quiet(1, WRITES)])
      }
      for (let deathAt = 0; deathAt < second; deathAt += 1) {
        play(shape, [before, quiet(1, [6, 7]), { ...next, deathAt }, quiet(1, [12, 13])])
      }
    },
  )

  test('others may write, read, and ask for something before any access of one that writes', () => {
    const [steps] = play(shape, [quiet(1, WRITES)])
    const others: Op[] = ['read', 'switch', 'reset', 10, 'offline']
    for (let at = 0; at < steps; at += 1) {
      for (const op of others) {
        for (const thread of [READER, 2]) {
          const actions: Turn['actions'] = [
            { at, thread, op },
            { at: at + 3, thread: READER, op: 'read' },
            { at: at + 4, thread, op: 'offline' },
          ]
          play(shape, [{ ...quiet(1, WRITES), actions }, quiet(2, [8])])
        }
      }
    }
  })

  test('others may write and die before any access of one that reads', () => {
    const before = quiet(1, [6, 12, 14, 24])
    const reads: Op[] = ['wait', 'read', 'wait', 'wait', 'read']
    const [, steps] = play(shape, [before, quiet(READER, reads)])
    for (let at = 0; at < steps; at += 1) {
      for (const op of ['offline', 9, 'switch', 'reset'] as Op[]) {
        const actions: Turn['actions'] = [
          { at, thread: 1, op },
          { at: at + 1, thread: 2, op: 25 },
          { at: at + 2, thread: 2, op: 'offline' },
          { at: at + 7, thread: 1, op: 26 },
        ]
        play(shape, [before, { ...quiet(READER, reads), actions }])
      }
    }
  })
})

const op = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: MIN_RECORD_BYTES, max: 34 }) },
  { weight: 4, arbitrary: fc.constantFrom<Op>('switch', 'offline', 'read') },
  fc.constantFrom<Op>('reset', 'wait'),
)
const withoutReset = op.filter((one) => one !== 'reset')
const at = fc.integer({ min: 0, max: 150 })
const thread = fc.integer({ min: 0, max: THREADS - 1 })
const turns = (one: typeof op): fc.Arbitrary<Turn[]> =>
  fc.array(
    fc
      .record({
        thread,
        ops: fc.array(one, { maxLength: 15 }),
        actions: fc.array(fc.record({ at, thread, op: one }), { maxLength: 10 }),
        deathAt: fc.oneof(fc.constant(NEVER), fc.integer({ min: 0, max: 20 }), at),
      })
      .map((turn) => (turn.thread === READER ? { ...turn, deathAt: NEVER } : turn)),
    { minLength: 1, maxLength: 6 },
  )
const shape = fc
  .record({
    mode: fc.constantFrom<Mode>('discard', 'overwrite'),
    subbufCount: fc.integer({ min: 2, max: 4 }),
    subbufSize: fc.constantFrom(16, 24, 32, 64),
    isFile: fc.boolean(),
    locksWrites: fc.boolean(),
  })
  .filter(({ mode, isFile }) => mode === 'discard' || !isFile)

test(`any history of threads that own, read and die adds up (seed ${SEED})`, () => {
  fc.assert(
    fc.property(shape, fc.oneof(turns(op), turns(withoutReset)), (chosen, all) => void play(chosen, all)),
    { seed: SEED, numRuns: 500 },
  )
})
