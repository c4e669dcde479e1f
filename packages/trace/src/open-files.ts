/**
 * Whether the process has file descriptors left for the start of a recording. Runs on the thread
 * that records, before anything else of the start is loaded: a module that could not be opened
 * can't be imported later either.
 */
import { closeSync, openSync } from 'node:fs'

/**
 * What a start has open at the same time: modules that are loaded, the thread that writes the
 * files, and its files.
 */
const NEEDED = 24

/** @throws Error when there are too few, which says what to do. Nothing is left open. */
export function checkOpenFiles(): void {
  const open: number[] = []
  try {
    while (open.length < NEEDED) open.push(openSync(process.execPath, 'r'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Whatever else is wrong with this file, it needn't keep anybody from recording.
    if (code !== 'EMFILE' && code !== 'ENFILE') return
    throw new Error(
      `can't record: ${open.length} file descriptors are left, and a start needs ${NEEDED} (${code}): close files, or ` +
        `raise the limit (ulimit -n), before the recording starts`,
      { cause: error },
    )
  } finally {
    for (const descriptor of open) closeSync(descriptor)
  }
}
