/**
 * Checks that Node's permission model (`--permission`) allows a recording. Runs on the thread that
 * records.
 *
 * The model applies to the main thread alone. Once a worker may start, it may use the file system
 * freely, so the thread that writes the files needs nothing more. The recording thread makes the
 * folder and reads its content.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Node's API of the model, present only while the model is on. */
interface Permission {
  has(scope: string, reference?: string): boolean
}

/**
 * Checks that a recording may start.
 *
 * @param folder the folder of the trace, or the folder in which it will be made. Absolute;
 * undefined if the recording has none yet.
 * @throws Error that names everything that is forbidden, and the flags that allow it.
 */
export function checkPermissions(folder: string | undefined): void {
  const { permission } = process as { readonly permission?: Permission }
  if (permission === undefined) return
  const denied: string[] = []
  const flags: string[] = []
  const deny = (what: string, flag: string): void => {
    denied.push(what)
    flags.push(flag)
  }

  if (!permission.has('worker')) deny('starting the thread that writes the files', '--allow-worker')
  if (folder !== undefined) checkFolder(permission, folder, deny)
  if (denied.length === 0) return
  throw new Error(
    `can't record into ${folder ?? 'memory'}: Node's permission model, which is on in this process, forbids ` +
      `${denied.join(', and ')}: add ${flags.join(' ')} to the flags of node`,
  )
}

function checkFolder(
  permission: Permission,
  folder: string,
  deny: (what: string, flag: string) => void,
): void {
  // If a folder can't be read, Node says that it is absent.
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
}
