/** What writers, reader and recovery of a global buffer do at the edges, and the smallest histories of what once was wrong. */
import {
  FULL,
  GLOBAL,
  GLOBAL_SLOT,
  GlobalBuffer,
  GlobalReader,
  GlobalWriter,
  ORPHAN,
  PHASE,
  TOO_BIG,
  type GlobalGeometry,
  type GlobalSpan,
} from '@rchan/relay'
import { afterAll, describe, expect, test } from 'vitest'
import { SteppedThread, watchGlobalAtomics } from './global-stepping.js'

const unwatch = watchGlobalAtomics()
afterAll(unwatch)

const GEOMETRY: GlobalGeometry = {
  subbufSize: 64,
  subbufCount: 3,
  mode: 'discard',
  headerBytes: 0,
  unitBytes: 8,
  maxWriters: 4,
}

const make = (change: Partial<GlobalGeometry> = {}): GlobalBuffer =>
  GlobalBuffer.create({ ...GEOMETRY, ...change })
const bytes = (length: number, value = 0xab): Uint8Array => new Uint8Array(length).fill(value)
const started = (buffer: GlobalBuffer): number =>
  buffer.words[(GLOBAL.state >> 2) + 1] * buffer.tags +
  (buffer.words[GLOBAL.state >> 2] >>> (buffer.unitBits + 1))

function drain(reader: GlobalReader): GlobalSpan[] {
  const spans: GlobalSpan[] = []
  for (let span = reader.next(); span !== undefined; span = reader.next()) {
    spans.push(span)
    reader.delivered(span, span.records)
  }
  return spans
}

/** A writer that writes one record after the other, and what it did. */
function stepped(buffer: GlobalBuffer, identity: number, lengths: readonly number[], clock?: () => number) {
  const times: number[] = []
  const thread = new SteppedThread<{ places: number[]; times: number[] }>(
    buffer,
    () => ({ places: [], times: [] }),
    (self, memory) => {
      let time = 0
      const callbacks = { clock: () => void (time = self.access(true, clock ?? (() => 0))) }
      const writer = new GlobalWriter(memory, identity, callbacks)
      for (const length of lengths) {
        const at = writer.reserve(length)
        self.report.places.push(at)
        if (at < 0) continue
        self.report.times.push(time)
        writer.view.u8.set(bytes(length, identity), at)
        writer.commit(at, length)
      }
    },
  )
  return { thread, times }
}

/** Steps a thread until something is so. */
function stepUntil(thread: { advance(steps: number): boolean }, ready: () => boolean): void {
  while (!ready()) if (!thread.advance(1)) throw new Error('it never came to that')
}

