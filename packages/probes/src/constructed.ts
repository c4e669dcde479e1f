/**
 * Replaces classes of Node's modules by ones that tell of what is constructed. A class is replaced
 * once, however many want to know: each object costs one more call.
 */
import { syncBuiltinESMExports } from 'node:module'

type Class = abstract new (...args: never[]) => object

/**
 * Sees an object that was made (its own constructor may not have finished), the arguments, and the
 * class that was constructed. It must not throw.
 */
type Seen = (made: object, args: readonly unknown[], newTarget: Class) => void

/** A class that was replaced. */
interface Replaced {
  readonly replacement: Class
  /** Who wants to know, in the order in which they came. A list that is never changed. */
  seers: readonly Seen[]
  restore(): void
}

const { construct } = Reflect
/** By their module's exports and their names. */
const replaced = new Map<object, Map<string, Replaced>>()

/**
 * Sees each object of a class of one of Node's modules, also of classes that extend it.
 *
 * @param exports of the module.
 * @param seen is called for each object.
 * @returns a function that takes it back. Classes that extend the replaced one keep it, without
 * `seen`.
 */
export function seeConstructed<N extends string>(exports: Record<N, Class>, name: N, seen: Seen): () => void {
  let byName = replaced.get(exports)
  if (byName === undefined) replaced.set(exports, (byName = new Map()))
  let one = byName.get(name)
  // The program may have put another one in its place since.
  if (one === undefined || exports[name] !== one.replacement) byName.set(name, (one = replace(exports, name)))
  const mine = one
  mine.seers = [...mine.seers, seen]
  return () => {
    mine.seers = mine.seers.filter((each) => each !== seen)
    if (mine.seers.length > 0) return
    if (byName.get(name) === mine) byName.delete(name)
    mine.restore()
  }
}

function replace<N extends string>(exports: Record<N, Class>, name: N): Replaced {
  const original = exports[name]
  // The same prototype and static members, so `instanceof` and subclasses see no difference. No
  // plain function: one that constructs makes an object itself, for the subclass. V8 then finds two
  // makers of its objects, and gives each object a hidden class of its own.
  const replacement = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      const made = construct(target, args, newTarget) as object
      const { seers } = one
      for (let index = 0; index < seers.length; index += 1) seers[index](made, args, newTarget as Class)
      return made
    },
  })
  // Some are globals, too.
  const undo = [exports, globalThis].flatMap((owner) => {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    if (before === undefined || (owner as Record<string, unknown>)[name] !== original) return []
    const enumerable = before.enumerable === true
    // Some are getters, which load the class when it is asked for.
    Object.defineProperty(owner, name, { value: replacement, writable: true, configurable: true, enumerable })
    return () => {
      if ((owner as Record<string, unknown>)[name] === replacement) Object.defineProperty(owner, name, before)
    }
  })
  syncBuiltinESMExports()
  const one: Replaced = {
    replacement,
    seers: [],
    restore: () => {
      for (const each of undo) each()
      syncBuiltinESMExports()
    },
  }
  return one
}
