/**
 * One buffer with its writer and its reader on the same thread, and the delivered records. For
 * tests.
 */
import { Channel, type Geometry, type Reader, type Span, type Writer } from '@rchan/ring'
import { makeRecord, walkRecords } from '../../../test/records.mjs'

export interface Subject {
  readonly channel: Channel
  readonly writer: Writer
  readonly reader: Reader
}

/** A channel of one CPU that no thread writes yet. */
export function makeChannel(geometry: Partial<Geometry> = {}): Channel {
  return Channel.create({
    subbufSize: 16,
    subbufCount: 2,
    mode: 'discard',
    headerBytes: 0,
    possibleCpus: 1,
    ...geometry,
  })
}

/**
 * A channel of one CPU with its writer and reader; 2 sub-buffers of 16 bytes without a header in
 * discard mode, unless said otherwise.
 */
export function makeSubject(geometry: Partial<Geometry> = {}): Subject {
  const channel = makeChannel(geometry)
  return { channel, writer: channel.writer(0), reader: channel.reader(0) }
}

/**
 * Writes records of one length, numbered from `first`. @returns the numbers of those that were
 * written.
 */
export function writeNumbers(writer: Writer, length: number, first: number, count: number): number[] {
  const numbers = Array.from({ length: count }, (_, i) => first + i)
  return numbers.filter((number) => writer.write(makeRecord(length, number)))
}

/** Takes a span. @returns the numbers of its records. */
export function take(reader: Reader, span: Span | undefined): number[] {
  if (span === undefined) return []
  const numbers = walkRecords(span.bytes, span.from, span.end)
  reader.delivered(span, numbers.length)
  return numbers
}

/** Takes all complete sub-buffers. @returns the numbers of their records. */
export function drain(reader: Reader): number[] {
  const numbers: number[] = []
  for (let span = reader.next(); span !== undefined; span = reader.next()) numbers.push(...take(reader, span))
  return numbers
}

/** Takes everything of an owner that has stopped. */
export function drainDead(reader: Reader): number[] {
  return [...drain(reader), ...take(reader, reader.newest())]
}
