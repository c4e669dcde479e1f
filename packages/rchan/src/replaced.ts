/**
 * Finds the built-ins that a program has replaced since rchan was imported. If a recording can't
 * start or stop, the error names them.
 */
import { builtins } from '@rchan/runtime/declaring'
import * as kept from './builtins.js'

const { Buffer } = builtins.buffer
const { TextDecoder, TextEncoder } = builtins.util

const KEPT: Readonly<Record<string, unknown>> = kept

interface Part {
  readonly of: string
  readonly owner: object
  readonly name: string | symbol
}

/** Built-ins that are not kept, but that the start and the stop of a recording use. */
const PARTS: Part[] = []
for (const name of [
  'filter',
  'find',
  'forEach',
  'includes',
  'join',
  'map',
  'push',
  'slice',
  'some',
  'splice',
])
  PARTS.push({ of: 'Array.prototype', owner: Array.prototype, name })
const iterators = Object.getPrototypeOf([][Symbol.iterator]()) as object
PARTS.push(
  { of: 'Array.prototype', owner: Array.prototype, name: Symbol.iterator },
  { of: 'ArrayIterator.prototype', owner: iterators, name: 'next' },
  { of: 'Buffer', owner: Buffer, name: 'byteLength' },
  { of: 'Buffer', owner: Buffer, name: 'from' },
  { of: 'globalThis', owner: globalThis, name: 'TextEncoder' },
  { of: 'globalThis', owner: globalThis, name: 'TextDecoder' },
  { of: 'TextEncoder.prototype', owner: TextEncoder.prototype, name: 'encode' },
  { of: 'TextDecoder.prototype', owner: TextDecoder.prototype, name: 'decode' },
)
const THEN: unknown[] = []
for (const part of PARTS) THEN.push(valueOf(part))

/**
 * Returns the names of the replaced built-ins, separated by commas; empty if none is known to be
 * replaced.
 */
export function replacedBuiltins(): string {
  const globals = globalThis as unknown as Record<string, Record<string, unknown> | undefined>
  const names = kept.Object_keys(KEPT)
  let found = ''
  const add = (name: string): void => {
    found += found === '' ? name : `, ${name}`
  }
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index]
    const at = name.indexOf('_')
    const owner = at < 0 ? name : name.slice(0, at)
    const member = name.slice(at + 1)
    if (at < 0 && globals[owner] !== KEPT[name]) add(owner)
    if (at >= 0 && globals[owner]?.[member] !== KEPT[name]) add(`${owner}.${member}`)
  }
  for (let index = 0; index < PARTS.length; index += 1) {
    const part = PARTS[index]
    if (valueOf(part) === THEN[index]) continue
    add(`${part.of}${typeof part.name === 'string' ? `.${part.name}` : '[Symbol.iterator]'}`)
  }
  return found
}

function valueOf({ owner, name }: Part): unknown {
  return (owner as Record<string | symbol, unknown>)[name]
}
