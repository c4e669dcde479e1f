/**
 * How fields of each type are stored. Each one-word type has one entry with everything that a
 * writer, the metadata and the layout need: its size, which values fit, how they are stored, and
 * how the metadata declares it. `composite-types.ts` makes the same for a type that has parameters.
 * `field-readers.ts` is the other half, which only readers load. To add a type, add it to `types`,
 * and an entry to both tables. The compiler names the rest: Perfetto has kinds of values of its own
 * (`export/annotations`).
 *
 * An encoder is compiled from source text, or works step by step where a program forbids that. So
 * each entry has both forms. They are made from one description, so the range of a type is written
 * once. Pure functions, callable on any thread.
 *
 * In source text these names are in scope: the typed arrays of {@link FieldMemory} over the
 * record's memory, its functions, {@link asI64} and {@link asU64}, and `cursor`, see
 * {@link VariableLength}.
 */
import { asI64, asU64, floor } from './field-functions.js'
import type { FieldTypeName } from './types.js'

/** Memory as typed arrays with the same start. */
export interface NumberViews {
  readonly u8: Uint8Array
  readonly i8: Int8Array
  readonly u16: Uint16Array
  readonly i16: Int16Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly u64: BigUint64Array
  readonly i64: BigInt64Array
  readonly f32: Float32Array
  readonly f64: Float64Array
}

/** Returns views of a whole buffer, whose length is a multiple of 8. */
export function numberViews(buffer: ArrayBuffer): NumberViews {
  return {
    u8: new Uint8Array(buffer),
    i8: new Int8Array(buffer),
    u16: new Uint16Array(buffer),
    i16: new Int16Array(buffer),
    u32: new Uint32Array(buffer),
    i32: new Int32Array(buffer),
    u64: new BigUint64Array(buffer),
    i64: new BigInt64Array(buffer),
    f32: new Float32Array(buffer),
    f64: new Float64Array(buffer),
  }
}

/** What a field needs of its recording, beside memory. */
export interface FieldFunctions {
  /** Returns the bytes of a text without its final NUL. */
  readonly textBytes: (text: string) => number
  /** Stores a text with its final NUL at a byte offset. @returns the first byte behind it. */
  readonly writeText: (u8: Uint8Array, at: number, text: string) => number
  /**
   * Returns a text, or its start with `…`, as UTF-8 of at most `max` bytes. Counts what it cuts.
   */
  readonly limitText: (text: string, max: number) => string
  /** Returns the number of a text in the trace's table of strings; 0 if the table is full. */
  readonly intern: (text: string) => number
  /** Counts a value that was cut. */
  readonly cut: () => void
}

/** The memory of a record, and the functions of its recording. */
export interface FieldMemory extends NumberViews, FieldFunctions {
  /** The first byte behind the memory that values may take. Only composite types look at it. */
  readonly limit: number
}

/** A value was not stored, because it does not fit its type. */
export const MISFIT = -1
/** A value was not stored, because the record would be too big. */
export const TOO_BIG = -2

/** How a type works whose fields take more bytes the longer their value is. */
export interface VariableLength {
  /**
   * Source: the least and the most bytes beyond `bytes`. Both use only the value's length, because
   * the value may be too long to read.
   */
  readonly leastCode: (local: string) => string
  readonly mostCode: (local: string) => string
  /** Source: the exact number of bytes beyond `bytes`. */
  readonly exactCode: (local: string) => string
  /** The same, step by step. */
  readonly least: (value: unknown) => number
  readonly exact: (value: unknown, memory: FieldMemory) => number
  /**
   * Finds the end of a field that starts at `at`. The bytes are untrusted.
   * @returns the end, or −1 if the field does not end before `limit`.
   */
  readonly end: (bytes: Uint8Array, at: number, limit: number) => number
}

