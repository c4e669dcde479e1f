/**
 * What Node's permission model (`--permission`) must allow before a recording can start. Runs on
 * the thread that records.
 *
 * The model holds for the main thread alone: a worker, once it may be started, is free to use the
 * file system. So the thread that writes the files needs nothing more. This thread makes the folder
 * and looks what is in it.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Node's face of the model: there only where the model is on. */
interface Permission {
  has(scope: string, reference?: string): boolean
}

/**
 * Looks whether a recording may start.
 *
 * @param folder of the trace, or the one in which it is made. Absolute.
 * @throws Error which names everything that is forbidden, and the flags that allow it.
 */
export function checkPermissions(folder: string): void {
  const { permission } = process as { readonly permission?: Permission }
  if (permission === undefined) return
  const denied: string[] = []
  const flags: string[] = []
  const deny = (what: string, flag: string): void => {
    denied.push(what)
    flags.push(flag)
  }

  if (!permission.has('worker')) deny('starting the thread that writes the files', '--allow-worker')
  // Where a folder can't be read, Node says that it is absent.
  let missing: string | undefined
  for (let at = folder; ; at = dirname(at)) {
    if (!permission.has('fs.read', at)) {
      deny(`reading ${at}`, `"--allow-fs-read=${join(at, '*')}"`)
      break
    }
    if (existsSync(at) || at === dirname(at)) break
    missing = at
  }
  const mayMake = missing === undefined || permission.has('fs.write', missing)
  if (!mayMake || !permission.has('fs.write', join(folder, 'metadata'))) {
    const topmost = missing ?? folder
    deny(`writing to ${topmost}`, `"--allow-fs-write=${join(topmost, '*')}"`)
  }
  if (denied.length === 0) return
  throw new Error(
    `can't record into ${folder}: Node's permission model, which is on in this process, forbids ` +
      `${denied.join(', and ')}: add ${flags.join(' ')} to the flags of node`,
  )
}
