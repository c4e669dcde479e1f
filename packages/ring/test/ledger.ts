/**
 * Keeps account of written and delivered records, and checks that they add up. Records are numbered
 * by attempt. For tests.
 *
 * Forbidden: a delivered record that is torn, delivered twice, out of order, or that no thread
 * wrote; in discard mode a record accepted and not delivered; a sum that differs from the attempts.
 */
import type { BufferMemory, Reader, Span, Writer } from '@rchan/ring'
import { expect } from 'vitest'
import { makeRecord, walkRecords } from '../../../test/records.mjs'

export class Ledger {
  attempted = 0
  torn = 0
  readonly accepted: number[] = []
  /** Attempts that were cut off: their record may be there, torn, or have left no trace. */
  readonly cut: number[] = []
  readonly delivered: number[] = []

  /** Writes the next record. */
  write(writer: Writer, length: number): void {
    const number = this.attempted
    this.attempted += 1
    this.cut.push(number)
    const accepted = writer.write(makeRecord(length, number))
    this.cut.pop()
    if (accepted) this.accepted.push(number)
  }

  take(reader: Reader, span: Span | undefined): boolean {
    if (span === undefined) return false
    const numbers = walkRecords(span.bytes, span.from, span.end)
    for (const number of numbers) {
      if (number <= (this.delivered.at(-1) ?? -1)) {
        throw new Error(`record ${number} was delivered after ${this.delivered.at(-1)}`)
      }
      this.delivered.push(number)
    }
    if (span.complete && span.records !== numbers.length) {
      throw new Error(`the span of ${numbers.length} records says records=${span.records}`)
    }
    reader.delivered(span, numbers.length)
    return true
  }

  drain(reader: Reader): void {
    while (this.take(reader, reader.next()));
  }

  /** Once the owner has stopped. */
  drainDead(reader: Reader): void {
    this.drain(reader)
    this.take(reader, reader.newest())
  }

  /** Once the owner has stopped and all was drained. */
  settle(reader: Reader, buffer: BufferMemory): void {
    const { full, tooBig, bad } = buffer.discarded()
    const accounted =
      this.delivered.length + reader.overwritten + this.torn + full + tooBig + bad + reader.remaining()
    const sums = {
      ...this.sums(),
      overwritten: reader.overwritten,
      full,
      tooBig,
      remaining: reader.remaining(),
    }
    expect(accounted, JSON.stringify(sums)).toBeLessThanOrEqual(this.attempted)
    expect(accounted, JSON.stringify(sums)).toBeGreaterThanOrEqual(this.attempted - this.cut.length)
    expect(reader.remaining()).toBe(0)
    expect(this.torn).toBeLessThanOrEqual(this.cut.length)
    const written = new Set([...this.accepted, ...this.cut])
    expect(this.delivered.filter((number) => !written.has(number))).toEqual([])
    if (buffer.geometry.mode === 'overwrite') return
    expect(reader.overwritten).toBe(0)
    const cut = new Set(this.cut)
    expect(this.delivered.filter((number) => !cut.has(number))).toEqual(this.accepted)
  }

  private sums(): object {
    return {
      attempted: this.attempted,
      delivered: this.delivered.length,
      torn: this.torn,
      cut: this.cut.length,
    }
  }
}