/** Everything about a type, except how it is read back. `V` is the type of its values. */
export interface FieldDescriptor<V = unknown> {
  /**
   * Whether the type is made of others. Its values are looked into once, while they are stored: the
   * caller's object may give another value at the next look. So there is no source text of it, and
   * a record with such a field is first made in scratch memory.
   */
  readonly composite: boolean
  /** Size of a field in a record, in bytes; the minimum, if its length is variable. */
  readonly bytes: number
  /** Alignment of a field in bytes: 1, 2, 4 or 8. */
  readonly alignBytes: number
  /**
   * Set for a type of variable length: then no field behind it has a fixed place. If undefined,
   * each field takes `bytes` bytes.
   */
  readonly variable: VariableLength | undefined
  /**
   * Makes the type's declaration in the metadata's language, for an alias. Undefined if the
   * language already has the type under our name, or there is no alias.
   */
  readonly declaration: ((alignBytes: number) => string) | undefined
  /**
   * Makes the declaration of a member: one or more, each with its `;`.
   *
   * @param name as the metadata has it.
   * @param packed see `record.ts`.
   */
  readonly member: (name: string, packed: boolean) => string
  /** Whether a value fits. Composite: only whether it can; its elements are not looked at. */
  readonly fits: (value: unknown) => value is V
  /** Source: an expression that is true if a local variable does not fit. */
  readonly misfitCode: (local: string) => string
  /**
   * Replaces a value that fits by what is stored. Undefined if it is the value itself. It may call
   * functions of the recording, and runs before the record has a place.
   */
  readonly convert: ((memory: FieldFunctions, value: unknown) => unknown) | undefined
  /** Source: a statement that does the same with a local variable; or an empty text. */
  readonly convertCode: (local: string) => string
  /**
   * Stores a converted value at a byte offset. Composite: stores a value as the caller gave it.
   *
   * @returns the first byte behind it; composite: or {@link MISFIT} or {@link TOO_BIG}.
   */
  readonly store: (memory: FieldMemory, at: number, value: unknown) => number
  /**
   * Source: a statement that stores a local variable at a byte offset. For a type of variable
   * length: an expression whose value is the first byte behind.
   */
  readonly storeCode: (local: string, at: string) => string
}

type Bits = 8 | 16 | 32
/** The types of one word that are not composite. */
export type SimpleTypeName = Exclude<FieldTypeName, 'bytes'>

/** The types of one word, in the order in which messages list them. */
export const FIELD_TYPES: { readonly [T in SimpleTypeName]: FieldDescriptor } = {
  u8: unsigned(8),
  u16: unsigned(16),
  u32: unsigned(32),
  u64: wide('u64', asU64, 'asU64', 0, 2 ** 53 - 1),
  i8: signed(8),
  i16: signed(16),
  i32: signed(32),
  i64: wide('i64', asI64, 'asI64', 1 - 2 ** 53, 2 ** 53 - 1),
  f32: float('f32', 32, 24),
  f64: float('f64', 64, 53),
  bool: bool(),
  string: textType(undefined),
  interned: interned(),
}

/** Alignment of 64-bit members in a record that needs no gaps: see `record.ts`. */
export const PACKED_ALIGN_BYTES = 4

/** Returns the name of a one-word type in the metadata. */
export function tsdlTypeName(type: SimpleTypeName, packed: boolean): string {
  return packed && FIELD_TYPES[type].alignBytes > PACKED_ALIGN_BYTES ? `packed_${type}` : type
}

/** Everything that a type of one word has in common with the others. */
function named(
  type: SimpleTypeName,
): Pick<FieldDescriptor, 'composite' | 'member' | 'convert' | 'convertCode'> {
  return {
    composite: false,
    convert: undefined,
    member: (name, packed) => `${tsdlTypeName(type, packed)} ${name};`,
    convertCode: () => '',
  }
}

function unsigned(bits: Bits): FieldDescriptor {
  const most = 2 ** bits - 1
  return {
    ...named(`u${bits}`),
    ...stored(`u${bits}`, bits),
    declaration: integer(bits, false),
    fits: (value): value is number => typeof value === 'number' && value >>> 0 === value && value <= most,
    misfitCode: ($) =>
      `typeof ${$} !== 'number' || ${$} >>> 0 !== ${$}${bits === 32 ? '' : ` || ${$} > ${most}`}`,
  }
}

function signed(bits: Bits): FieldDescriptor {
  const shift = 32 - bits
  return {
    ...named(`i${bits}`),
    ...stored(`i${bits}`, bits),
    declaration: integer(bits, true),
    fits: (value): value is number => typeof value === 'number' && (value << shift) >> shift === value,
    misfitCode: ($) =>
      `typeof ${$} !== 'number' || ${bits === 32 ? `(${$} | 0)` : `${$} << ${shift} >> ${shift}`} !== ${$}`,
  }
}

/**
 * A bigint is stored as it is; a number in two halves, so no BigInt is made. Division by 2^32 is
 * exact, and `>>> 0` takes the low half of any safe integer, a negative one in two's complement.
 */
