/**
 * Whether Node's permission model would keep a program from being recorded. A preload that can't be
 * read ends the program, and one that may start no thread complains on the program's stderr. So
 * then it must not get one.
 */
import { basename, dirname, resolve } from 'node:path'

const MODEL: readonly string[] = ['--permission', '--experimental-permission']
const READ = '--allow-fs-read'
const WRITE = '--allow-fs-write'
const WORKER = '--allow-worker'
/** Options of Node whose value may be the next argument. All others have it behind a `=`. */
const WITH_VALUE: readonly string[] = [
  READ,
  WRITE,
  '--conditions',
  '-C',
  '--env-file',
  '--eval',
  '-e',
  '--experimental-loader',
  '--import',
  '--input-type',
  '--loader',
  '--print',
  '-p',
  '--require',
  '-r',
]

/** What a recording needs. */
export interface Needed {
  /** The file that is loaded first. Others lie beside it. */
  readonly preload: string
  /** The folder of the recording. */
  readonly dir: string
}

/**
 * Reads a command line. What a script starts that the command is, nobody knows.
 *
 * @returns the flags without which there will certainly be no recording; none if it may work.
 */
export function missingFlags(command: readonly string[], { preload, dir }: Needed): string[] {
  const [program = '', ...args] = command
  if (program !== process.execPath && !/^node(\.exe)?$/i.test(basename(program))) return []
  let hasModel = false
  let hasWorkers = false
  let canWrite = false
  const readable: string[] = []
  for (
    let index = 0;
    index < args.length && args[index].startsWith('-') && args[index] !== '--';
    index += 1
  ) {
    const [option, value] = partsOf(args[index])
    const isNext = value === undefined && WITH_VALUE.includes(option)
    if (isNext) index += 1
    if (MODEL.includes(option)) hasModel = true
    else if (option === WORKER) hasWorkers = true
    // Where it may write is not compared: there may be links in between.
    else if (option === WRITE) canWrite = true
    // Until Node 22 it could be a list.
    else if (option === READ) readable.push(...((isNext ? args[index] : value) ?? '').split(','))
  }
  if (!hasModel) return []
  return [
    ...(readable.some((pattern) => covers(pattern, preload)) ? [] : [`"${READ}=${dirname(preload)}/*"`]),
    ...(hasWorkers ? [] : [WORKER]),
    ...(canWrite ? [] : [`"${WRITE}=${dir}/*"`]),
  ]
}

function partsOf(argument: string): [option: string, value: string | undefined] {
  const at = argument.startsWith('--') ? argument.indexOf('=') : -1
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)]
}

/** A path stands for all that is in it, one with a star for all that begins so. */
function covers(pattern: string, file: string): boolean {
  if (pattern === '') return false
  if (pattern.endsWith('*')) return pattern === '*' || file.startsWith(startOf(pattern))
  const path = resolve(pattern)
  return file === path || file.startsWith(`${path}/`) || file.startsWith(`${path}\\`)
}

function startOf(pattern: string): string {
  const text = pattern.slice(0, -1)
  const path = resolve(text)
  return /[/\\]$/.test(text) && !/[/\\]$/.test(path) ? `${path}${text.slice(-1)}` : path
}
