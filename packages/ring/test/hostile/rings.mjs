/** The memory of rings, with a few records in it, and every operation on such memory. */
import { Channel, FirstLap, firstLapBytes, GlobalBuffer, GlobalReader, GlobalWriter } from '@rchan/ring'

/** Drains a ring, with a bound on the number of spans. */
function drain(reader, most) {
  let spans = 0
  const read = () => reader.next() ?? reader.newest()
  for (let span = read(); span !== undefined; span = read()) {
    spans += 1
    if (spans > most) throw new Error(`endless: ${spans} spans`)
    if (span.from < 0 || span.end > span.bytes.length || span.end < span.from)
      throw new Error('a span outside')
    for (const hole of span.holes ?? []) {
      if (!(hole.from < hole.end && hole.from >= 0 && hole.end <= span.bytes.length))
        throw new Error('a hole outside')
    }
    reader.delivered(span, Math.max(0, span.records))
  }
}

const finite = (value) => {
  if (!Number.isFinite(value)) throw new TypeError(`a count is ${value}`)
}

/**
 * Of the words of a global buffer with 4 sub-buffers and 3 slots, which are followed by nothing up
 * to the data.
 */
const WORDS_BYTES = 384 + 4 * 64 + 3 * 256

function wordsOf(bytes) {
  return Array.from({ length: bytes / 4 }, (_, i) => i)
}

function globalOf(mode) {
  return {
    make() {
      const buffer = GlobalBuffer.create({
        subbufSize: 64,
        subbufCount: 4,
        mode,
        headerBytes: 0,
        unitBytes: 8,
        maxWriters: 3,
      })
      const writers = [1, 2].map((identity) => new GlobalWriter(buffer, identity))
      for (let i = 0; i < 20; i += 1) writers[i % 2].write(new Uint8Array(16))
      const reader = new GlobalReader(buffer)
      const span = reader.next()
      reader.delivered(span, span.records)
      // One that died in the middle of a record.
      writers[0].reserve(16)
      return { memory: buffer.memory, words: wordsOf(WORDS_BYTES), reader, writers }
    },
    use({ memory, reader, writers }) {
      const attached = () => new GlobalReader(GlobalBuffer.attach(memory))
      const all = (get) => ({
        [`drain ${get.name}`]: () => drain(get(), 40),
        [`recover ${get.name}`]: () => {
          const one = get()
          for (let i = 0; i < 4; i += 1) one.recover((identity) => identity !== 2)
          drain(one, 40)
        },
        [`counts ${get.name}`]: () => {
          const one = get()
          for (const count of [one.overwritten, one.torn, one.remaining()]) finite(count)
          for (const count of [one.buffer.written(), one.buffer.empty(), one.buffer.discarded().full])
            finite(count)
        },
        [`flush ${get.name}`]: () => get().flush(),
        [`drain again ${get.name}`]: () => drain(get(), 40),
        [`recover all ${get.name}`]: () => {
          const one = get()
          for (let i = 0; i < 4; i += 1) one.recover(() => true)
        },
      })
      const there = () => reader
      return {
        ...all(attached),
        ...all(there),
        'new writer': () => {
          const writer = new GlobalWriter(GlobalBuffer.attach(memory), 9)
          for (let i = 0; i < 20; i += 1) writer.write(new Uint8Array(16))
          writer.flush()
          writer.detach()
        },
        'writer that was there': () => {
          for (let i = 0; i < 20; i += 1) writers[1].write(new Uint8Array(16))
          writers[0].write(new Uint8Array(16))
        },
        finalize: () => {
          reader.finalize()
          if (writers[0].write(new Uint8Array(16))) throw new Error('written after finalize')
          drain(reader, 40)
        },
      }
    },
  }
}

function channelOf(mode) {
  return {
    make() {
      const channel = Channel.create({
        subbufSize: 64,
        subbufCount: 4,
        mode,
        headerBytes: 8,
        possibleCpus: 2,
      })
      const writer = channel.writer(0)
      const reader = channel.reader(0)
      for (let i = 0; i < 8; i += 1) writer.write(new Uint8Array(16))
      const span = reader.next()
      reader.delivered(span, span.records)
      const { memory } = channel
      // The head, and the words of the first buffer.
      const words = [...Array(8).keys(), ...Array.from({ length: 132 }, (_, i) => 1024 + i)]
      return { memory, words, reader, writer }
    },
    use({ memory, reader, writer }) {
      const attached = () => Channel.attach(memory).reader(0)
      const there = () => reader
      const all = (get) => ({
        [`drain ${get.name}`]: () => drain(get(), 40),
        [`aged ${get.name}`]: () => {
          const one = get()
          one.sample()
          const span = one.aged()
          if (span !== undefined) one.delivered(span, 1)
        },
        [`counts ${get.name}`]: () => {
          const one = get()
          for (const count of [one.overwritten, one.remaining(), one.buffer.discarded().full]) finite(count)
        },
        [`first lap ${get.name}`]: () => {
          const { buffer } = get()
          finite(firstLapBytes(buffer))
          new FirstLap(buffer.data, () => firstLapBytes(buffer)).stayAhead()
        },
        [`retire ${get.name}`]: () => {
          const one = get()
          finite(one.retire())
          one.settle()
          drain(one, 40)
          finite(one.remaining())
        },
      })
      return {
        ...all(attached),
        ...all(there),
        'writer that was there': () => {
          for (let i = 0; i < 20; i += 1) writer.write(new Uint8Array(16))
          writer.flush()
        },
        'new writer': () => {
          const next = Channel.attach(memory).writer(0)
          for (let i = 0; i < 20; i += 1) next.write(new Uint8Array(16))
          next.flush()
          next.reset()
        },
        'other CPU': () => Channel.attach(memory).reader(1).next(),
      }
    },
  }
}

export const subjects = {
  'global discard': globalOf('discard'),
  'global overwrite': globalOf('overwrite'),
  'channel discard': channelOf('discard'),
  'channel overwrite': channelOf('overwrite'),
}
