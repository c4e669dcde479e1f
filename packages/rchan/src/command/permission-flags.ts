/**
 * Whether Node's permission model would keep a program from loading a file before its own code. A
 * preload that can't be read ends the program, so then it must not get one.
 */
import { basename, resolve } from 'node:path'

const MODEL: readonly string[] = ['--permission', '--experimental-permission']
const READ = '--allow-fs-read'
/** Options of Node whose value may be the next argument. All others have it behind a `=`. */
const WITH_VALUE: readonly string[] = [
  READ,
  '--allow-fs-write',
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

/**
 * Reads a command line. What a script starts that the command is, nobody knows.
 *
 * @param file that shall be loaded, absolute.
 */
export function isKeptFromReading(command: readonly string[], file: string): boolean {
  const [program = '', ...args] = command
  if (program !== process.execPath && !/^node(\.exe)?$/i.test(basename(program))) return false
  let hasModel = false
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
    // Until Node 22 it could be a list.
    else if (option === READ) readable.push(...((isNext ? args[index] : value) ?? '').split(','))
  }
  return hasModel && !readable.some((pattern) => covers(pattern, file))
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
