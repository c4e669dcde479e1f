/** Arguments of tasks as a short text. */
import { expect, test } from 'vitest'
import { choose } from '../src/catalog.ts'
import { argumentsText } from '../src/task-arguments.ts'

class Point {
  x = 1
  get secret(): never {
    throw new Error('called')
  }
}

test.each([
  [[], ''],
  [['a "b"', 1.5, -0, 7n, true, null, undefined], '"a \\"b\\"", 1.5, 0, 7n, true, null, undefined'],
  [
    [{ path: '/a', size: 3, deep: { list: [1, { a: 1 }] } }],
    '{ path: "/a", size: 3, deep: { list: Array(2) } }',
  ],
  [[[1, [2, [3]]]], '[1, [2, Array(1)]]'],
  [
    [Buffer.alloc(9), new DataView(new ArrayBuffer(8)), new SharedArrayBuffer(4)],
    'Uint8Array(9 bytes), DataView(8 bytes), ArrayBuffer(4 bytes)',
  ],
  [[new Map([[1, 2]]), new Set([1]), new Date(5)], 'Map(1), Set(1), Date(5)'],
  [[() => 1, Symbol('x'), 2n ** 80n], 'function, symbol, a large bigint'],
  [[new Point(), Object.create(null), {}], '{ x: 1 }, {}, {}'],
  // oxlint-disable-next-line no-sparse-arrays
  [[[1, , 3]], '[1, undefined, 3]'],
])('%o', (values, text) => {
  expect(argumentsText(values as unknown[])).toBe(text)
})

test('it is short, whatever it is of', () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key${index}`, index]))
  expect(argumentsText([many])).toMatch(/^\{ key0: 0, .*key7: 7, … \}$/)
  expect(argumentsText([Array.from({ length: 1000 }, () => 1)])).toBe('[1, 1, 1, 1, 1, 1, 1, 1, … 992 more]')
  expect(argumentsText(['x'.repeat(1e6)])).toHaveLength(62)
  const wide = Array.from({ length: 8 }, () => 'x'.repeat(1000))
  expect(argumentsText([wide, wide])).toHaveLength(160)
  const circle: { self?: unknown } = {}
  circle.self = circle
  expect(argumentsText([circle])).toBe('{ self: { self: {…} } }')
})

test('no code of the program runs', () => {
  const called: string[] = []
  const trap = new Proxy(
    {},
    {
      get: (_, key) => called.push(`get ${String(key)}`),
      ownKeys: () => {
        called.push('ownKeys')
        return []
      },
    },
  )
  const odd = {
    get value() {
      called.push('getter')
      return 1
    },
    toJSON: () => called.push('toJSON'),
    toString: () => called.push('toString'),
    [Symbol.toPrimitive]: () => called.push('toPrimitive'),
    trap,
  }
  const list = Object.defineProperty([1, 2], 1, { get: () => called.push('element') })
  const bytes = Object.defineProperty(new Uint8Array(3), Symbol.toStringTag, {
    get: () => called.push('tag'),
  })
  expect(argumentsText([odd, list, bytes])).toBe(
    '{ value: …, toJSON: function, toString: function, trap: Proxy }, [1, …], Uint8Array(3 bytes)',
  )
  expect(called).toEqual([])
})

test('it has to be asked for by its name', () => {
  const names = (choice: string[]): string[] => choose(choice).map(({ name }) => name)
  expect(names([])).not.toContain('arguments')
  expect(names(['all'])).not.toContain('arguments')
  expect(names(['all'])).toContain('samples')
  expect(names(['arguments'])).toContain('arguments')
  expect(names(['arguments', '-all'])).toEqual([])
})
