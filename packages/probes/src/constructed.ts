/** Replaces classes of Node's modules by ones that tell of what is constructed. */
import { syncBuiltinESMExports } from 'node:module'

type Class = abstract new (...args: never[]) => object

/**
 * Sees each object of a class of one of Node's modules, also of classes that extend it.
 *
 * @param exports of the module.
 * @param seen is called with the object (whose own constructor may not have finished), the
 * arguments, and the class that was constructed. It must not throw.
 * @returns a function that takes it back. Classes that extend the replaced one keep it, without
 * `seen`.
 */
export function seeConstructed<N extends string>(
  exports: Record<N, Class>,
  name: N,
  seen: (made: object, args: readonly unknown[], newTarget: Class) => void,
): () => void {
  const original = exports[name]
  // Some are getters, which load the class when it is asked for.
  const descriptor = Object.getOwnPropertyDescriptor(exports, name)
  let isOver = false
  // The same prototype and static members, so `instanceof` and subclasses see no difference.
  const replacement = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      const made = Reflect.construct(target, args, newTarget) as object
      if (!isOver) seen(made, args, newTarget as Class)
      return made
    },
  })
  Object.defineProperty(exports, name, {
    value: replacement,
    writable: true,
    configurable: true,
    enumerable: descriptor?.enumerable ?? true,
  })
  syncBuiltinESMExports()
  return () => {
    isOver = true
    if (exports[name] !== replacement || descriptor === undefined) return
    Object.defineProperty(exports, name, descriptor)
    syncBuiltinESMExports()
  }
}
