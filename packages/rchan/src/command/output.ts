/**
 * Where a conversion goes: a file, or standard output.
 *
 * A file gets its name when it is whole, so nobody ever sees half of one: it is written under a
 * temporary name beside it, which is removed if anything fails, also at SIGINT, SIGTERM and SIGHUP.
 * What is no regular file (a FIFO, a device) is written to as it is, and so is the file of a trace
 * that is followed.
 */
import { randomBytes } from 'node:crypto'
import {
  fstatSync,
  linkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { isatty } from 'node:tty'
import { CommandError, reasonOf } from './fault.js'

/** Something to write to. */
export interface Output {
  /** As people know it; undefined for standard output. */
  readonly path: string | undefined
  write(bytes: Uint8Array): Promise<void>
  /** Everything is written. */
  finish(): Promise<void>
  /** Something failed. Nothing is left behind. */
  discard(): Promise<void>
}

/** Whoever read standard output wants no more of it. */
export class ReaderGone extends Error {}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Opens a file for writing.
 *
 * @param force whether it may replace a file.
 */
export async function openFile(path: string, force: boolean): Promise<Output> {
  const there = statOf(path)
  if (there !== undefined && !there.isFile()) return await openPlain(path, 'w')
  if (there !== undefined && !force) throw existsAlready(path)
  return await openWhole(path, there === undefined ? resolve(path) : realpathSync(path), force)
}

/**
 * Opens a file that others read while it is written. It stays where it is, whatever happens.
 *
 * @param force whether it may replace a file.
 */
export async function openGrowing(path: string, force: boolean): Promise<Output> {
  const there = statOf(path)
  if (there?.isFile() === true && !force) throw existsAlready(path)
  return await openPlain(path, there === undefined ? 'wx' : 'w')
}

function existsAlready(path: string): CommandError {
  return new CommandError(`${path}: exists already: choose another name with -o, or replace it with --force`)
}

/** Of a file that gets its name in the end. */
async function openWhole(path: string, target: string, force: boolean): Promise<Output> {
  // A name has at most 255 bytes.
  const name = Buffer.from(basename(target)).toString('utf8', 0, 200)
  // By its process id it is not alone: in a container each process may have the same one, also the
  // one that was killed and left its file.
  const temporary = join(dirname(target), `.${name}.${randomBytes(6).toString('hex')}.tmp`)
  let file: FileHandle
  try {
    file = await open(temporary, 'wx')
  } catch (error) {
    throw new CommandError(`${path}: can't be written: ${reasonOf(error)}: choose another place with -o`)
  }
  const remove = (): void => rmSync(temporary, { force: true })
  const release = onSignal(remove)
  return {
    path,
    write: (bytes) => writeAll(file, bytes, path, 'nothing of it is kept'),
    async finish() {
      try {
        await file.close()
        place(temporary, target, path, force)
      } catch (error) {
        remove()
        if (error instanceof CommandError) throw error
        throw new CommandError(`${path}: can't be written: ${reasonOf(error)}`)
      } finally {
        release()
      }
    },
    async discard() {
      await file.close().catch(() => undefined)
      remove()
      release()
    },
  }
}

/** Gives a file its name. */
function place(temporary: string, target: string, path: string, force: boolean): void {
  if (!force) {
    try {
      // Unlike a rename, it replaces no file that has come in the meantime.
      linkSync(temporary, target)
      rmSync(temporary)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw existsAlready(path)
      // Not every file system has links.
    }
  }
  renameSync(temporary, target)
}

/** Of what is written to as it is. */
async function openPlain(path: string, flags: 'w' | 'wx'): Promise<Output> {
  let file: FileHandle
  try {
    file = await open(path, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw existsAlready(path)
    throw new CommandError(`${path}: can't be written: ${reasonOf(error)}`)
  }
  return {
    path,
    write: (bytes) => writeAll(file, bytes, path, 'what is there is not whole'),
    finish: () => file.close(),
    discard: () => file.close().catch(() => undefined),
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, path: string, left: string): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new ReaderGone()
    throw new CommandError(`${path}: can't be written: ${reasonOf(error)}: ${left}`)
  }
}

/** Returns standard output. */
export function standardOutput(): Output {
  return {
    path: undefined,
    write: async (bytes) => {
      await writeOut(bytes)
    },
    finish: async () => undefined,
    discard: async () => undefined,
  }
}

/** Writes to standard output, and waits until it is taken. */
export async function writeOut(data: Uint8Array | string): Promise<void> {
  if (isPlain(process.stdout.fd)) {
    writePlain(process.stdout.fd, data)
    return
  }
  await new Promise<void>((done, fail) => {
    process.stdout.write(data, (error) => {
      if (!error) done()
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') fail(new ReaderGone())
      else fail(new CommandError(`standard output: can't be written: ${reasonOf(error)}`))
    })
  })
}

/** The same for what can't wait: help. */
export function writeOutNow(text: string): void {
  if (isPlain(process.stdout.fd)) writePlain(process.stdout.fd, text)
  else process.stdout.write(text)
}

/** Whether it is a file, or a device that is no terminal. */
function isPlain(fd: number): boolean {
  try {
    const there = fstatSync(fd)
    return there.isFile() || (there.isCharacterDevice() && !isatty(fd))
  } catch {
    return false
  }
}

/** Writes all. Node's stream drops the rest if a file takes a part only: the disk is full, say. */
function writePlain(fd: number, data: Uint8Array | string): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
  } catch (error) {
    throw new CommandError(`standard output: can't be written: ${reasonOf(error)}`)
  }
}

/** Returns what is there, if anything. @throws CommandError if no file can be. */
function statOf(path: string): Stats | undefined {
  const isFolder = (): CommandError =>
    new CommandError(`${path}: is a folder: give the name of a file with -o`)
  if (path.endsWith('/') || path.endsWith(sep)) throw isFolder()
  try {
    const there = statSync(path)
    if (there.isDirectory()) throw isFolder()
    return there
  } catch (error) {
    if (error instanceof CommandError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CommandError(`${path}: can't be written: ${reasonOf(error)}: choose another place with -o`)
  }
}

/** Calls back at a signal, which ends the process then. @returns a function that ends this. */
function onSignal(callback: () => void): () => void {
  const end = (signal: NodeJS.Signals): void => {
    callback()
    release()
    // As if nobody had listened: whoever started this process sees the signal.
    process.kill(process.pid, signal)
  }
  const release = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, end)
  }
  for (const signal of SIGNALS) process.on(signal, end)
  return release
}
