/**
 * Counters of sub-buffers just below 2^31 and 2^32: the relay face does what it does near 0, only
 * the numbers differ.
 */
import { BUFFER } from '@rchan/ring'
import { plainMachine, Relay, RelayFile, type Pipe, type RelayBuffer } from '@rchan/relay'
import { expect, test } from 'vitest'
import { bufferOf } from './client.js'

const SIZE = 8

/** A small seeded generator of whole numbers below `limit`. */
function generator(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/**
 * Makes a new buffer one in which `base` sub-buffers without padding were completed and consumed.
 */
function age({ memory }: RelayBuffer, base: number, subbufCount: number): void {
  const { counters, words } = memory
  for (const word of [BUFFER.produced, BUFFER.started, BUFFER.consumed]) counters[word >> 3] = BigInt(base)
  words.fill(0, BUFFER.table >> 2)
  const last = (base - 1) % subbufCount
  words[memory.endWord(last)] = (last + 1) * SIZE
}

/**
 * Runs random operations on a buffer whose counters start at `base`. @returns what is seen after
 * each.
 */
function history(base: number, subbufCount: number, overwrites: boolean, seed: number): unknown[] {
  const random = generator(seed)
  const relay = new Relay(plainMachine(1), { memoryBytes: 2 ** 16 })
  const channel = relay.open({
    subbufSize: SIZE,
    subbufCount,
    callbacks: overwrites ? { subbufStart: () => true } : {},
  })
  const buffer = bufferOf(channel, 0)
  age(buffer, base, subbufCount)
  buffer.switch(0)
  const files = [new RelayFile(buffer), new RelayFile(buffer)]
  const seen: unknown[] = []
  const pipe: Pipe = {
    capacity: 16,
    take: (pieces) => {
      for (const piece of pieces) {
        seen.push([...piece.bytes], piece.consumes)
        piece.release()
      }
      return pieces.reduce((bytes, piece) => bytes + piece.bytes.length, 0)
    },
  }
  const operations = [
    (step: number) => channel.write(0, new Uint8Array(random(SIZE + 2)).fill(step)),
    (step: number) => channel.write(0, new Uint8Array(random(SIZE)).fill(step)),
    () => channel.reserve(0, random(SIZE)),
    () => [...files[random(2)].readBytes(random(3 * SIZE))],
    () => files[random(2)].poll(),
    () => channel.subbufsConsumed(0, random(3)),
    () => files[1].splice(pipe, random(2 * SIZE)),
    () => channel.flush(),
  ]
  for (let step = 1; step <= 300; step += 1) {
    const result = operations[random(operations.length)](step)
    const { produced, consumed, bytesConsumed, offset, data, prevPadding, isFull, isEmpty } = buffer
    const paddings = Array.from({ length: subbufCount }, (_, index) => buffer.padding(index))
    seen.push({ step, result, bytesConsumed, offset, data, prevPadding, isFull, isEmpty, paddings })
    seen.push({ produced: produced - base, consumed: consumed - base, bytes: [...buffer.memory.data] })
  }
  return seen
}

test.each([
  [3, false],
  [3, true],
  [5, false],
  [7, true],
])(
  'with %d sub-buffers (overwriting: %s) a buffer far beyond 2^32 behaves as a young one',
  (count, overwrites) => {
    for (const far of [2 ** 31 - 3, 2 ** 31 + 1, 2 ** 32 - 3, 2 ** 32 - 1, 2 ** 40 + 1]) {
      for (let seed = 1; seed <= 5; seed += 1) {
        const young = (far % count) + count
        expect(history(far, count, overwrites, seed)).toEqual(history(young, count, overwrites, seed))
      }
    }
  },
)