describe('records', () => {
  test('start on multiples of the unit, in the order of their reservations', () => {
    const buffer = make()
    const writer = new GlobalWriter(buffer, 1)
    expect(
      [1, 8, 9, 0, 24].map((length) => {
        const at = writer.reserve(length)
        writer.commit(at, length)
        return at
      }),
    ).toEqual([0, 8, 16, 0, 32])
    expect(new GlobalReader(buffer).newest()?.end).toBe(56)
  })

  test('of no bytes take no room, and count as written and delivered', () => {
    const buffer = make({ unitBytes: 1 })
    const writer = new GlobalWriter(buffer, 1)
    expect(writer.write(new Uint8Array(0))).toBe(true)
    expect([buffer.empty(), buffer.written(), started(buffer)]).toEqual([1, 1, 0])
    writer.write(bytes(5))
    writer.write(new Uint8Array(0))
    writer.flush()
    const [span] = drain(new GlobalReader(buffer))
    expect([span.end, span.records, buffer.empty(), buffer.written()]).toEqual([5, 1, 2, 3])
  })

  test('longer than a sub-buffer without its header are counted, and switch nothing', () => {
    const buffer = make({ headerBytes: 8 })
    const writer = new GlobalWriter(buffer, 1)
    expect(writer.reserve(57)).toBe(TOO_BIG)
    expect(writer.reserve(1000)).toBe(TOO_BIG)
    expect(started(buffer)).toBe(0)
    expect(writer.write(bytes(56))).toBe(true)
    expect(writer.reserve(57)).toBe(TOO_BIG)
    expect(buffer.discarded()).toEqual({ full: 0, tooBig: 3, bad: 0 })
    expect(new GlobalReader(buffer).next()).toBe(undefined)
  })

  test('that fill a sub-buffer to its last byte leave no room', () => {
    const buffer = make({ unitBytes: 1 })
    const writer = new GlobalWriter(buffer, 1)
    expect([writer.write(bytes(64)), writer.write(bytes(1))]).toEqual([true, true])
    expect(drain(new GlobalReader(buffer)).map(({ end }) => end)).toEqual([64])
  })

  test('are refused and counted when no sub-buffer is free, and go on when one is given back', () => {
    const buffer = make()
    const writers = [1, 2].map((identity) => new GlobalWriter(buffer, identity))
    const reader = new GlobalReader(buffer)
    for (let i = 0; i < 3; i += 1) expect(writers[i % 2].write(bytes(64))).toBe(true)
    expect(writers[0].reserve(8)).toBe(FULL)
    expect(writers[1].reserve(8)).toBe(FULL)
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    expect(writers[0].reserve(8)).toBe(FULL)
    reader.delivered(span, span.records)
    expect(writers[1].write(bytes(8))).toBe(true)
    expect(buffer.discarded()).toEqual({ full: 3, tooBig: 0, bad: 0 })
  })

  test('with bad arguments are counted', () => {
    const buffer = make()
    new GlobalWriter(buffer, 1).discardBad()
    expect(buffer.discarded().bad).toBe(1)
  })
})

describe('flush and finalize', () => {
  test('a flush ends a sub-buffer only if there is a record in it', () => {
    const buffer = make({ headerBytes: 16 })
    const rings: string[] = []
    const writer = new GlobalWriter(buffer, 1, { produced: () => void rings.push('ring') })
    const reader = new GlobalReader(buffer)
    writer.flush()
    writer.write(bytes(8))
    expect([rings.length, drain(reader).length]).toEqual([0, 0])
    writer.flush()
    writer.flush()
    expect([rings.length, drain(reader).length]).toEqual([1, 1])
    writer.write(bytes(8))
    reader.flush()
    expect(drain(reader).length).toBe(1)
  })

  test('after finalize nothing is reserved, by a thread that had begun to before neither', () => {
    let ended = false
    for (let steps = 0; !ended; steps += 1) {
      const buffer = make({ headerBytes: 8 })
      const { thread } = stepped(buffer, 1, [56, 56])
      thread.advance(steps)
      ended = thread.done
      const reader = new GlobalReader(buffer)
      reader.finalize()
      reader.finalize()
      expect(reader.finalized).toBe(true)
      const low = buffer.words[GLOBAL.state >> 2]
      const began = started(buffer)
      thread.advance(Infinity)
      expect(buffer.words[GLOBAL.state >> 2]).toBe(low)
      const spans = drain(reader)
      expect(spans.length).toBeLessThanOrEqual(began)
      expect(spans.length).toBe(thread.report.places.filter((at) => at >= 0).length)
      expect(new GlobalWriter(buffer, 3).reserve(8)).toBe(FULL)
      expect(reader.remaining()).toBe(0)
    }
  })
})

describe('slots', () => {
  test('an identity is a whole number of 32 bits other than 0 and -1', () => {
    for (const identity of [0, -1, 1.5, NaN, 2 ** 31]) {
      expect(() => new GlobalWriter(make(), identity)).toThrow(`identity=${identity}`)
    }
  })

  test('a thread that finds all taken is told so; those of the dead and of the detached are free again', () => {
    const buffer = make()
    const reader = new GlobalReader(buffer)
    const writers = [1, 2, 3, 4].map((identity) => new GlobalWriter(buffer, identity))
    expect(() => new GlobalWriter(buffer, 5)).toThrow('every slot is taken: maxWriters=4')
    writers[1].detach()
    new GlobalWriter(buffer, 5).write(bytes(8))
    expect(() => new GlobalWriter(buffer, 6)).toThrow(RangeError)
    expect(reader.recover((identity) => identity === 3)).toBe(false)
    const last = new GlobalWriter(buffer, 6)
    last.write(bytes(8))
    expect(buffer.words[buffer.slotWord(2, GLOBAL_SLOT.identity)]).toBe(6)
    expect(buffer.words[buffer.slotWord(2, GLOBAL_SLOT.generation)]).toBe(2)
    expect(buffer.written()).toBe(2)
  })
})

