/**
 * A file system that fails when told to, for code that imports `node:fs` by names. For tests only.
 */
import fs from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A folder that is gone after the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rchan test '))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Replaces a function of `node:fs` until the test is finished, or until the function that it
 * returns is called.
 */
export function replaceFs<
  K extends
    'writevSync' | 'ftruncateSync' | 'openSync' | 'closeSync' | 'fchmodSync' | 'linkSync' | 'renameSync',
>(name: K, make: (real: (typeof fs)[K]) => (...args: never[]) => unknown): () => void {
  const real = fs[name]
  fs[name] = make(real) as (typeof fs)[K]
  syncBuiltinESMExports()
  const restore = (): void => {
    fs[name] = real
    syncBuiltinESMExports()
  }
  onTestFinished(restore)
  return restore
}

/** An error as the file system gives it. */
export function fsError(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code })
}
