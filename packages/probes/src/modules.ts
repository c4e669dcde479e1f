/**
 * Sees modules as they are loaded: CommonJS ones, which `import` loads through the same function.
 * Some pools can't be seen in another way.
 */
import Module from 'node:module'

type Load = (this: unknown, request: string, ...rest: unknown[]) => unknown

/**
 * Sees the exports of each module whose name or path matches, each time that it is asked for.
 *
 * @param seen must not throw.
 * @returns a function that takes it back.
 */
export function seeModules(pattern: RegExp, seen: (exports: object) => void): () => void {
  const loader = Module as unknown as { _load?: Load }
  const { _load: load } = loader
  if (typeof load !== 'function') return () => undefined
  let isOver = false
  const watchingLoad: Load = function (request, ...rest) {
    const exports = load.call(this, request, ...rest)
    if (!isOver && typeof request === 'string' && pattern.test(request)) {
      if ((typeof exports === 'object' && exports !== null) || typeof exports === 'function') seen(exports)
    }
    return exports
  }
  loader._load = watchingLoad
  return () => {
    isOver = true
    if (loader._load === watchingLoad) loader._load = load
  }
}