describe('a sleeping writer', () => {
  test('holds up the delivery of its own sub-buffer and nothing else, until there is no other one free', () => {
    const buffer = make({ mode: 'overwrite' })
    const reader = new GlobalReader(buffer)
    const sleeper = new GlobalWriter(buffer, 1)
    const other = new GlobalWriter(buffer, 2)
    const at = sleeper.reserve(8)
    expect(reader.newest()).toBe(undefined)
    for (let i = 0; i < 23; i += 1) expect(other.write(bytes(8, i))).toBe(true)
    expect(other.reserve(8), 'its memory is reused').toBe(FULL)
    expect(reader.next()).toBe(undefined)
    expect(reader.recover(() => false)).toBe(false)
    expect(reader.next(), 'a living one is not declared dead').toBe(undefined)
    sleeper.commit(at, 8)
    expect(drain(reader).map(({ records }) => records)).toEqual([8, 8, 8])
    expect(other.write(bytes(8))).toBe(true)
  })

  test('that commits into a closed sub-buffer rings for it', () => {
    const buffer = make()
    const rings: string[] = []
    const sleeper = new GlobalWriter(buffer, 1, { produced: () => void rings.push('late') })
    const other = new GlobalWriter(buffer, 2, { produced: () => void rings.push('closed') })
    const at = sleeper.reserve(8)
    other.write(bytes(64))
    sleeper.commit(at, 8)
    other.write(bytes(64))
    expect(rings).toEqual(['closed', 'late', 'closed'])
  })

  /* The low half of the state has 6 tags here, two laps:
   *
   *   first stops before its exchange, in sub-buffer 0 at 8;   6 sub-buffers later, in 6 at 8, it goes on
   *   | r . . . |         |         |         |         |         | r . . . |
   *   0                                                           6
   */
  test('whose exchange comes round has read the clock too early: its room becomes a gap, its record gets other room', () => {
    const buffer = make({ mostTags: 6 })
    const reader = new GlobalReader(buffer)
    let now = 0
    const clock = (): number => (now += 1)
    let time = 0
    const other = new GlobalWriter(buffer, 2, { clock: () => void (time = clock()) })
    other.write(bytes(8))
    const { thread } = stepped(buffer, 3, [8, 8, 8], clock)
    stepUntil(thread, () => buffer.words[buffer.slotWord(1, GLOBAL_SLOT.phase)] === PHASE.intent)
    const low = buffer.words[GLOBAL.state >> 2]
    do {
      other.write(bytes(8))
      other.flush()
      drain(reader)
      other.write(bytes(8))
    } while (buffer.words[GLOBAL.state >> 2] !== low)
    const before = time
    thread.advance(Infinity)
    // All of its records are refused until a reader is past the gap.
    expect(thread.report.places).toEqual([FULL, FULL, FULL])
    expect(buffer.discarded().full).toBe(3)
    other.write(bytes(16, 7))
    expect(time).toBeGreaterThan(before)
    reader.flush()
    const span = reader.next()
    expect([span?.from, span?.end, span?.records, span?.holes]).toEqual([0, 32, 2, [{ from: 8, end: 16 }]])
  })

  test('that gave room up writes again once a reader is past it, and its slot is kept until then', () => {
    const buffer = make()
    const reader = new GlobalReader(buffer)
    const writer = new GlobalWriter(buffer, 1)
    const other = new GlobalWriter(buffer, 2)
    writer.reserve(16)
    // An exception of the caller's: it never commits.
    expect(writer.reserve(8)).toBe(FULL)
    expect(buffer.discarded()).toEqual({ full: 1, tooBig: 0, bad: 1 })
    other.write(bytes(8))
    reader.flush()
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    expect([span.end, span.records, span.holes]).toEqual([24, 1, [{ from: 0, end: 16 }]])
    expect(writer.write(bytes(8))).toBe(false)
    reader.delivered(span, 1)
    expect(writer.write(bytes(8))).toBe(true)

    writer.reserve(8)
    writer.detach()
    const identity = buffer.slotWord(0, GLOBAL_SLOT.identity)
    expect(buffer.words[identity]).toBe(ORPHAN)
    expect(reader.recover(() => false)).toBe(true)
    reader.flush()
    expect(drain(reader).map(({ holes }) => holes)).toEqual([[{ from: 8, end: 16 }]])
    expect(reader.recover(() => false)).toBe(false)
    expect(buffer.words[identity]).toBe(0)
    expect(reader.remaining()).toBe(0)
  })

  test('a callback that throws costs its room and nothing else', () => {
    const buffer = make({ headerBytes: 8 })
    const reader = new GlobalReader(buffer)
    let throws = ''
    const check = (name: string): void => {
      if (throws === name) throw new Error(name)
    }
    const writer = new GlobalWriter(buffer, 1, {
      clock: () => check('clock'),
      subbufStart: () => check('subbufStart'),
    })
    const other = new GlobalWriter(buffer, 2)
    throws = 'subbufStart'
    expect(() => writer.reserve(8)).toThrow('subbufStart')
    throws = ''
    expect(other.write(bytes(8))).toBe(true)
    expect(writer.reserve(8)).toBe(FULL)
    reader.flush()
    const [span] = drain(reader)
    expect([span.headed, span.from, span.end, span.records, span.holes]).toEqual([false, 8, 16, 1, []])
    throws = 'clock'
    expect(() => writer.reserve(8)).toThrow('clock')
    throws = ''
    expect(writer.write(bytes(8))).toBe(true)
    reader.flush()
    expect(drain(reader).map(({ headed, records }) => [headed, records])).toEqual([[true, 1]])
  })
})

