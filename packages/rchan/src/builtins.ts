/**
 * The built-ins that the bundle uses, as they were when it was loaded. Programs replace built-ins
 * later: a test mocks one, a hardened program forbids one. Even then, a tracepoint call must not
 * throw, and must not write an unreadable record.
 *
 * scripts/bundle.mjs replaces the globals by these: `Atomics.load` by `Atomics_load`. So the
 * packages write `Atomics.load` as usual. Methods of objects can't be kept in this way. The code
 * that a tracing thread runs avoids the methods that programs replace, above all those of arrays
 * and their iterators.
 */
// oxlint-disable typescript/unbound-method -- none of them uses `this`
const globals = globalThis

export const {
  add: Atomics_add,
  and: Atomics_and,
  compareExchange: Atomics_compareExchange,
  exchange: Atomics_exchange,
  load: Atomics_load,
  notify: Atomics_notify,
  or: Atomics_or,
  store: Atomics_store,
  sub: Atomics_sub,
  wait: Atomics_wait,
} = Atomics
export const { asIntN: BigInt_asIntN, asUintN: BigInt_asUintN } = BigInt
export const { parse: JSON_parse, stringify: JSON_stringify } = JSON
export const { ceil: Math_ceil, clz32: Math_clz32, floor: Math_floor, max: Math_max, min: Math_min } = Math
export const { isInteger: Number_isInteger, isSafeInteger: Number_isSafeInteger } = Number
export const { isArray: Array_isArray } = Array
export const {
  assign: Object_assign,
  create: Object_create,
  defineProperties: Object_defineProperties,
  defineProperty: Object_defineProperty,
  freeze: Object_freeze,
  hasOwn: Object_hasOwn,
  keys: Object_keys,
} = Object
const {
  BigInt: KeptBigInt,
  BigInt64Array: KeptBigInt64Array,
  BigUint64Array: KeptBigUint64Array,
  Error: KeptError,
  Float32Array: KeptFloat32Array,
  Float64Array: KeptFloat64Array,
  Function: KeptFunction,
  Int16Array: KeptInt16Array,
  Int32Array: KeptInt32Array,
  Int8Array: KeptInt8Array,
  Map: KeptMap,
  Number: KeptNumber,
  RangeError: KeptRangeError,
  Set: KeptSet,
  SharedArrayBuffer: KeptSharedArrayBuffer,
  String: KeptString,
  TypeError: KeptTypeError,
  Uint16Array: KeptUint16Array,
  Uint32Array: KeptUint32Array,
  Uint8Array: KeptUint8Array,
  WeakMap: KeptWeakMap,
  ArrayBuffer: KeptArrayBuffer,
} = globals
export {
  KeptArrayBuffer as ArrayBuffer,
  KeptBigInt as BigInt,
  KeptBigInt64Array as BigInt64Array,
  KeptBigUint64Array as BigUint64Array,
  KeptError as Error,
  KeptFloat32Array as Float32Array,
  KeptFloat64Array as Float64Array,
  KeptFunction as Function,
  KeptInt16Array as Int16Array,
  KeptInt32Array as Int32Array,
  KeptInt8Array as Int8Array,
  KeptMap as Map,
  KeptNumber as Number,
  KeptRangeError as RangeError,
  KeptSet as Set,
  KeptSharedArrayBuffer as SharedArrayBuffer,
  KeptString as String,
  KeptTypeError as TypeError,
  KeptUint16Array as Uint16Array,
  KeptUint32Array as Uint32Array,
  KeptUint8Array as Uint8Array,
  KeptWeakMap as WeakMap,
}

/**
 * All of them, by the names of the exports. A function: an `import * as` of this module would make
 * an object with a getter for each at every import.
 */
export function keptBuiltins(): Readonly<Record<string, unknown>> {
  return {
    Atomics_add,
    Atomics_and,
    Atomics_compareExchange,
    Atomics_exchange,
    Atomics_load,
    Atomics_notify,
    Atomics_or,
    Atomics_store,
    Atomics_sub,
    Atomics_wait,
    BigInt_asIntN,
    BigInt_asUintN,
    JSON_parse,
    JSON_stringify,
    Math_ceil,
    Math_clz32,
    Math_floor,
    Math_max,
    Math_min,
    Number_isInteger,
    Number_isSafeInteger,
    Array_isArray,
    Object_assign,
    Object_create,
    Object_defineProperties,
    Object_defineProperty,
    Object_freeze,
    Object_hasOwn,
    Object_keys,
    ArrayBuffer: KeptArrayBuffer,
    BigInt: KeptBigInt,
    BigInt64Array: KeptBigInt64Array,
    BigUint64Array: KeptBigUint64Array,
    Error: KeptError,
    Float32Array: KeptFloat32Array,
    Float64Array: KeptFloat64Array,
    Function: KeptFunction,
    Int16Array: KeptInt16Array,
    Int32Array: KeptInt32Array,
    Int8Array: KeptInt8Array,
    Map: KeptMap,
    Number: KeptNumber,
    RangeError: KeptRangeError,
    Set: KeptSet,
    SharedArrayBuffer: KeptSharedArrayBuffer,
    String: KeptString,
    TypeError: KeptTypeError,
    Uint16Array: KeptUint16Array,
    Uint32Array: KeptUint32Array,
    Uint8Array: KeptUint8Array,
    WeakMap: KeptWeakMap,
  }
}
