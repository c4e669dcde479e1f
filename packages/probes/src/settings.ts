/**
 * Settings of `rchan record` and `rchan/auto`, as environment variables: so they reach every
 * process and thread of the program.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** How to record a program. */
export interface Settings {
  /** The folder in which each process makes a folder for its trace. Absolute. */
  readonly dir: string
  /** Which probes, see `choose`. */
  readonly probes: readonly string[]
  /** Rules for events, as patterns. */
  readonly events: readonly string[]
  /** In bytes, for each thread. */
  readonly bufferSize: number | undefined
  /** Whether to keep only the last moments, for snapshots. */
  readonly isFlight: boolean
  /** Whether each process tells how it is doing, in a file, for a line of progress. */
  readonly tellsStatus: boolean
  /**
   * The number of the recorded process that has started this one, with others in between or not; 0:
   * it was `rchan record`; undefined: nobody has, `rchan/auto` runs without the command.
   */
  readonly parent: number | undefined
}

const VARIABLES = {
  dir: 'RCHAN_DIR',
  probes: 'RCHAN_PROBES',
  events: 'RCHAN_EVENTS',
  bufferSize: 'RCHAN_BUFFER_SIZE',
  flight: 'RCHAN_FLIGHT',
  status: 'RCHAN_STATUS',
  parent: 'RCHAN_PARENT',
} as const

/** What a recorded process sets for those that it starts: the folder, and its own number. */
export const { dir: DIR_VARIABLE, parent: PARENT_VARIABLE } = VARIABLES

/** The name of a folder for a recording that starts now: `rchan-20261127-000342`, in UTC. */
export function folderName(): string {
  return `rchan-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`
}

/** Makes a folder and those above it. Node's own way does not end below `/proc`. */
export function makeFolders(folder: string): void {
  const above = dirname(folder)
  if (above !== folder && !existsSync(above)) makeFolders(above)
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(folder).isDirectory()) throw error
  }
}

type Variables = Readonly<Record<string, string | undefined>>

/** Returns an environment with these settings, and with no others that it may have had. */
export function withSettings(environment: Variables, settings: Settings): Variables {
  const names: readonly string[] = Object.values(VARIABLES)
  const others = Object.entries(environment).filter(([name]) => !names.includes(name))
  return { ...Object.fromEntries(others), ...toVariables(settings) }
}

function toVariables(settings: Settings): Record<string, string> {
  const { dir, probes, events, bufferSize, isFlight, tellsStatus, parent } = settings
  return {
    [VARIABLES.dir]: dir,
    ...(probes.length === 0 ? {} : { [VARIABLES.probes]: probes.join(',') }),
    ...(events.length === 0 ? {} : { [VARIABLES.events]: events.join(',') }),
    ...(bufferSize === undefined ? {} : { [VARIABLES.bufferSize]: String(bufferSize) }),
    ...(isFlight ? { [VARIABLES.flight]: '1' } : {}),
    ...(tellsStatus ? { [VARIABLES.status]: '1' } : {}),
    ...(parent === undefined ? {} : { [VARIABLES.parent]: String(parent) }),
  }
}

/**
 * Reads settings from environment variables.
 *
 * @param fallback the folder, if none is given.
 * @throws RangeError for a variable that says nothing sensible.
 */
export function fromVariables(variables: Variables, fallback: () => string): Settings {
  const textOf = (name: string): string | undefined => {
    const text = variables[name]
    return text === undefined || text === '' ? undefined : text
  }
  const bufferSize = textOf(VARIABLES.bufferSize)
  if (bufferSize !== undefined && !/^\d{1,12}$/.test(bufferSize)) {
    throw new RangeError(`${VARIABLES.bufferSize}=${bufferSize} is no number of bytes`)
  }
  const parent = textOf(VARIABLES.parent)
  return {
    dir: resolve(textOf(VARIABLES.dir) ?? fallback()),
    probes: listOf(textOf(VARIABLES.probes)),
    events: listOf(textOf(VARIABLES.events)),
    bufferSize: bufferSize === undefined ? undefined : Number(bufferSize),
    isFlight: isSet(textOf(VARIABLES.flight)),
    tellsStatus: isSet(textOf(VARIABLES.status)),
    parent: parent === undefined || !/^\d{1,10}$/.test(parent) ? undefined : Number(parent),
  }
}

function listOf(text = ''): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== '0' && text !== 'false'
}