function wide(
  array: 'u64' | 'i64',
  wrap: (value: bigint) => bigint,
  wrapName: string,
  least: number,
  most: number,
): FieldDescriptor {
  return {
    ...named(array),
    ...stored(array, 64),
    declaration: integer(64, array === 'i64'),
    fits: (value): value is bigint | number =>
      typeof value === 'number'
        ? floor(value) === value && value >= least && value <= most
        : typeof value === 'bigint' && wrap(value) === value,
    misfitCode: ($) =>
      `(typeof ${$} === 'number' ? !(floor(${$}) === ${$} && ${$} >= ${least} && ${$} <= ${most}) : ` +
      `typeof ${$} !== 'bigint' || ${wrapName}(${$}) !== ${$})`,
    store: (memory, at, value) => {
      if (typeof value === 'number') {
        memory.u32[at >> 2] = value >>> 0
        memory.i32[(at + 4) >> 2] = floor(value / 2 ** 32)
      } else memory[array][at >> 3] = value as bigint
      return at + 8
    },
    storeCode: ($, at) =>
      `if (typeof ${$} === 'number') u32[(${at}) >> 2] = ${$} >>> 0, ` +
      `i32[(${at} + 4) >> 2] = floor(${$} / 4294967296)\n  else ${array}[(${at}) >> 3] = ${$}`,
  }
}

function float(array: 'f32' | 'f64', bits: number, mantissa: number): FieldDescriptor {
  return {
    ...named(array),
    ...stored(array, bits),
    declaration: (alignBytes) =>
      `floating_point { exp_dig = ${bits - mantissa}; mant_dig = ${mantissa}; align = ${alignBytes * 8}; }`,
    fits: (value): value is number => typeof value === 'number',
    misfitCode: ($) => `typeof ${$} !== 'number'`,
  }
}

function bool(): FieldDescriptor {
  return {
    ...named('bool'),
    ...stored('u8', 8),
    declaration: integer(8, false),
    fits: (value): value is boolean => typeof value === 'boolean',
    misfitCode: ($) => `typeof ${$} !== 'boolean'`,
    store: ({ u8 }, at, value) => {
      u8[at] = value === true ? 1 : 0
      return at + 1
    },
    storeCode: ($, at) => `u8[${at}] = ${$} ? 1 : 0`,
  }
}

/**
 * Stored as UTF-8 with a final NUL.
 *
 * @param max bytes of the longest text; undefined if only the sub-buffer limits it.
 */
export function textType(max: number | undefined): FieldDescriptor {
  return {
    composite: false,
    member: (name) => `string ${name};`,
    convert: max === undefined ? undefined : ({ limitText }, value) => limitText(value as string, max),
    // A text of `max / 3` characters can't have more bytes.
    convertCode: ($) =>
      max === undefined ? '' : `if (${$}.length * 3 > ${max}) ${$} = limitText(${$}, ${max})`,
    bytes: 1,
    alignBytes: 1,
    variable: {
      leastCode: ($) => `${$}.length`,
      mostCode: ($) => `${$}.length * 3`,
      exactCode: ($) => `textBytes(${$})`,
      least: (value) => (value as string).length,
      exact: (value, { textBytes }) => textBytes(value as string),
      end: (bytes, at, limit) => {
        let end = at
        while (end < limit && bytes[end] !== 0) end += 1
        return end < limit ? end + 1 : -1
      },
    },
    declaration: undefined,
    fits: (value): value is string => typeof value === 'string',
    misfitCode: ($) => `typeof ${$} !== 'string'`,
    store: ({ u8, writeText }, at, value) => writeText(u8, at, value as string),
    storeCode: ($, at) => `writeText(u8, ${at}, ${$})`,
  }
}

/** A text that repeats, stored as its number in the trace's table of strings. */
function interned(): FieldDescriptor {
  return {
    ...named('interned'),
    ...stored('u32', 32),
    declaration: undefined,
    convert: ({ intern }, value) => intern(value as string),
    convertCode: ($) => `${$} = intern(${$})`,
    fits: (value): value is string => typeof value === 'string',
    misfitCode: ($) => `typeof ${$} !== 'string'`,
  }
}

/** The common part of all types whose values are one element of a typed array. */
export function stored(
  array: keyof NumberViews,
  bits: number,
): Pick<FieldDescriptor, 'bytes' | 'alignBytes' | 'variable' | 'store' | 'storeCode'> {
  const bytes = bits / 8
  const shift = bytes === 8 ? 3 : bytes >> 1
  return {
    bytes,
    alignBytes: bytes,
    variable: undefined,
    store: (memory, at, value) => {
      const elements = memory[array] as unknown as Record<number, unknown>
      elements[at >> shift] = value
      return at + bytes
    },
    storeCode: ($, at) => `${array}[${shift === 0 ? at : `(${at}) >> ${shift}`}] = ${$}`,
  }
}

function integer(bits: number, isSigned: boolean): (alignBytes: number) => string {
  return (alignBytes) => `integer { size = ${bits}; align = ${alignBytes * 8}; signed = ${isSigned}; }`
}
