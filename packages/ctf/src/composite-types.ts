/**
 * How fields of types with parameters are stored: enumerations, limited texts, numbers with
 * options, bytes, sequences, arrays, structs, optionals. See `field-types.ts`, which has the types
 * of one word.
 *
 * A composite value is the caller's object. It may change between two looks, and a getter of it may
 * trace. So it is looked into once, while it is stored into scratch memory: an element that does
 * not fit ends the store with {@link MISFIT}. In the metadata:
 *
 * ```text
 *   bytes, seq    u32 _x_total; u32 _x_length; f32 _x[_x_length];
 *                 total: how many were given; length: how many are there. total is aligned like an element, so
 *                 the elements follow without a gap
 *   array         f32 _x[4];
 *   struct        struct { f32 _x; f32 _y; } _p;
 *   optional      enum : u8 { "none" = 0, "some" = 1 } _x_is;
 *                 variant <_x_is> { struct { } none; f32 some; } _x;
 * ```
 *
 * Pure functions, any thread.
 */
import { isBytes } from './field-functions.js'
import {
  FIELD_TYPES,
  MISFIT,
  PACKED_ALIGN_BYTES,
  stored,
  textType,
  TOO_BIG,
  type FieldDescriptor,
  type FieldMemory,
  type SimpleTypeName,
} from './field-types.js'
import {
  DEFAULT_MAX_BYTES,
  type Field,
  type FieldType,
  type FieldTypeNode,
  type NumberTypeName,
} from './types.js'

/** Enumerations with more labels are looked up in a table, and have no source text. */
const MAX_INLINE_LABELS = 16
/**
 * With a leading underscore these are keywords of the language, so they are written without one.
 */
const NEVER_PREFIXED: readonly string[] = ['Bool', 'Complex', 'Imaginary']

/** Returns the name of a field as the metadata has it. Readers remove one leading underscore. */
export function tsdlFieldName(name: string): string {
  for (let index = 0; index < NEVER_PREFIXED.length; index += 1)
    if (NEVER_PREFIXED[index] === name) return name
  return `_${name}`
}

/** Everything about a type, except how it is read back. */
export function fieldType(type: FieldType): FieldDescriptor {
  if (typeof type === 'string') return type === 'bytes' ? BYTES : FIELD_TYPES[type]
  switch (type.type) {
    case 'enum':
      return enumeration(type.labels)
    case 'seq':
      return sequence(type.of, type.max)
    case 'array':
      return array(type.of, type.length)
    case 'struct':
      return struct(type.fields)
    case 'optional':
      return optional(fieldType(type.of))
    case 'string':
      return textType(type.max)
    case 'bytes':
      return bytesType(type.max ?? DEFAULT_MAX_BYTES)
    default:
      return withBase(FIELD_TYPES[type.type], type)
  }
}

/** A number that readers show in another base. */
function withBase(descriptor: FieldDescriptor, { base }: FieldTypeNode): FieldDescriptor {
  const { declaration, alignBytes } = descriptor
  if (base === undefined || declaration === undefined) return descriptor
  return {
    ...descriptor,
    member: (name, packed) =>
      `${declaration(packed ? (alignBytes > PACKED_ALIGN_BYTES ? PACKED_ALIGN_BYTES : alignBytes) : alignBytes).replace(/ }$/, ` base = ${base}; }`)} ${name};`,
  }
}

function enumeration(labels: readonly string[]): FieldDescriptor {
  const word = labels.length > 256 ? 'u16' : 'u8'
  const bits = word === 'u16' ? 16 : 8
  const numbers = Object.create(null) as Record<string, number | undefined>
  let members = ''
  let misfit = ''
  let convert = ''
  for (let index = 0; index < labels.length; index += 1) {
    numbers[labels[index]] = index
    const literal = JSON.stringify(labels[index])
    members += `${index === 0 ? '' : ', '}${quote(labels[index])} = ${index}`
    misfit += `${index === 0 ? '' : ' && '}$ !== ${literal}`
    convert += index === labels.length - 1 ? `${index}` : `$ === ${literal} ? ${index} : `
  }
  const base = stored(word, bits)
  const composite = labels.length > MAX_INLINE_LABELS
  return {
    ...base,
    composite,
    declaration: undefined,
    member: (name) => `enum : ${word} { ${members} } ${name};`,
    fits: (value): value is string => typeof value === 'string' && numbers[value] !== undefined,
    misfitCode: (local) => `(${misfit.replaceAll('$', () => local)})`,
    convert: composite ? undefined : (_, value) => numbers[value as string],
    convertCode: (local) => `${local} = ${convert.replaceAll('$', () => local)}`,
    store: composite
      ? (memory, at, value) => {
          const number = typeof value === 'string' ? numbers[value] : undefined
          return number === undefined ? MISFIT : base.store(memory, at, number)
        }
      : base.store,
  }
}

