/**
 * Makes readers of the types in others' metadata. What rchan's own types can't say is an error here
 * that names it, with its line and column. Any thread.
 *
 * A trace of rchan that went through another program (babeltrace2's `sink.ctf.fs`) has lost what
 * CTF can't say of its fields. But events keep their `model.emf.uri`, which has our types. So a
 * reader can be made for a type of ours, the one that is `wanted`; the metadata must fit it.
 */
import {
  floatReader,
  integerReader,
  readAnyText,
  readBytes,
  readCharacters,
  readList,
  readOurText,
  readTruth,
  type Bits,
  type ReadValue,
  type Stride,
} from './bits.js'
import { labelOf, labelsOf } from './enum-labels.js'
import type { DecodedValue } from './field-readers.js'
import {
  treeWords,
  type ArrayType,
  type ByteOrder,
  type EnumType,
  type IntegerType,
  type SequenceType,
  type StructType,
  type TreeMember,
  type TreeType,
  type VariantType,
} from './type-tree.js'
import {
  DEFAULT_MAX_BYTES,
  MAX_ELEMENTS,
  typeWords,
  type Field,
  type FieldType,
  type FieldTypeNode,
  type NumberTypeName,
} from './types.js'

/** The number that a field had when it was read last. */
export interface Cell {
  value: number | bigint
}

/** What readers are made with. */
export interface ReaderSetting {
  readonly order: ByteOrder
  /** What is to be done with integers that are mapped to a clock. */
  readonly clocks: 'set' | 'pass' | 'refuse'
  /** Numbers that the caller wants to know, by the names of their fields, at any depth. */
  readonly cells: ReadonlyMap<string, Cell>
  readonly fail: (what: string, at: number) => never
}

/** A reader, and the type of ours that its values have. */
interface Made {
  readonly type: FieldType
  readonly read: ReadValue
}

/** The members of a struct that stand before a place, with those of structs around it. */
class Names {
  readonly #numbers = new Map<string, { readonly type: IntegerType | EnumType; cell: Cell | undefined }>()
  constructor(readonly outer: Names | undefined) {}

  add({ written, type }: TreeMember, cell: Cell | undefined): void {
    if (type.kind === 'integer' || type.kind === 'enum') this.#numbers.set(written, { type, cell })
  }

  /** Finds a number by its name, and has it kept from now on. */
  find(name: string): { readonly type: IntegerType | EnumType; readonly cell: Cell } | undefined {
    const found = this.#numbers.get(name)
    if (found === undefined) return this.outer?.find(name)
    found.cell ??= { value: 0 }
    return { type: found.type, cell: found.cell }
  }

  cellOf(name: string): Cell | undefined {
    return this.#numbers.get(name)?.cell
  }
}

/** A struct's fields as ours, and the reader of its values. */
export interface StructReader {
  readonly fields: readonly Field[]
  readonly read: (bits: Bits) => Record<string, DecodedValue>
}

/**
 * Makes the reader of a struct.
 *
 * @param wanted the fields that it must have.
 * @throws TraceError by `fail`.
 */
export function structReader(
  type: StructType,
  setting: ReaderSetting,
  wanted?: readonly Field[],
): StructReader {
  return new ReaderMaker(setting).struct(type, wanted, undefined)
}

/** Makes a reader that only steps over a struct, and fills the cells. */
export function struckReader(type: StructType, setting: ReaderSetting): (bits: Bits) => void {
  return new ReaderMaker(setting).passing(type, undefined)
}

class ReaderMaker {
  readonly #setting: ReaderSetting

  constructor(setting: ReaderSetting) {
    this.#setting = setting
  }

  struct(type: StructType, wanted: readonly Field[] | undefined, outer: Names | undefined): StructReader {
    const names = new Names(outer)
    const fields: Field[] = []
    const members = type.members.map((member, index) => {
      const isPart = this.#isPart(type.members, index, wanted?.[fields.length])
      const want = isPart ? undefined : wanted?.[fields.length]
      if (!isPart && wanted !== undefined && want?.name !== member.name) this.#failWanted(member.at, want)
      const made = this.#value(member, want?.type, names)
      if (!isPart) fields.push({ name: member.name, type: made.type })
      names.add(member, this.#setting.cells.get(member.name))
      return { name: isPart ? undefined : member.name, member, made }
    })
    const missing = wanted?.[fields.length]
    if (missing !== undefined) this.#failWanted(type.at, missing)
    // Now it is known which numbers are needed.
    const steps = members.map(({ name, member, made }) => ({
      name,
      read: this.#keeping(member, made.read, names.cellOf(member.written), wanted !== undefined),
    }))
    const { alignBits } = type
    const read = (bits: Bits): Record<string, DecodedValue> => {
      const values: Record<string, DecodedValue> = {}
      bits.take(alignBits, 0)
      for (const { name, read: readOne } of steps) {
        const value = readOne(bits)
        if (name !== undefined) values[name] = value
      }
      return values
    }
    return { fields, read }
  }

