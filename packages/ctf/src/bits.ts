/**
 * The bits of one packet of a trace by others, and readers of what is in it. Fields can begin
 * and end at any bit. In little endian the first bit of a byte is its lowest, in big endian its
 * highest. The bytes are untrusted: nothing behind `limit` is read. Any thread.
 */
import { isUtf8 } from 'node:buffer'
import type { DecodedValue } from './field-readers.js'
import type { ByteOrder } from './type-tree.js'

/** A packet that is being read. */
export class Bits {
  bytes: Buffer = Buffer.alloc(0)
  view: DataView = new DataView(new ArrayBuffer(0))
  /** The next bit. Positions are bits from the packet's start, below 2^31. */
  at = 0
  /** Where the content ends. */
  limit = 0
  /** What the clock of the stream shows, in its ticks. */
  time = 0n

  /** @param fail throws what is wrong with what is being read. */
  constructor(readonly fail: (what: string) => never) {}

  /** Steps to a multiple of `alignBits`, and over `count` bits. @returns where they begin. */
  take(alignBits: number, count: number): number {
    const at = (this.at + alignBits - 1) & -alignBits
    if (at + count > this.limit) this.fail('it does not end inside the content of the packet')
    this.at = at + count
    return at
  }

  /** Sets the clock to a value, of which some high bits may be missing: it never runs backwards. */
  tick(value: number | bigint, width: number): void {
    const now = BigInt(value)
    if (width === 64) {
      this.time = now
      return
    }
    const low = BigInt.asUintN(width, this.time)
    this.time += now - low
    if (now < low) this.time += 1n << BigInt(width)
  }
}

/** Reads a value of any type. */
export type ReadValue = (bits: Bits) => DecodedValue

/** How elements of a list follow each other. */
export interface Stride {
  readonly alignBits: number
  readonly bits: number
}

/** Reads a whole number: a bigint if it has more than 32 bits. */
export type ReadInteger = (bits: Bits) => number | bigint

/** Returns the reader of integers of a size. */
export function integerReader(
  width: number,
  alignBits: number,
  isSigned: boolean,
  order: ByteOrder,
): ReadInteger {
  if (alignBits % 8 !== 0 || (width !== 8 && width !== 16 && width !== 32 && width !== 64)) {
    return anyInteger(width, alignBits, isSigned, order)
  }
  const isLittle = order === 'le'
  switch (width) {
    case 8:
      return isSigned
        ? (bits) => bits.view.getInt8(bits.take(alignBits, 8) >> 3)
        : (bits) => bits.view.getUint8(bits.take(alignBits, 8) >> 3)
    case 16:
      return isSigned
        ? (bits) => bits.view.getInt16(bits.take(alignBits, 16) >> 3, isLittle)
        : (bits) => bits.view.getUint16(bits.take(alignBits, 16) >> 3, isLittle)
    case 32:
      return isSigned
        ? (bits) => bits.view.getInt32(bits.take(alignBits, 32) >> 3, isLittle)
        : (bits) => bits.view.getUint32(bits.take(alignBits, 32) >> 3, isLittle)
    default:
      return isSigned
        ? (bits) => bits.view.getBigInt64(bits.take(alignBits, 64) >> 3, isLittle)
        : (bits) => bits.view.getBigUint64(bits.take(alignBits, 64) >> 3, isLittle)
  }
}

/** Reads a float of 32 or 64 bits, at any bit. */
export function floatReader(width: 32 | 64, alignBits: number, order: ByteOrder): (bits: Bits) => number {
  const isLittle = order === 'le'
  if (alignBits % 8 === 0) {
    return width === 32
      ? (bits) => bits.view.getFloat32(bits.take(alignBits, 32) >> 3, isLittle)
      : (bits) => bits.view.getFloat64(bits.take(alignBits, 64) >> 3, isLittle)
  }
  const whole = anyInteger(width, alignBits, false, order)
  const view = new DataView(new ArrayBuffer(8))
  return (bits) => {
    if (width === 32) view.setUint32(0, whole(bits) as number)
    else view.setBigUint64(0, whole(bits) as bigint)
    return width === 32 ? view.getFloat32(0) : view.getFloat64(0)
  }
}