/** What composite types have instead of source text. */
const NO_CODE: Pick<
  FieldDescriptor,
  'composite' | 'misfitCode' | 'convert' | 'convertCode' | 'storeCode' | 'declaration'
> = {
  composite: true,
  misfitCode: noCode,
  convert: undefined,
  convertCode: noCode,
  storeCode: noCode,
  declaration: undefined,
}

function noCode(): never {
  throw new TypeError('a composite type has no source text')
}

/** The sizes of values are found by storing them: there is no bound before. */
function variable(
  end: (bytes: Uint8Array, at: number, limit: number) => number,
): FieldDescriptor['variable'] {
  return { leastCode: noCode, mostCode: noCode, exactCode: noCode, least: () => 0, exact: () => 0, end }
}

const LIST_HEAD_BYTES = 8
const BYTES = bytesType(DEFAULT_MAX_BYTES)

function bytesType(max: number): FieldDescriptor {
  return {
    ...listType('u8', max),
    fits: isBytes,
    store: (memory, at, value) => {
      if (!isBytes(value)) return MISFIT
      const { length: total } = value
      const count = total > max ? max : total
      const from = at + LIST_HEAD_BYTES
      if (from + count > memory.limit) return TOO_BIG
      storeHead(memory, at, total, count)
      for (let index = 0; index < count; index += 1) memory.u8[from + index] = value[index]
      return from + count
    },
  }
}

function sequence(of: NumberTypeName, max: number): FieldDescriptor {
  const element = FIELD_TYPES[of]
  return {
    ...listType(of, max),
    fits: isList,
    store: (memory, at, value) => {
      if (!isList(value)) return MISFIT
      const { length: total } = value
      if (typeof total !== 'number' || total >>> 0 !== total) return MISFIT
      const count = total > max ? max : total
      const from = at + LIST_HEAD_BYTES
      if (from + count * element.bytes > memory.limit) return TOO_BIG
      storeHead(memory, at, total, count)
      return storeElements(memory, from, value, count, element)
    },
  }
}

/** Everything that lists with a length have in common. */
function listType(of: SimpleTypeName, max: number): Omit<FieldDescriptor, 'fits' | 'store'> {
  const { alignBytes, bytes: elementBytes } = FIELD_TYPES[of]
  const isWide = alignBytes === 8
  const total = isWide ? 'integer { size = 32; align = 64; signed = false; }' : 'u32'
  return {
    ...NO_CODE,
    bytes: LIST_HEAD_BYTES,
    alignBytes: isWide ? 8 : 4,
    variable: variable((memory, at, limit) => {
      const from = at + LIST_HEAD_BYTES
      if (from > limit) return -1
      const count = loadU32(memory, at + 4)
      if (count > max || count > loadU32(memory, at)) return -1
      const end = from + count * elementBytes
      return end <= limit ? end : -1
    }),
    member: (name) => `${total} ${name}_total;\n\t\tu32 ${name}_length;\n\t\t${of} ${name}[${name}_length];`,
  }
}

