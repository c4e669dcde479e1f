/**
 * Checks that the process has file descriptors left for the start of a recording. Runs on the
 * thread that records, before anything else of the start is loaded: if a module can't be opened
 * once, it can't be imported later either.
 */
import { builtins, thisProcess } from '@rchan/runtime/declaring'

const { closeSync, openSync } = builtins.fs

/**
 * Descriptors that a start has open at the same time: for modules that are being loaded, for the
 * thread that writes the files, and for its files.
 */
const NEEDED = 24

/**
 * Checks it. Leaves nothing open.
 *
 * @param needed how many have to be left.
 * @throws Error that says what to do, if there are too few.
 */
export function checkOpenFiles(needed = NEEDED): void {
  const open: number[] = []
  try {
    while (open.length < needed) open.push(openSync(thisProcess.execPath, 'r'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Any other error with this file need not prevent a recording.
    if (code !== 'EMFILE' && code !== 'ENFILE') return
    throw new Error(
      `can't record: ${open.length} file descriptors are left, and a start needs ${needed} (${code}): close files, or ` +
        `raise the limit (ulimit -n), before the recording starts`,
      { cause: error },
    )
  } finally {
    for (const descriptor of open) closeSync(descriptor)
  }
}
