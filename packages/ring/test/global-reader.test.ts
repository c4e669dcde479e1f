/** The reader of a global buffer meets dead writers, and is lapped: the smallest histories. */
import { GLOBAL, GLOBAL_SLOT, GlobalReader, GlobalWriter, PHASE } from '@rchan/ring'
import { describe, expect, test } from 'vitest'
import { bytes, drain, make, started, stepped } from './global-small.js'
import { PausedThread } from '../../../test/stepping/paused.js'

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
    thread.advanceUntil(() => buffer.words[word] === 1)
    expect(buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)]).toBe(PHASE.intent)
    // The clock, the exchange.
    thread.advanceUntil(() => (buffer.words[GLOBAL.state >> 2] & 15) === 3)
    expect(buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)]).toBe(PHASE.intent)
    reader.flush()
    expect(reader.recover(dead)).toBe(true)
    expect(reader.next(), 'once is not enough').toBe(undefined)
    expect(reader.recover(dead)).toBe(true)
    const [span] = drain(reader)
    expect([span.end, span.records, span.holes, reader.torn]).toEqual([24, 1, [{ from: 16, end: 24 }], 1])
    expect(reader.recover(dead)).toBe(false)
  })

  test('that had started a sub-buffer and not filled its header leaves its slot to another, though nothing is written', () => {
    const buffer = make({ headerBytes: 8, maxWriters: 1 })
    const reader = new GlobalReader(buffer)
    const { thread } = stepped(buffer, 1, [16])
    thread.advanceUntil(() => started(buffer) === 1)
    for (let call = 0; call < 2; call += 1) expect(reader.recover(dead)).toBe(true)
    expect(drain(reader)).toEqual([])
    expect(reader.recover(dead)).toBe(false)
    expect(new GlobalWriter(buffer, 10).write(bytes(8))).toBe(true)
    reader.flush()
    expect(drain(reader).map(({ sequence, headed }) => [sequence, headed])).toEqual([[1, true]])
    expect(reader.torn).toBe(0)
  })

  test('that died before any step of giving a record up has lost it once', () => {
    for (let steps = 0, goesOn = true; goesOn; steps += 1) {
      const buffer = make()
      const reader = new GlobalReader(buffer)
      const thread = new PausedThread(
        buffer,
        () => undefined,
        (_, memory) => {
          const writer = new GlobalWriter(memory, 1)
          writer.reserve(8)
          writer.detach()
        },
      )
      goesOn = thread.advance(steps)
      for (let call = 0; call < 3; call += 1) {
        reader.recover(dead)
        reader.flush()
        drain(reader)
      }
      expect(reader.recover(dead)).toBe(false)
      expect(reader.torn + buffer.discarded().bad, `after ${steps} steps`).toBeLessThanOrEqual(1)
      if (!goesOn) expect(buffer.discarded().bad).toBe(1)
    }
  })

  test('that had stored its record loses nothing, whether it had committed or not', () => {
    for (const committed of [false, true]) {
      const buffer = make()
      const reader = new GlobalReader(buffer)
      const { thread } = stepped(buffer, 1, [16, 8])
      const commits = buffer.committedWord(0)
      thread.advanceUntil(() => buffer.words[commits] > 0)
      if (!committed) {
        thread.advanceUntil(() => (buffer.words[GLOBAL.state >> 2] & 15) === 3)
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

  /* first's try at 0 failed, it died before it knew; second's at 16 succeeded, it died before it
   * knew
   *   | third      | second ?    |        16 bytes are missing: those from 0, or those from 16?
   *   0            16            32
   */
  test('of two that may each have reserved, none is believed: all from the first on is given up, and counted', () => {
    const buffer = make()
    const reader = new GlobalReader(buffer)
    const opener = stepped(buffer, 1, [16])
    opener.thread.advanceUntil(() => buffer.words[buffer.slotWord(0, GLOBAL_SLOT.phase)] === PHASE.intent)
    const third = new GlobalWriter(buffer, 10)
    third.write(bytes(16, 3))
    const second = stepped(buffer, 2, [16])
    second.thread.advanceUntil(() => (buffer.words[GLOBAL.state >> 2] & 15) === 4)
    expect(reader.recover(dead)).toBe(true)
    expect(reader.recover(dead)).toBe(true)
    third.write(bytes(8, 9))
    reader.flush()
    const span = reader.next()
    if (span === undefined) throw new Error('nothing')
    expect([span.end, span.records, span.holes]).toEqual([40, 2, [{ from: 0, end: 32 }]])
    reader.delivered(span, 1)
    // Three records were begun before the last: two torn at most, and a whole one that went with
    // them.
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

  test('a reader may be lapped before any of its steps, by a writer that dies before any of its own, and counts each record once', () => {
    const lengths = [40, 40, 40, 40, 40, 40]
    // The reader's first steps are all tried with each of the writer's: there it skips what was
    // overwritten.
    for (let steps = 0, done = false; !done; steps += 1) {
      for (let between = 0, written = false; !written; between += steps < 16 ? 1 : 25) {
        const buffer = make({ mode: 'overwrite', subbufCount: 2 })
        const first = new GlobalWriter(buffer, 1)
        const reading = new PausedThread<{ records: number }>(
          buffer,
          () => ({ records: 0 }),
          (self, memory) => {
            const reader = new GlobalReader(memory)
            for (let span = reader.next(); span !== undefined; span = reader.next()) {
              self.report.records += span.records
              reader.delivered(span, span.records)
            }
          },
        )
        for (let i = 0; i < 5; i += 1) first.write(bytes(40 + 8 * (i % 3)))
        const { thread } = stepped(buffer, 2, lengths)
        reading.advance(steps)
        done = reading.done
        thread.advance(between)
        written = thread.done
        reading.advance(Infinity)
        // It dies there: what it would write after it could make up for a wrong count.
        const after = new GlobalReader(buffer)
        after.flush()
        for (let i = 0; i < 2; i += 1) after.recover((identity) => identity === 2)
        const rest = drain(after).reduce((sum, { records }) => sum + records, 0)
        expect(reading.report.records + rest + after.overwritten).toBe(buffer.written())
      }
    }
  })

  test('a sub-buffer that is started again while it is copied is not delivered', () => {
    const buffer = make({ mode: 'overwrite', subbufCount: 2 })
    const writer = new GlobalWriter(buffer, 1)
    const reading = new PausedThread<{ spans: number[] }>(
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
