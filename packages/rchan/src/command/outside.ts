/** Files that are made of a trace lie outside of it. */
import { readdirSync, realpathSync, statSync, type Stats } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { CommandError } from './fault.js'
import { openFile, type Output } from './output.js'

/**
 * Opens a file that does not lie in a trace: no reader would take that trace then.
 *
 * @param folders of the traces.
 * @param force whether it may replace a file.
 */
export async function openOutside(
  target: string,
  folders: readonly string[],
  force: boolean,
  open = openFile,
): Promise<Output> {
  const place = resolve(target)
  // A link is looked at, and where it leads to.
  const places = [join(realOf(dirname(place)), basename(place)), realOf(place)]
  for (const folder of folders) {
    if (places.some((each) => isWithin(each, realOf(folder))) || hasFile(folder, place)) {
      throw new CommandError(
        `${target}: is in the folder of the trace, which could not be read any more: choose another place with -o`,
      )
    }
  }
  return await open(target, force)
}

function isWithin(path: string, folder: string): boolean {
  const within = relative(folder, path)
  return within.split(sep)[0] !== '..' && !isAbsolute(within)
}

/** Whether a file is one of a folder's, under another name. */
function hasFile(folder: string, path: string): boolean {
  const wanted = statOf(path)
  if (wanted?.isFile() !== true || wanted.nlink < 2) return false
  return readdirSync(folder).some((name) => {
    const there = statOf(join(folder, name))
    return there?.ino === wanted.ino && there.dev === wanted.dev
  })
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}
