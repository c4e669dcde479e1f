/**
 * The types of a metadata text by others, as data. `type-parser.ts` makes them, `type-readers.ts`
 * makes readers of them. Types only, and what can be said of a type without reading.
 *
 * An alias is no copy: two members can have the same type object. So a short text can say a tree
 * that is huge when it is walked. Each type counts its `leaves` when it is made, and a count that
 * is too high ends the parsing.
 */

export type ByteOrder = 'le' | 'be'

interface Common {
  /** Where it stands in the text. */
  readonly at: number
  /** Alignment in bits, a power of two. */
  readonly alignBits: number
  /** Members and elements in it that are no structs, at most. */
  readonly leaves: number
  /** How many types are nested in it. */
  readonly depth: number
}

export interface IntegerType extends Common {
  readonly kind: 'integer'
  /** 1 to 64. */
  readonly bits: number
  readonly isSigned: boolean
  /** Undefined for that of the trace. */
  readonly order: ByteOrder | undefined
  readonly base: 2 | 8 | 10 | 16
  /** Whether it is a part of a text. */
  readonly isText: boolean
  /** The clock whose value it is. */
  readonly clock: string | undefined
}

export interface FloatType extends Common {
  readonly kind: 'float'
  readonly bits: 32 | 64
  readonly order: ByteOrder | undefined
}

export interface StringType extends Common {
  readonly kind: 'string'
}

/** The numbers that have a label. */
export interface EnumRange {
  readonly label: string
  readonly first: bigint
  readonly last: bigint
}

export interface EnumType extends Common {
  readonly kind: 'enum'
  readonly container: IntegerType
  readonly ranges: readonly EnumRange[]
}

export interface ArrayType extends Common {
  readonly kind: 'array'
  readonly of: TreeType
  readonly length: number
}

export interface SequenceType extends Common {
  readonly kind: 'sequence'
  readonly of: TreeType
  /** The name of the field that has the length, as the text has it. */
  readonly length: string
}

export interface TreeMember {
  /** Without the underscore in front that readers remove. */
  readonly name: string
  /** As the text has it. */
  readonly written: string
  readonly type: TreeType
  readonly at: number
}

export interface StructType extends Common {
  readonly kind: 'struct'
  readonly members: readonly TreeMember[]
}

export interface VariantType extends Common {
  readonly kind: 'variant'
  /** The name of the field that selects the option; undefined if a declaration leaves it open. */
  readonly tag: string | undefined
  readonly options: readonly TreeMember[]
}

export type TreeType =
  IntegerType | FloatType | StringType | EnumType | ArrayType | SequenceType | StructType | VariantType

/** The most leaves of a type, and the deepest nesting. */
export const MAX_LEAVES = 4096
export const MAX_NESTING = 16

/** Returns a type in words, for messages. */
export function treeWords(type: TreeType): string {
  switch (type.kind) {
    case 'integer':
      return `an integer of ${type.bits} bits`
    case 'float':
      return 'a floating_point'
    case 'enum':
      return 'an enum'
    case 'array':
      return 'an array'
    default:
      return `a ${type.kind}`
  }
}
