/**
 * The functions by which fields of any type are checked and stored. They take their built-ins when
 * this module is loaded, because programs replace these later. So a thread loads it that merely
 * declares a tracepoint, and the types themselves with its first event.
 */

// oxlint-disable-next-line typescript/unbound-method -- they use no `this`
const { asIntN, asUintN } = BigInt
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
export const { floor } = Math

/** Wraps a bigint to 64 bits, signed. The result equals the value if it fits. */
export const asI64 = (value: bigint): bigint => asIntN(64, value)
/** Like {@link asI64}, but unsigned. */
export const asU64 = (value: bigint): bigint => asUintN(64, value)

const ByteArray = Uint8Array
// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const { isView } = ArrayBuffer
const { apply } = Reflect
// oxlint-disable-next-line typescript/unbound-method -- called by `apply`
const tagOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as () => unknown

/** Whether a value is a Uint8Array, of any realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof ByteArray || (isView(value) && apply(tagOf, value, []) === 'Uint8Array')
}

/** The functions that source text of all types uses, beside those of {@link FieldMemory}. */
export const CODE_FUNCTIONS = { asI64, asU64, floor }
