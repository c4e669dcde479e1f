/**
 * The output folder: what is in it, and that nobody else's files are deleted.
 *
 * A folder is ours when it holds the mark that we put there. Of such a folder a new run replaces
 * the files that it knows, and leaves all others alone.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const MARK = '.made-by-compress-tree'
const MARK_TEXT =
  'Made by the example compress-tree, whose next run replaces trace, trace.json, timeline.svg and summary.json.\n'

/** The places of what a run leaves. */
export interface Output {
  readonly folder: string
  /** The CTF trace, a folder. */
  readonly trace: string
  /** Chrome trace events. */
  readonly chromeTrace: string
  /** A picture of it. */
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
 * Makes a folder and those above it. Not `recursive`: with it Node 20 loops for ever in a place
 * that takes none (/proc).
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  mkdirSync(folder)
}

/**
 * Makes the folder ready for a run: it is there, and what an earlier run left is not.
 *
 * @throws Error when it can't be made, or holds files and no mark. Then nothing was changed.
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