function array(of: NumberTypeName, length: number): FieldDescriptor {
  const element = FIELD_TYPES[of]
  const size = element.bytes * length
  return {
    ...NO_CODE,
    bytes: size,
    alignBytes: element.alignBytes,
    variable: undefined,
    member: (name) => `${of} ${name}[${length}];`,
    fits: isList,
    store: (memory, at, value) => {
      if (!isList(value) || value.length !== length) return MISFIT
      if (at + size > memory.limit) return TOO_BIG
      return storeElements(memory, at, value, length, element)
    },
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return typeof value === 'object' && value !== null
}

function storeHead(memory: FieldMemory, at: number, total: number, count: number): void {
  memory.u32[at >> 2] = total
  memory.u32[(at + 4) >> 2] = count
  if (count < total) memory.cut()
}

function storeElements(
  memory: FieldMemory,
  from: number,
  value: ArrayLike<unknown>,
  count: number,
  { fits, store }: FieldDescriptor,
): number {
  let at = from
  for (let index = 0; index < count; index += 1) {
    const element = value[index]
    if (!fits(element)) return MISFIT
    at = store(memory, at, element)
  }
  return at
}

function struct(fields: readonly Field[]): FieldDescriptor {
  const members: { readonly name: string; readonly descriptor: FieldDescriptor }[] = []
  let alignBytes: 1 | 2 | 4 | 8 = 1
  let size = 0
  let isFixed = true
  let text = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { name, type } = fields[index]
    const descriptor = fieldType(type)
    members[index] = { name, descriptor }
    if (descriptor.alignBytes > alignBytes) alignBytes = descriptor.alignBytes as 1 | 2 | 4 | 8
    size = alignUp(size, descriptor.alignBytes) + descriptor.bytes
    if (descriptor.variable !== undefined) isFixed = false
    text += ` ${descriptor.member(tsdlFieldName(name), false).replaceAll('\n\t\t', ' ')}`
  }
  const end = (memory: Uint8Array, from: number, limit: number): number => {
    let at = from
    for (let index = 0; index < members.length; index += 1) {
      const { descriptor } = members[index]
      at = alignUp(at, descriptor.alignBytes)
      at =
        descriptor.variable === undefined ? at + descriptor.bytes : descriptor.variable.end(memory, at, limit)
      if (at < 0 || at > limit) return -1
    }
    return at
  }
  return {
    ...NO_CODE,
    // Behind a member of variable length this is a lower bound: alignment can only add to it.
    bytes: size,
    alignBytes,
    variable: isFixed ? undefined : variable(end),
    member: (name) => `struct {${text} } ${name};`,
    fits: (value): value is object => typeof value === 'object' && value !== null,
    store: (memory, from, value) => {
      if (typeof value !== 'object' || value === null) return MISFIT
      let at = from
      for (let index = 0; index < members.length; index += 1) {
        const { name, descriptor } = members[index]
        at = capture(descriptor, memory, at, (value as Record<string, unknown>)[name])
        if (at < 0) return at
      }
      return at
    },
  }
}

const NONE = 0
const SOME = 1

/** A list is several members of a struct, and a variant's option is one: so it has a struct. */
function optionMember(of: FieldDescriptor): string {
  const text = of.member('some', false)
  return text.includes('\n')
    ? `struct { ${of.member('_list', false).replaceAll('\n\t\t', ' ')} } some;`
    : text
}

function optional(of: FieldDescriptor): FieldDescriptor {
  return {
    ...NO_CODE,
    bytes: 1,
    // A variant is aligned by what is in it: here nothing is known of that.
    alignBytes: 1,
    variable: variable((memory, at, limit) => {
      if (at >= limit) return -1
      if (memory[at] === NONE) return at + 1
      if (memory[at] !== SOME) return -1
      const from = alignUp(at + 1, of.alignBytes)
      const end = of.variable === undefined ? from + of.bytes : of.variable.end(memory, from, limit)
      return end <= limit ? end : -1
    }),
    member: (name) =>
      `enum : u8 { "none" = ${NONE}, "some" = ${SOME} } ${name}_is;\n\t\t` +
      `variant <${name}_is> { struct { } none; ${optionMember(of)} } ${name};`,
    fits: (value): value is unknown => value === undefined || value === null || of.fits(value),
    store: (memory, at, value) => {
      if (at + 1 > memory.limit) return TOO_BIG
      const isThere = value !== undefined && value !== null
      memory.u8[at] = isThere ? SOME : NONE
      return isThere ? capture(of, memory, at + 1, value) : at + 1
    },
  }
}

/**
 * Stores a value of a caller behind `at`, aligned, if it fits. Each value is looked at once.
 *
 * @returns the first byte behind it, {@link MISFIT} or {@link TOO_BIG}.
 */
export function capture(
  descriptor: FieldDescriptor,
  memory: FieldMemory,
  at: number,
  value: unknown,
): number {
  const from = alignUp(at, descriptor.alignBytes)
  if (descriptor.composite) return descriptor.store(memory, from, value)
  if (!descriptor.fits(value)) return MISFIT
  const { convert, variable: isVariable } = descriptor
  const converted = convert === undefined ? value : convert(memory, value)
  // A text has at least as many bytes as characters. The memory has room for three a character.
  const least = isVariable === undefined ? 0 : isVariable.least(converted)
  if (from + descriptor.bytes + least > memory.limit) return TOO_BIG
  return descriptor.store(memory, from, converted)
}

/** Rounds `position` up to a multiple of `alignBytes` (a power of two). */
function alignUp(position: number, alignBytes: number): number {
  return (position + alignBytes - 1) & -alignBytes
}

function loadU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/**
 * Makes a string literal. Control characters become three octal digits, so they can't swallow a
 * digit that follows.
 */
export function quote(text: string): string {
  let literal = '"'
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index]
    const code = text.charCodeAt(index)
    if (char === '"' || char === '\\') literal += `\\${char}`
    else if (char === '\n') literal += '\\n'
    else if (code < 0x20 || code === 0x7f) literal += `\\${code.toString(8).padStart(3, '0')}`
    else literal += char
  }
  return `${literal}"`
}
