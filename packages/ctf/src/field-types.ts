/**
 * The types of fields. Each type has one entry with everything that a writer, the metadata and the
 * layout need: its size, which values fit, how they are stored, and how the metadata declares it.
 * `field-readers.ts` is the other half, which only readers load. To add a type, add an entry to
 * both tables; nothing else knows the types.
 *
 * An encoder is compiled from source text, or works step by step where a program forbids that. So
 * each entry has both forms. They are made from one description, so the range of a type is written
 * once. Pure functions, callable on any thread.
 *
 * In source text these names are in scope: the typed arrays of {@link FieldMemory} over the
 * record's memory, its `writeText` and `textBytes`, {@link asI64} and {@link asU64}, and `cursor`,
 * see {@link VariableLength}.
 */

/** The type of the values that fields of each type take. */
export interface FieldTypeValues {
  u8: number
  u16: number
  u32: number
  u64: bigint
  i8: number
  i16: number
  i32: number
  i64: bigint
  f32: number
  f64: number
  bool: boolean
  string: string
}

/**
 * The type of a field. `u8`…`u32`, `i8`…`i32`, `f32`, `f64` take a number; `u64`, `i64` a bigint;
 * `bool` a boolean; `string` a string, written as UTF-8.
 */
export type FieldType = keyof FieldTypeValues

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

/** The memory of a record, and the functions that store texts there. */
export interface FieldMemory extends NumberViews {
  /** Returns the bytes of a text without its final NUL. */
  readonly textBytes: (text: string) => number
  /** Stores a text with its final NUL at a byte offset. @returns the first byte behind it. */
  readonly writeText: (u8: Uint8Array, at: number, text: string) => number
}

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
   * language already has the type under our name.
   */
  readonly declaration: ((alignBytes: number) => string) | undefined
  /** Whether a value fits. */
  readonly fits: (value: unknown) => value is V
  /** Source: an expression that is true if a local variable does not fit. */
  readonly misfitCode: (local: string) => string
  /** Stores a value that fits at a byte offset. @returns the first byte behind it. */
  readonly store: (memory: FieldMemory, at: number, value: unknown) => number
  /**
   * Source: a statement that stores a local variable at a byte offset. For a type of variable
   * length: an expression whose value is the first byte behind.
   */
  readonly storeCode: (local: string, at: string) => string
}

// Taken when this module is loaded: programs replace built-ins later.
// oxlint-disable-next-line typescript/unbound-method -- they use no `this`
const { asIntN, asUintN } = BigInt

/** Wraps a bigint to 64 bits, signed. The result equals the value if it fits. */
export const asI64 = (value: bigint): bigint => asIntN(64, value)
/** Like {@link asI64}, but unsigned. */
export const asU64 = (value: bigint): bigint => asUintN(64, value)

type Bits = 8 | 16 | 32

/** All types by name, in the order in which messages list them. */
export const FIELD_TYPES: { readonly [T in FieldType]: FieldDescriptor<FieldTypeValues[T]> } = {
  u8: unsigned(8),
  u16: unsigned(16),
  u32: unsigned(32),
  u64: wide('u64', asU64, 'asU64'),
  i8: signed(8),
  i16: signed(16),
  i32: signed(32),
  i64: wide('i64', asI64, 'asI64'),
  f32: float('f32', 32, 24),
  f64: float('f64', 64, 53),
  bool: bool(),
  string: text(),
}

/** Returns a type by its name. */
export function fieldType(name: FieldType): FieldDescriptor {
  return FIELD_TYPES[name]
}

function unsigned(bits: Bits): FieldDescriptor<number> {
  const most = 2 ** bits - 1
  return {
    ...stored<number>(`u${bits}`, bits),
    declaration: integer(bits, false),
    fits: (value): value is number => typeof value === 'number' && value >>> 0 === value && value <= most,
    misfitCode: ($) =>
      `typeof ${$} !== 'number' || ${$} >>> 0 !== ${$}${bits === 32 ? '' : ` || ${$} > ${most}`}`,
  }
}

function signed(bits: Bits): FieldDescriptor<number> {
  const shift = 32 - bits
  return {
    ...stored<number>(`i${bits}`, bits),
    declaration: integer(bits, true),
    fits: (value): value is number => typeof value === 'number' && (value << shift) >> shift === value,
    misfitCode: ($) =>
      `typeof ${$} !== 'number' || ${bits === 32 ? `(${$} | 0)` : `${$} << ${shift} >> ${shift}`} !== ${$}`,
  }
}

function wide(
  array: 'u64' | 'i64',
  wrap: (value: bigint) => bigint,
  wrapName: string,
): FieldDescriptor<bigint> {
  return {
    ...stored<bigint>(array, 64),
    declaration: integer(64, array === 'i64'),
    fits: (value): value is bigint => typeof value === 'bigint' && wrap(value) === value,
    misfitCode: ($) => `typeof ${$} !== 'bigint' || ${wrapName}(${$}) !== ${$}`,
  }
}

function float(array: 'f32' | 'f64', bits: number, mantissa: number): FieldDescriptor<number> {
  return {
    ...stored<number>(array, bits),
    declaration: (alignBytes) =>
      `floating_point { exp_dig = ${bits - mantissa}; mant_dig = ${mantissa}; align = ${alignBytes * 8}; }`,
    fits: (value): value is number => typeof value === 'number',
    misfitCode: ($) => `typeof ${$} !== 'number'`,
  }
}

function bool(): FieldDescriptor<boolean> {
  return {
    ...stored<boolean>('u8', 8),
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

/** Stored as UTF-8 with a final NUL. */
function text(): FieldDescriptor<string> {
  return {
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

/** The common part of all types whose values are one element of a typed array. */
function stored<V>(
  array: Exclude<keyof FieldMemory, 'textBytes' | 'writeText'>,
  bits: number,
): Pick<FieldDescriptor<V>, 'bytes' | 'alignBytes' | 'variable' | 'store' | 'storeCode'> {
  const bytes = bits / 8
  const shift = Math.log2(bytes)
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
