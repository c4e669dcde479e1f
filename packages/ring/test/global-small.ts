/** Small global buffers, and threads that write them step by step. For tests. */
import {
  GLOBAL,
  GlobalBuffer,
  GlobalWriter,
  type GlobalGeometry,
  type GlobalReader,
  type GlobalSpan,
} from '@rchan/ring'
import { PausedThread } from '../../../test/stepping/paused.js'

/** The basic shape. Each test changes one property of it. */
const GEOMETRY: GlobalGeometry = {
  subbufSize: 64,
  subbufCount: 3,
  mode: 'discard',
  headerBytes: 0,
  unitBytes: 8,
  maxWriters: 4,
}

export const make = (change: Partial<GlobalGeometry> = {}): GlobalBuffer =>
  GlobalBuffer.create({ ...GEOMETRY, ...change })
export const bytes = (length: number, value = 0xab): Uint8Array => new Uint8Array(length).fill(value)
export const started = (buffer: GlobalBuffer): number =>
  buffer.words[(GLOBAL.state >> 2) + 1] * buffer.tags +
  (buffer.words[GLOBAL.state >> 2] >>> (buffer.unitBits + 1))

export function drain(reader: GlobalReader): GlobalSpan[] {
  const spans: GlobalSpan[] = []
  for (let span = reader.next(); span !== undefined; span = reader.next()) {
    spans.push(span)
    reader.delivered(span, span.records)
  }
  return spans
}

/** A writer that writes one record after the other, and where and when it reserved them. */
export function stepped(
  buffer: GlobalBuffer,
  identity: number,
  lengths: readonly number[],
  clock?: () => number,
) {
  const thread = new PausedThread<{ places: number[]; times: number[] }>(
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
  return { thread }
}
