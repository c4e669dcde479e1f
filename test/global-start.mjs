/**
 * Makes a global buffer with the state of a long history, without writing that history. For tests.
 */
import { GLOBAL, GlobalBuffer } from '@rchan/ring'

/**
 * A global buffer as it is after `started` sub-buffers were started, closed, delivered and given
 * back, and `committed` units were committed in each place.
 */
export function startFrom(geometry, started, committed) {
  const buffer = GlobalBuffer.create(geometry)
  if (started === 0) return buffer
  const { words, longs, doubles } = buffer
  const { subbufCount } = geometry
  const tag = started % buffer.tags
  words[GLOBAL.state >> 2] = (tag << (buffer.unitBits + 1)) | (1 << buffer.unitBits)
  words[(GLOBAL.state >> 2) + 1] = Math.floor(started / buffer.tags)
  words[GLOBAL.consumed >> 2] = started
  doubles[GLOBAL.sequence >> 3] = started
  for (let index = 0; index < subbufCount; index += 1) {
    // The last lap of this place that was started.
    const lap = Math.floor((started - 1 - index) / subbufCount)
    words[buffer.committedWord(index)] = committed
    for (const one of [lap - 1, lap]) {
      longs[buffer.endLong(index, one)] =
        (BigInt.asIntN(32, BigInt(one + 1)) << 32n) | BigInt(committed >>> 0)
    }
  }
  return buffer
}
