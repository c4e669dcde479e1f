/**
 * Checks the kind of a value, whichever realm made it. A thread has several realms when code runs
 * in a `vm` context, as tests do under vitest's `vmThreads` and jest. There `instanceof` is false
 * for memory that the same process shares.
 *
 * A getter of a built-in works only on its own kind of object, in every realm. This module takes
 * the getters when it is loaded, because programs replace built-ins later.
 */
const { apply, getOwnPropertyDescriptor, getPrototypeOf } = Reflect
const WrongKind = TypeError
const byteLengthOfShared = getterOf(SharedArrayBuffer.prototype, 'byteLength')
const tagOfTypedArray = getterOf(getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)

/** Whether a value is shared memory. */
export function isSharedMemory(value: unknown): value is SharedArrayBuffer {
  try {
    apply(byteLengthOfShared, value, [])
    return true
  } catch (error) {
    // Any other error means that the stack is full. It says nothing about the value.
    if (!(error instanceof WrongKind)) throw error
    return false
  }
}

/** Whether a value is an array of bytes, a Buffer too. */
export function isBytes(value: unknown): value is Uint8Array {
  return nameOfTypedArray(value) === 'Uint8Array'
}

/** The name of the class of a typed array; undefined for any other value. */
export function nameOfTypedArray(value: unknown): string | undefined {
  return apply(tagOfTypedArray, value, []) as string | undefined
}

function getterOf(owner: object | null, name: string | symbol): () => unknown {
  return getOwnPropertyDescriptor(owner as object, name)?.get as () => unknown
}
