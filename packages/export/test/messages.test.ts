import { PbfReader, PbfWriter } from 'pbf'
import { expect, test } from 'vitest'
import { numberOf, putVarint64, writeVarint64 } from '../dist/messages.js'

/** Around each power of 2, where a number needs a byte or a half more. */
const NUMBERS = Array.from({ length: 65 }, (_, power) => [-1n, 0n, 1n].map((n) => 2n ** BigInt(power) + n))
  .flat()
  .filter((value) => value < 2n ** 64n)

/** 7 bits in a byte, the lowest first; all but the last byte have the highest bit. */
function bytesOf(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...bytesOf(value >> 7n)]
}

test('numbers of up to 64 bits are put in as many bytes as they need', () => {
  for (const value of NUMBERS) {
    const buf = new Uint8Array(12).fill(7)
    const end = putVarint64(buf, 1, value)
    expect([...buf.subarray(1, end)]).toEqual(bytesOf(value))
    expect([buf[0], buf[end]]).toEqual([7, 7])
    expect(numberOf(value)).toBe(Number(value))
  }
})

test('a negative number is put as its 64 bits, and the writer grows for it', () => {
  const pbf = new PbfWriter(new Uint8Array(1))
  writeVarint64(pbf, 3, -1n)
  writeVarint64(pbf, 4, -(2n ** 63n))
  const bytes = pbf.finish()
  expect([...bytes]).toEqual([24, ...bytesOf(2n ** 64n - 1n), 32, ...bytesOf(2n ** 63n)])
  const reader = new PbfReader(bytes)
  reader.readVarint()
  expect(reader.readVarint(true)).toBe(-1)
})
