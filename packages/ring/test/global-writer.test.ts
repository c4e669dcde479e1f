/** Writers of a global buffer in edge cases, and when one sleeps in the middle of a step. */
import { FULL, GLOBAL, GLOBAL_SLOT, GlobalReader, GlobalWriter, ORPHAN, PHASE, TOO_BIG } from '@rchan/ring'
import { describe, expect, test } from 'vitest'
import { bytes, drain, make, started, stepped } from './global-small.js'

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
    thread.advanceUntil(() => buffer.words[buffer.slotWord(1, GLOBAL_SLOT.phase)] === PHASE.intent)
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

  /* 6 tags again. The writer stops on its way to start sub-buffer 1. When it goes on the low half
   * says the same, but of sub-buffer 6, and 4 to 6 are unread:
   *
   *   | 0 | . | . |     6 sub-buffers later     | 6 | 4 | 5 |
   */
  test('whose start comes round starts nothing over what is unread', () => {
    for (let steps = 0, past = false; !past; steps += 1) {
      const buffer = make({ mostTags: 6 })
      const reader = new GlobalReader(buffer)
      const other = new GlobalWriter(buffer, 2)
      const one = (): void => {
        expect(other.write(bytes(8))).toBe(true)
        other.flush()
      }
      one()
      drain(reader)
      const low = buffer.words[GLOBAL.state >> 2]
      const { thread } = stepped(buffer, 3, [8])
      thread.advance(steps)
      past = started(buffer) > 1
      if (past) continue
      for (let i = 0; i < 3; i += 1) one()
      drain(reader)
      for (let i = 0; i < 3; i += 1) one()
      expect(buffer.words[GLOBAL.state >> 2]).toBe(low)
      thread.advance(Infinity)
      expect(thread.report.places).toEqual([FULL])
      expect([started(buffer), drain(reader).map(({ sequence }) => sequence)]).toEqual([7, [4, 5, 6]])
    }
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
