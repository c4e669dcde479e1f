/**
 * Other people's programs that open our traces: whether they are installed, and how to run them.
 *
 * Decides how a missing reader is reported: the test is skipped with a visible message, or fails if
 * RCHAN_REQUIRE_READERS=1. For tests only. A process costs 50 to 100 ms, so give one call many
 * traces.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A reader, by the name of its Debian package, apart from blkparse (package
 * blktrace) and protoc (protobuf-compiler). */
export type ReaderName = 'babeltrace2' | 'babeltrace' | 'python3-bt2' | 'blkparse' | 'protoc' | 'chromium'

/** The exit and the output of a reader. */
export interface ReaderRun {
  /** The exit status; null when a signal ended it. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const MAX_OUTPUT_BYTES = 2 ** 29
const found = new Map<ReaderName, string | undefined>()

/** Whether a reader is installed. */
export function hasReader(name: ReaderName): boolean {
  return commandOf(name) !== undefined
}

/**
 * Skips the running test when a reader is missing, or fails it when RCHAN_REQUIRE_READERS=1.
 *
 * @param context the argument that vitest passes to the test function.
 * @example
 * test('babeltrace2 reads it', (context) => {
 *   needReader(context, 'babeltrace2')
 *   expect(countEvents('babeltrace2', [folder])).toBe(3)
 * })
 */
export function needReader(context: { skip(note?: string): void }, name: ReaderName): void {
  if (hasReader(name)) return
  const note = `the reader ${name} is not installed`
  if (process.env.RCHAN_REQUIRE_READERS === '1') throw new Error(`${note}, and RCHAN_REQUIRE_READERS=1`)
  console.warn(`skipped: ${note}`)
  context.skip(note)
}

/**
 * Runs a reader. For python3-bt2 the arguments are those of a Python that can import bt2.
 *
 * @param input its standard input.
 * @throws Error when the reader is missing or can't be started; a failing reader is an outcome.
 */
export function runReader(name: ReaderName, args: readonly string[], input?: Uint8Array): ReaderRun {
  const command = commandOf(name)
  if (command === undefined) throw new Error(`the reader ${name} is not installed`)
  const run = spawnSync(command, args, {
    encoding: 'utf8',
    ...(input !== undefined && { input }),
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
  })
  if (run.error !== undefined) throw run.error
  return { status: run.status, stdout: run.stdout, stderr: run.stderr }
}

/** The path of a reader that is installed. */
export function readerPath(name: ReaderName): string {
  const path = commandOf(name)
  if (path === undefined) throw new Error(`the reader ${name} is not installed`)
  return path
}

/**
 * Counts the events of some traces, all in one run of the reader.
 *
 * @throws Error with the reader's message, if it failed.
 */
export function countEvents(name: 'babeltrace2' | 'babeltrace', folders: readonly string[]): number {
  const counter = ['-c', 'sink.utils.counter', '-p', 'step=+0,hide-zero=yes']
  const run = runReader(name, name === 'babeltrace2' ? [...folders, ...counter] : [...folders])
  if (run.status !== 0) throw new Error(`${name} ended with status ${run.status}: ${run.stderr}`)
  if (name === 'babeltrace2') return Number(/^\s*(\d+) Event messages?\b/m.exec(run.stdout)?.[1] ?? 0)
  // It prints line feeds of a string as they are, so only a line that starts with a whole time and
  // delta counts.
  return run.stdout.match(/^\[[\d:.]+\] \(\+[\d?.]+\) /gm)?.length ?? 0
}

function commandOf(name: ReaderName): string | undefined {
  if (!found.has(name)) {
    found.set(
      name,
      name === 'python3-bt2'
        ? ['/usr/bin/python3', 'python3'].find(
            (python) => spawnSync(python, ['-c', 'import bt2']).status === 0,
          )
        : onPath(name),
    )
  }
  return found.get(name)
}

function onPath(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