describe('a dead writer', () => {
  const dead = (identity: number): boolean => identity < 10

  test('that had reserved leaves a hole of the size of its record, whose memory is reused after delivery', () => {
    const buffer = make({ mode: 'overwrite', subbufCount: 2 })
    const reader = new GlobalReader(buffer)
    new GlobalWriter(buffer, 1).reserve(20)
    const other = new GlobalWriter(buffer, 10)
    for (let i = 0; i < 5; i += 1) other.write(bytes(8, i))
    for (let i = 0; i < 8; i += 1) other.write(bytes(8, i))
    expect(other.write(bytes(8))).toBe(false)
    expect(reader.recover(dead), 'its slot says where the hole is').toBe(true)
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    expect([span.end, span.records, span.holes, reader.torn]).toEqual([64, 5, [{ from: 0, end: 24 }], 1])
    reader.delivered(span, 5)
    expect(reader.recover(dead)).toBe(false)
    expect(other.write(bytes(8))).toBe(true)
  })

  test('that died after its exchange and before it could say so is found out by what is missing', () => {
    const buffer = make()
    const reader = new GlobalReader(buffer)
    const { thread } = stepped(buffer, 1, [16, 8])
    const word = buffer.slotWord(0, GLOBAL_SLOT.claimUnits)
    stepUntil(thread, () => buffer.words[word] === 1)
    expect(buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)]).toBe(PHASE.intent)
    // The clock, the exchange.
    stepUntil(thread, () => (buffer.words[GLOBAL.state >> 2] & 15) === 3)
    expect(buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)]).toBe(PHASE.intent)
    reader.flush()
    expect(reader.recover(dead)).toBe(true)
    expect(reader.next(), 'once is not enough').toBe(undefined)
    expect(reader.recover(dead)).toBe(true)
    const [span] = drain(reader)
    expect([span.end, span.records, span.holes, reader.torn]).toEqual([24, 1, [{ from: 16, end: 24 }], 1])
    expect(reader.recover(dead)).toBe(false)
  })

  test('that had stored its record loses nothing, whether it had committed or not', () => {
    for (const committed of [false, true]) {
      const buffer = make()
      const reader = new GlobalReader(buffer)
      const { thread } = stepped(buffer, 1, [16, 8])
      const commits = buffer.committedWord(0)
      stepUntil(thread, () => buffer.words[commits] > 0)
      if (!committed) {
        stepUntil(thread, () => (buffer.words[GLOBAL.state >> 2] & 15) === 3)
        // The first half of the commit: stored, and counted.
        thread.advance(1)
        const phase = buffer.slotWord(0, GLOBAL_SLOT.phase)
        buffer.words[phase] = PHASE.stored
        buffer.doubles[buffer.slotDouble(0, GLOBAL_SLOT.written, 0)] = 2
      }
      reader.flush()
      reader.recover(dead)
      reader.recover(dead)
      const [span] = drain(reader)
      expect([span.records, span.holes, reader.torn]).toEqual([committed ? 1 : 2, [], 0])
    }
  })

  /*   first's try at 0 failed, it died before it knew;  second's at 16 succeeded, it died before it knew
   *   | third      | second ?    |        16 bytes are missing: those from 0, or those from 16?
   *   0            16            32
   */
  test('of two that may each have reserved, none is believed: all from the first on is given up, and counted', () => {
    const buffer = make()
    const reader = new GlobalReader(buffer)
    const opener = stepped(buffer, 1, [16])
    stepUntil(opener.thread, () => buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)] === PHASE.intent)
    const third = new GlobalWriter(buffer, 10)
    third.write(bytes(16, 3))
    const second = stepped(buffer, 2, [16])
    stepUntil(second.thread, () => (buffer.words[GLOBAL.state >> 2] & 15) === 4)
    expect(reader.recover(dead)).toBe(true)
    expect(reader.recover(dead)).toBe(true)
    third.write(bytes(8, 9))
    reader.flush()
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    expect([span.end, span.records, span.holes]).toEqual([40, 2, [{ from: 0, end: 32 }]])
    reader.delivered(span, 1)
    // Three records were begun before the last: two torn at most, and a whole one that went with them.
    expect([reader.torn, reader.remaining()]).toEqual([3, 0])
    expect(reader.recover(dead)).toBe(false)
  })
})

