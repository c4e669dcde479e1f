/**
 * The probe `arguments`: what tasks of pools were given, as a short text. It may hold secrets, so
 * the probe has to be asked for by its own name.
 */
import { types } from 'node:util'
import { tracepoint } from '@rchan/trace'
import { late } from './late.js'
import type { Probe } from './probe.js'

/** Characters of all of it, and of one text in it. */
const LONGEST = 160
const LONGEST_TEXT = 60
/** Properties of an object, or elements, that are shown. */
const MOST = 8
/** Levels of properties. */
const DEPTH = 2

/** The thread that submits gives the task to a worker. */
const given = late(() => tracepoint('task:arguments', { id: 'u64', text: 'string' }))

/** What is behind a getter of Node's own: the program may have properties of these names. */
function getterOf(prototype: object, name: PropertyKey): (value: unknown) => unknown {
  const property = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
  return (value) => property.get?.call(value) as unknown
}
const kindOfView = getterOf(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag)
const sizeOfMap = getterOf(Map.prototype, 'size')
const sizeOfSet = getterOf(Set.prototype, 'size')

let isOn = false

export const taskArguments: Probe = {
  name: 'arguments',
  description: 'the arguments of tasks, which may be secret, as a short text',
  byDefault: false,
  isPrivate: true,
  install() {
    isOn = true
    return () => {
      isOn = false
    }
  },
}

/**
 * Records the arguments of a task, if the probe is on.
 *
 * @param args all of them in a list, or the only one.
 */
export function tellArguments(id: number, args: unknown, areListed: boolean): void {
  if (isOn && given().enabled)
    given()({ id, text: argumentsText(areListed && Array.isArray(args) ? args : [args]) })
}

/**
 * Returns arguments as a text of bounded length, in a bounded time. No code of the program runs: no
 * getter, no `toJSON`, no proxy.
 */
export function argumentsText(values: readonly unknown[]): string {
  let text: string
  try {
    text = listed(values, DEPTH)
  } catch {
    // The prototype of an object may be a proxy of the program.
    return '…'
  }
  return cut(text, LONGEST)
}

function textOf(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(cut(value, LONGEST_TEXT))
    case 'bigint':
      // All digits of a large one would take long.
      return BigInt.asIntN(64, value) === value ? `${value}n` : 'a large bigint'
    case 'object':
      return value === null ? 'null' : objectText(value, depth)
    case 'function':
      return 'function'
    case 'symbol':
      return 'symbol'
    default:
      return String(value)
  }
}

function objectText(value: object, depth: number): string {
  if (types.isProxy(value)) return 'Proxy'
  if (ArrayBuffer.isView(value)) return `${kindText(value)}(${value.byteLength} bytes)`
  if (types.isAnyArrayBuffer(value)) return `ArrayBuffer(${value.byteLength} bytes)`
  if (types.isMap(value)) return `Map(${Number(sizeOfMap(value))})`
  if (types.isSet(value)) return `Set(${Number(sizeOfSet(value))})`
  if (types.isDate(value)) return `Date(${Date.prototype.getTime.call(value)})`
  if (Array.isArray(value)) return depth === 0 ? `Array(${value.length})` : `[${listed(value, depth - 1)}]`
  if (depth === 0) return '{…}'
  const parts: string[] = []
  for (const key in value) {
    const property = Object.getOwnPropertyDescriptor(value, key)
    if (property === undefined) continue
    if (parts.length === MOST) {
      parts.push('…')
      break
    }
    parts.push(`${cut(key, LONGEST_TEXT)}: ${'value' in property ? textOf(property.value, depth - 1) : '…'}`)
  }
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`
}

function kindText(view: ArrayBufferView): string {
  const kind = kindOfView(view)
  return typeof kind === 'string' ? kind : 'DataView'
}

function listed(values: readonly unknown[], depth: number): string {
  const parts: string[] = []
  for (let index = 0; index < values.length && index < MOST; index += 1) {
    const property = Object.getOwnPropertyDescriptor(values, index)
    parts.push(property === undefined || 'value' in property ? textOf(property?.value, depth) : '…')
  }
  if (values.length > MOST) parts.push(`… ${values.length - MOST} more`)
  return parts.join(', ')
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}