  /** A struct of which only the cells count: it may have variants of any form. */
  passing(type: StructType, outer: Names | undefined): (bits: Bits) => void {
    const names = new Names(outer)
    const made = type.members.map((member) => {
      const read = this.#passingOne(member.type, member, names)
      names.add(member, this.#setting.cells.get(member.name))
      return { member, read }
    })
    const steps = made.map(({ member, read }) => {
      return this.#keeping(member, read as ReadValue, names.cellOf(member.written))
    })
    const { alignBits } = type
    return (bits) => {
      bits.take(alignBits, 0)
      for (const step of steps) step(bits)
    }
  }

  #passingOne(type: TreeType, member: TreeMember, names: Names): (bits: Bits) => unknown {
    if (type.kind === 'struct') return this.passing(type, names)
    if (type.kind !== 'variant') return this.#value(member, undefined, names).read
    const select = this.#selector(type, member, names)
    const options = type.options.map((option) => {
      const read = this.#passingOne(option.type, option, names)
      return this.#keeping(option, read as ReadValue, this.#setting.cells.get(option.name))
    })
    return (bits) => options[select(bits)](bits)
  }

  /** Whether a member is a part of the next one or the one behind: its length, its tag. */
  #isPart(members: readonly TreeMember[], index: number, wanted: Field | undefined): boolean {
    const { name, written } = members[index]
    const next = members.at(index + 1)
    if (next === undefined) return false
    // LTTng puts an underscore in front.
    const isLength = name === `${next.name}_length` || name === `_${next.name}_length`
    if (next.type.kind === 'sequence' && next.type.length === written && isLength) return true
    if (next.type.kind === 'variant' && next.type.tag === written && name === `${next.name}_is`) return true
    // Only our own lists have it.
    const last = members.at(index + 2)
    const isTotal = last?.type.kind === 'sequence' && name === `${last.name}_total`
    return isTotal && wanted !== undefined && wanted.name === last.name && isList(wanted.type)
  }