describe('overwriting', () => {
  test('records that are lost are counted for each gap, also when nobody reads for laps', () => {
    const buffer = make({ mode: 'overwrite', subbufCount: 3 })
    const reader = new GlobalReader(buffer)
    const writer = new GlobalWriter(buffer, 1)
    for (let i = 0; i < 1000; i += 1) writer.write(bytes(i % 3 === 0 ? 16 : 8, i))
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    const lost = reader.overwritten
    reader.delivered(span, span.records)
    const rest = drain(reader)
    const part = reader.newest()
    const last = (part?.end ?? 0) === 0 ? 0 : reader.remaining()
    expect(lost + span.records + rest.reduce((sum, { records }) => sum + records, 0) + last).toBe(1000)
    expect(reader.overwritten).toBe(lost)
  })

  test('a sub-buffer that is started again while it is copied is not delivered', () => {
    const buffer = make({ mode: 'overwrite', subbufCount: 2 })
    const writer = new GlobalWriter(buffer, 1)
    const reading = new SteppedThread<{ spans: number[] }>(
      buffer,
      () => ({ spans: [] }),
      (self, memory) => {
        const reader = new GlobalReader(memory)
        for (let span = reader.next(); span !== undefined; span = reader.next()) {
          self.report.spans.push(span.bytes[0])
          reader.delivered(span, span.records)
        }
      },
    )
    for (let i = 0; i < 3; i += 1) writer.write(bytes(64, i))
    let value = 3
    while (reading.advance(1)) if (value < 200) writer.write(bytes(64, (value += 1)))
    const { spans } = reading.report
    expect(spans).toEqual(spans.toSorted((one, other) => one - other))
  })
})
