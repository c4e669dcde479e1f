/**
 * Finds the built-ins that a program has replaced since rchan was imported. If a recording can't
 * start or stop, the error names them.
 */
// oxlint-disable typescript/unbound-method -- none of them is called
import { builtins } from '@rchan/runtime/declaring'
import { keptBuiltins, Object_keys } from './builtins.js'

const { Buffer } = builtins.buffer
const { TextDecoder, TextEncoder } = builtins.util

const arrays = Array.prototype
const iterators = Object.getPrototypeOf([][Symbol.iterator]()) as { readonly next: unknown }

/** Built-ins that are not kept, but that the start and the stop of a recording use, as they are. */
const present = (): Readonly<Record<string, unknown>> => ({
  'Array.prototype.filter': arrays.filter,
  'Array.prototype.find': arrays.find,
  'Array.prototype.forEach': arrays.forEach,
  'Array.prototype.includes': arrays.includes,
  'Array.prototype.join': arrays.join,
  'Array.prototype.map': arrays.map,
  'Array.prototype.push': arrays.push,
  'Array.prototype.slice': arrays.slice,
  'Array.prototype.some': arrays.some,
  'Array.prototype.splice': arrays.splice,
  'Array.prototype[Symbol.iterator]': arrays[Symbol.iterator],
  'ArrayIterator.prototype.next': iterators.next,
  'Buffer.byteLength': Buffer.byteLength,
  'Buffer.from': Buffer.from,
  'globalThis.TextEncoder': globalThis.TextEncoder,
  'globalThis.TextDecoder': globalThis.TextDecoder,
  'TextEncoder.prototype.encode': TextEncoder.prototype.encode,
  'TextDecoder.prototype.decode': TextDecoder.prototype.decode,
})
const THEN = present()

/**
 * Returns the names of the replaced built-ins, separated by commas; empty if none is known to be
 * replaced.
 */
export function replacedBuiltins(): string {
  const globals = globalThis as unknown as Record<string, Record<string, unknown> | undefined>
  const kept = keptBuiltins()
  const names = Object_keys(kept)
  let found = ''
  const add = (name: string): void => {
    found += found === '' ? name : `, ${name}`
  }
  for (let index = 0; index < names.length; index += 1) {
    const name = names[index]
    const at = name.indexOf('_')
    const owner = at < 0 ? name : name.slice(0, at)
    const member = name.slice(at + 1)
    if (at < 0 && globals[owner] !== kept[name]) add(owner)
    if (at >= 0 && globals[owner]?.[member] !== kept[name]) add(`${owner}.${member}`)
  }
  const now = present()
  const parts = Object_keys(now)
  for (let index = 0; index < parts.length; index += 1) {
    if (now[parts[index]] !== THEN[parts[index]]) add(parts[index])
  }
  return found
}
