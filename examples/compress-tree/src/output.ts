/**
 * The output folder: its content, and the care that no other files are deleted.
 *
 * A folder is ours if it has our mark. In such a folder a new run replaces the files that it knows,
 * and leaves all others alone.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const MARK = '.made-by-compress-tree'
const MARK_TEXT =
  'Made by the example compress-tree, whose next run replaces trace, trace.json, timeline.svg and summary.json.\n'

/** The paths of a run's output. */
export interface Output {
  readonly folder: string
  /** The CTF trace, a folder. */
  readonly trace: string
  /** Chrome trace events. */
  readonly chromeTrace: string
  /** A picture of the run. */
  readonly timeline: string
  readonly summary: string
}

export function outputOf(folder: string): Output {
  return {
    folder,
    trace: join(folder, 'trace'),
    chromeTrace: join(folder, 'trace.json'),
    timeline: join(folder, 'timeline.svg'),
    summary: join(folder, 'summary.json'),
  }
}

/**
 * Makes a folder and its parents. Not `recursive`: with it Node 20 loops for ever in a place that
 * takes no folders (/proc).
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  mkdirSync(folder)
}

/**
 * Prepares the folder for a run: makes it, and removes the output of an earlier run.
 *
 * @throws Error if it can't be made, or has files but no mark. Nothing is changed then.
 */
export function prepareOutput({ folder, trace, chromeTrace, timeline, summary }: Output): void {
  makeFolder(folder)
  const names = readdirSync(folder)
  if (names.length > 0 && !names.includes(MARK)) {
    throw new Error(
      `it holds files that this demo did not make (${names.slice(0, 3).join(', ')}); name another folder, or an empty one`,
    )
  }
  writeFileSync(join(folder, MARK), MARK_TEXT)
  for (const path of [trace, chromeTrace, timeline, summary]) rmSync(path, { recursive: true, force: true })
}
