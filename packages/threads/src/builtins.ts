/**
 * Node's own modules, for what a thread loads that merely traces. They are not imported, because an
 * `import` reads all properties of a module, and builds what stands behind them: for `node:fs` its
 * streams, for `node:process` the standard streams, for `node:util` one of them (from Node 22 on).
 * That takes a worker more than a millisecond.
 */
import { createRequire } from 'node:module'

/**
 * The function of the process, which takes a worker a fraction of what `require` takes. Where the
 * realm has no process, or another one, there is `require`.
 */
const requireBuiltin = fromProcess() ?? createRequire('/')

function fromProcess(): ((name: string) => unknown) | undefined {
  const { process } = globalThis as { readonly process?: { readonly getBuiltinModule?: unknown } }
  const get = process?.getBuiltinModule
  return typeof get === 'function' ? (get as (name: string) => unknown) : undefined
}

// Each by its name in a string, because bundlers read it.
export const buffer = requireBuiltin('node:buffer') as typeof import('node:buffer')
export const fs = requireBuiltin('node:fs') as typeof import('node:fs')
export const timers = requireBuiltin('node:timers') as typeof import('node:timers')
export const util = requireBuiltin('node:util') as typeof import('node:util')
export const workerThreads = requireBuiltin('node:worker_threads') as typeof import('node:worker_threads')

/** Not taken before it is needed: making it takes as long as all others. */
export const vm = () => requireBuiltin('node:vm') as typeof import('node:vm')

/** The same. */
export const crypto = () => requireBuiltin('node:crypto') as typeof import('node:crypto')

/** The process, which all realms of a thread share. A `vm` context may lack it, or have a copy. */
export const thisProcess = requireBuiltin('node:process') as NodeJS.Process
