/**
 * Sees CommonJS modules when they have been loaded, whoever loads them: `require`, `import`, a
 * loader of the program's own. Some pools can't be seen in another way.
 *
 * Every module is made with `loaded = false`, and gets `true` when its code has run. A setter on
 * the prototype sees the first, and gives the modules that are looked for a setter that sees the
 * second. So nothing of ours stands in the stack of a `require`, nor of the errors that it throws.
 */
import Module from 'node:module'

interface LoadedModule {
  readonly id: unknown
  readonly exports: unknown
  loaded: boolean
}

const LOADED = 'loaded'

/**
 * Sees the exports of each module whose path matches, once it is loaded. Those that are there
 * already are not seen.
 *
 * @param seen must not throw.
 * @returns a function that takes it back.
 */
export function seeModules(pattern: RegExp, seen: (exports: object) => void): () => void {
  const { prototype } = Module as unknown as { prototype: LoadedModule }
  const before = Object.getOwnPropertyDescriptor(prototype, LOADED)
  let isOver = false
  const tell = ({ exports }: LoadedModule): void => {
    if (isOver) return
    if ((typeof exports === 'object' && exports !== null) || typeof exports === 'function') seen(exports)
  }
  const set = function (this: LoadedModule, value: boolean): void {
    // As without a setter. Another copy of rchan may have one, too.
    if (before?.set === undefined) define(this, { value, writable: true })
    else before.set.call(this, value)
    if (!isOver && !value && typeof this.id === 'string' && pattern.test(this.id)) follow(this, tell)
  }
  define(prototype, { ...before, set })
  return () => {
    isOver = true
    if (Object.getOwnPropertyDescriptor(prototype, LOADED)?.set !== set) return
    if (before === undefined) Reflect.deleteProperty(prototype, LOADED)
    else Object.defineProperty(prototype, LOADED, before)
  }
}

/** Calls back when a module is loaded. Its property is then as it would be without us. */
function follow(module: LoadedModule, done: (module: LoadedModule) => void): void {
  const own = Object.getOwnPropertyDescriptor(module, LOADED)
  if (own?.configurable !== true) return
  define(module, {
    get: () => false,
    set(value: boolean) {
      if (!value) return
      Object.defineProperty(module, LOADED, own)
      module.loaded = value
      done(module)
    },
  })
}

function define(target: LoadedModule, property: PropertyDescriptor): void {
  Object.defineProperty(target, LOADED, { ...property, enumerable: true, configurable: true })
}
