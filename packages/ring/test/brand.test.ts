import { runInNewContext, runInThisContext } from 'node:vm'
import { isBytes, isSharedMemory, nameOfTypedArray } from '@rchan/ring'
import { describe, expect, test } from 'vitest'

const elsewhere = (source: string): unknown =>
  runInNewContext(source, { SharedArrayBuffer: undefined }) as unknown

describe.each([
  ['this realm', (source: string): unknown => runInThisContext(source) as unknown],
  ['another realm', (source: string): unknown => runInNewContext(source) as unknown],
])('of %s', (_, make) => {
  test('shared memory is told from other memory', () => {
    expect(isSharedMemory(make('new SharedArrayBuffer(8)'))).toBe(true)
    expect(isSharedMemory(make('new ArrayBuffer(8)'))).toBe(false)
    expect(isSharedMemory(make('Object.create(SharedArrayBuffer.prototype)'))).toBe(false)
    expect(isSharedMemory(make('({ byteLength: 8, [Symbol.toStringTag]: "SharedArrayBuffer" })'))).toBe(false)
  })

  test('bytes are told from other arrays', () => {
    expect(isBytes(make('new Uint8Array(8)'))).toBe(true)
    expect(isBytes(make('new Uint8Array(new SharedArrayBuffer(8))'))).toBe(true)
    expect(isBytes(make('new Int8Array(8)'))).toBe(false)
    expect(isBytes(make('new DataView(new ArrayBuffer(8))'))).toBe(false)
    expect(isBytes(make('[1, 2]'))).toBe(false)
    expect(isBytes(make('({ length: 1, [Symbol.toStringTag]: "Uint8Array" })'))).toBe(false)
    expect(nameOfTypedArray(make('new Float64Array(1)'))).toBe('Float64Array')
  })
})

test('a subclass is what it extends; nothing is nothing', () => {
  expect(isBytes(Buffer.from('a'))).toBe(true)
  for (const value of [undefined, null, 0, 'a', Symbol('a'), elsewhere('({})')]) {
    expect(isBytes(value)).toBe(false)
    expect(isSharedMemory(value)).toBe(false)
  }
})