function anyInteger(width: number, alignBits: number, isSigned: boolean, order: ByteOrder): ReadInteger {
  const isWide = width > 32
  const isLittle = order === 'le'
  const part = isLittle ? littlePart : bigPart
  return (bits) => {
    const at = bits.take(alignBits, width)
    if (!isWide) {
      const value = part(bits.bytes, at, width)
      return isSigned && value >= 2 ** (width - 1) ? value - 2 ** width : value
    }
    const first = BigInt(part(bits.bytes, at, 32))
    const rest = BigInt(part(bits.bytes, at + 32, width - 32))
    const value = isLittle ? first | (rest << 32n) : (first << BigInt(width - 32)) | rest
    return isSigned ? BigInt.asIntN(width, value) : value
  }
}

/** Reads up to 32 bits. By products: shifts would make them signed. */
function littlePart(bytes: Uint8Array, from: number, width: number): number {
  let value = 0
  for (let done = 0; done < width;) {
    const at = from + done
    const count = Math.min(8 - (at & 7), width - done)
    value += ((bytes[at >> 3] >> (at & 7)) & ((1 << count) - 1)) * 2 ** done
    done += count
  }
  return value
}

function bigPart(bytes: Uint8Array, from: number, width: number): number {
  let value = 0
  for (let done = 0; done < width;) {
    const at = from + done
    const count = Math.min(8 - (at & 7), width - done)
    value = value * 2 ** count + ((bytes[at >> 3] >> (8 - (at & 7) - count)) & ((1 << count) - 1))
    done += count
  }
  return value
}

export function readList(bits: Bits, count: number, stride: Stride, read: ReadValue): DecodedValue[] {
  checkRoom(bits, count, stride)
  const list: DecodedValue[] = []
  for (let index = 0; index < count; index += 1) list[index] = read(bits)
  return list
}

/** Steps to the first element. Checks that all are there before there is memory for them. */
function checkRoom(bits: Bits, count: number, { alignBits, bits: width }: Stride): number {
  const at = bits.take(alignBits, 0)
  if (count * width > bits.limit - at) {
    bits.fail(`a list of ${count} elements does not end inside the content of the packet`)
  }
  return at
}

export function readBytes(bits: Bits, alignBits: number, count: number): Uint8Array {
  const from = checkRoom(bits, count, { alignBits, bits: alignBits }) >> 3
  bits.at = (from + count) * 8
  return new Uint8Array(bits.bytes.subarray(from, from + count))
}

/** A text in a list of characters. It ends with the list, or at the first NUL. */
export function readCharacters(bits: Bits, alignBits: number, count: number): string {
  const from = checkRoom(bits, count, { alignBits, bits: alignBits }) >> 3
  bits.at = (from + count) * 8
  const end = bits.bytes.subarray(from, from + count).indexOf(0)
  return bits.bytes.toString('utf8', from, end < 0 ? from + count : from + end)
}

export function readAnyText(bits: Bits): string {
  const from = bits.take(8, 0) >> 3
  const end = bits.bytes.indexOf(0, from)
  if (end < 0 || end * 8 >= bits.limit) bits.fail('a string does not end inside the content of the packet')
  bits.at = (end + 1) * 8
  return bits.bytes.toString('utf8', from, end)
}

/** A text that rchan wrote: it is UTF-8. */
export function readOurText(bits: Bits): string {
  const from = bits.take(8, 0) >> 3
  const text = readAnyText(bits)
  if (!isUtf8(bits.bytes.subarray(from, (bits.at >> 3) - 1))) bits.fail('a string is no UTF-8')
  return text
}

export function readTruth(bits: Bits): boolean {
  const value = bits.bytes[bits.take(8, 8) >> 3]
  if (value > 1) bits.fail(`a bool is ${value}, neither 0 nor 1`)
  return value === 1
}