  /** Makes a reader keep the number, and set the clock. */
  #keeping({ type, at }: TreeMember, read: ReadValue, cell: Cell | undefined, isStrict = false): ReadValue {
    if (type.kind !== 'integer' && type.kind !== 'enum') return read
    const { clock, bits: width } = type.kind === 'enum' ? type.container : type
    const { clocks } = this.#setting
    const ticks = clock !== undefined && clocks === 'set'
    if (clock !== undefined && clocks === 'refuse') {
      this.#setting.fail(`a time (map = clock.${clock}.value) in the fields of an event`, at)
    }
    if (cell === undefined && !ticks) return read
    const number = this.#integer(type.kind === 'enum' ? type.container : type)
    return (bits) => {
      const value = number(bits)
      if (cell !== undefined) cell.value = value
      if (ticks) bits.tick(value, width)
      return type.kind === 'enum' ? textOf(bits, type, value, isStrict) : value
    }
  }

  #integer({ bits, alignBits, isSigned, order }: IntegerType): (bits: Bits) => number | bigint {
    return integerReader(bits, alignBits, isSigned, order ?? this.#setting.order)
  }

  #value(member: TreeMember, want: FieldType | undefined, names: Names): Made {
    const { type } = member
    switch (type.kind) {
      case 'integer':
      case 'float':
        return this.#number(type, want, member)
      case 'string':
        this.#checkWord('string', want, member)
        return { type: want ?? 'string', read: want === undefined ? readAnyText : readOurText }
      case 'enum':
        return this.#enumeration(type, want, member)
      case 'array':
        return this.#array(type, want, member)
      case 'sequence':
        return this.#sequence(type, want, member, names)
      case 'struct': {
        if (want !== undefined && wordOf(want) !== 'struct') this.#failType(member, want)
        const { fields, read } = this.struct(type, (want as StructNode | undefined)?.fields, names)
        return { type: want ?? { type: 'struct', fields }, read }
      }
      default:
        return this.#optional(type, want, member, names)
    }
  }

  #number(type: IntegerType | FloatOf, want: FieldType | undefined, member: TreeMember): Made {
    const word = numberWord(type)
    const read =
      type.kind === 'float'
        ? floatReader(type.bits, type.alignBits, type.order ?? this.#setting.order)
        : this.#integer(type)
    if (want !== undefined && wordOf(want) === 'bool' && word === 'u8') return { type: want, read: readTruth }
    this.#checkWord(word, want, member)
    const base = type.kind === 'integer' && type.base !== 10 ? type.base : undefined
    return { type: want ?? (base === undefined ? word : { type: word, base }), read }
  }

  #enumeration(type: EnumType, want: FieldType | undefined, member: TreeMember): Made {
    if (want !== undefined && wordOf(want) !== 'enum' && wordOf(want) !== 'interned') {
      this.#failType(member, want)
    }
    const number = this.#integer(type.container)
    const isStrict = want !== undefined
    const read: ReadValue = (bits) => textOf(bits, type, number(bits), isStrict)
    return { type: want ?? { type: 'enum', labels: labelsOf(type) }, read }
  }

  #array(type: ArrayType, want: FieldType | undefined, member: TreeMember): Made {
    const { length } = type
    const { of, read, stride, isText } = this.#elements(type, member)
    if (isText) {
      if (want !== undefined) this.#failType(member, want)
      return { type: 'string', read: (bits) => readCharacters(bits, type.of.alignBits, length) }
    }
    const isWanted =
      typeof want === 'object' && want.type === 'array' && want.of === of && want.length === length
    if (want !== undefined && !isWanted) this.#failType(member, want)
    return {
      type: want ?? { type: 'array', of, length },
      read: (bits) => readList(bits, length, stride, read),
    }
  }

  #sequence(type: SequenceType, want: FieldType | undefined, member: TreeMember, names: Names): Made {
    const found = names.find(type.length)
    if (found === undefined || found.type.kind !== 'integer' || found.type.isSigned) {
      this.#setting.fail(
        `the length of ${member.name}, ${type.length}, is no unsigned integer before it`,
        member.at,
      )
    }
    const { cell } = found
    const { of, read, stride, isText } = this.#elements(type, member)
    const count = (bits: Bits): number => countOf(bits, cell, max)
    const max = want !== undefined && isList(want) ? ((want as ListNode).max ?? DEFAULT_MAX_BYTES) : Infinity
    if (isText && want === undefined) {
      return { type: 'string', read: (bits) => readCharacters(bits, type.of.alignBits, count(bits)) }
    }
    if (want !== undefined && wordOf(want) === 'bytes' && of === 'u8' && stride.alignBits % 8 === 0) {
      return { type: want, read: (bits) => readBytes(bits, stride.alignBits, count(bits)) }
    }
    const isWanted = typeof want === 'object' && want.type === 'seq' && want.of === of
    if (want !== undefined && !isWanted) this.#failType(member, want)
    const ours: FieldType = { type: 'seq', of, max: MAX_ELEMENTS }
    return { type: want ?? ours, read: (bits) => readList(bits, count(bits), stride, read) }
  }

  /** What lists are made of: numbers, or the characters of a text. */
  #elements({ of: element, kind }: ArrayType | SequenceType, member: TreeMember): Elements {
    if (element.kind !== 'integer' && element.kind !== 'float') {
      this.#setting.fail(
        `${member.name} is ${kind === 'array' ? 'an array' : 'a sequence'} of ${treeWords(element).replace(/^an? /, '')}s: ` +
          `rchan has those of numbers`,
        member.at,
      )
    }
    if (element.kind === 'integer' && element.clock !== undefined) {
      this.#setting.fail(`${member.name} is a list of times of a clock`, member.at)
    }
    const { alignBits, bits } = element
    const of = numberWord(element)
    const read = this.#number(element, undefined, member).read
    const isText = element.kind === 'integer' && element.isText && bits === 8 && alignBits % 8 === 0
    return { of, read, isText, stride: { alignBits, bits } }
  }

  /** `none` or `some`, as our optional fields are written. */
  #optional(type: VariantType, want: FieldType | undefined, member: TreeMember, names: Names): Made {
    const [none, some, ...more] = type.options
    const isOptional =
      none?.name === 'none' &&
      none.type.kind === 'struct' &&
      none.type.members.length === 0 &&
      some?.name === 'some' &&
      more.length === 0
    if (!isOptional) {
      const options = type.options.map(({ name }) => name).join(', ')
      this.#setting.fail(
        `${member.name} is a variant of ${options.slice(0, 100)}: rchan has those of none (an empty struct) and some`,
        member.at,
      )
    }
    if (want !== undefined && wordOf(want) !== 'optional') this.#failType(member, want)
    const select = this.#selector(type, member, names)
    const of = (want as { readonly of: FieldType } | undefined)?.of
    const { type: ours, read } = this.#some(some, of, names)
    return {
      type: want ?? { type: 'optional', of: ours },
      read: (bits) => (select(bits) === 1 ? read(bits) : undefined),
    }
  }

  /** A list has its length before it, so in a variant there is a struct around it. */
  #some(some: TreeMember, want: FieldType | undefined, names: Names): Made {
    if (want === undefined || !isList(want) || some.type.kind !== 'struct')
      return this.#value(some, want, names)
    const { read } = this.struct(some.type, [{ name: 'list', type: want }], names)
    return { type: want, read: (bits) => read(bits).list }
  }

  /** Returns the function that tells which option of a variant is there. */
  #selector(type: VariantType, member: TreeMember, names: Names): (bits: Bits) => number {
    const tag = type.tag === undefined ? undefined : names.find(type.tag)
    if (tag === undefined || tag.type.kind !== 'enum') {
      this.#setting.fail(
        `the tag of variant ${member.name}, ${type.tag ?? 'which has none'}, is no enum before it`,
        member.at,
      )
    }
    const { cell, type: tagType } = tag
    const indexes = new Map(type.options.map(({ written }, index) => [written, index]))
    return (bits) => {
      const index = indexes.get(textOf(bits, tagType, cell.value, true))
      return index ?? bits.fail(`variant ${member.name} has the tag ${cell.value}, which no option has`)
    }
  }

  #checkWord(word: string, want: FieldType | undefined, member: TreeMember): void {
    if (want !== undefined && wordOf(want) !== word) this.#failType(member, want)
  }

  #failType({ name, type, at }: TreeMember, want: FieldType): never {
    return this.#setting.fail(`${name} is ${treeWords(type)}, but model.emf.uri says ${typeWords(want)}`, at)
  }

  #failWanted(at: number, want: Field | undefined): never {
    const what = want === undefined ? 'no further field' : `a field ${want.name} here`
    return this.#setting.fail(`model.emf.uri says that there is ${what}`, at)
  }
}

type FloatOf = Extract<TreeType, { readonly kind: 'float' }>
type StructNode = Extract<FieldTypeNode, { readonly type: 'struct' }>
interface ListNode {
  readonly max?: number
}

interface Elements {
  readonly of: NumberTypeName
  readonly read: ReadValue
  readonly isText: boolean
  readonly stride: Stride
}

function wordOf(type: FieldType): string {
  return typeof type === 'string' ? type : type.type
}

function isList(type: FieldType): boolean {
  const word = wordOf(type)
  return word === 'seq' || word === 'bytes'
}

/** The type of ours that has room for a number. */
function numberWord(type: IntegerType | FloatOf): NumberTypeName {
  if (type.kind === 'float') return type.bits === 32 ? 'f32' : 'f64'
  const { bits, isSigned } = type
  const size = bits <= 8 ? 8 : bits <= 16 ? 16 : bits <= 32 ? 32 : 64
  return `${isSigned ? 'i' : 'u'}${size}`
}

function countOf(bits: Bits, { value }: Cell, max: number): number {
  const count = Number(value)
  if (count > max) bits.fail(`a list has ${count} elements, and at most ${max}`)
  return count
}

/**
 * Returns the label of a number.
 *
 * @param isStrict whether a number without label is an error. Otherwise it is its own text.
 */
function textOf(bits: Bits, type: EnumType, value: number | bigint, isStrict: boolean): string {
  const label = labelOf(type, value)
  if (label !== undefined) return label
  return isStrict ? bits.fail(`an enum is ${value}, for which it has no label`) : String(value)
}
