/**
 * Files for a relay channel that has written to memory so far: a consumer thread with a folder as
 * its sink. No writer takes part in the set-up.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Relay, RelayChannel } from '@rchan/relay'
import { checkOptions } from './given-options.js'
import { ConsumerThread, warn, type ConsumerThreadOptions } from './sink-consumer.js'

/** Options of {@link setUpFiles}. */
export interface LateFilesOptions extends Pick<ConsumerThreadOptions, 'flushIntervalMs' | 'onError'> {
  /** The folder of the files: a path, or a `file:` URL object. It is made if it does not exist. */
  readonly dir: string | URL
  /** Files are named by this and the CPU. Default: 'cpu'. */
  readonly baseFilename?: string
}

const LATE_FILES_OPTIONS = ['dir', 'baseFilename', 'flushIntervalMs', 'onError']

/** The channels that have files, by this thread. */
const setUp = new WeakMap<RelayChannel, ConsumerThread>()

/**
 * Gives a channel its files, one for each buffer: when it has resolved, they hold all that was
 * written before and was not consumed; from then on what is written follows. They end when the
 * channel is closed, or at `stop()` of what it returns.
 *
 * @throws (the promise) Error with `code` 'exists' if the channel has files; with `code` 'invalid'
 * if the name can't be, if a file is there already or can't be made (`cause.code` is the system's),
 * or another consumer has a buffer. Then nothing is left of the set-up: no file and no new folder,
 * and it can be tried again. With `code` 'unwritten' if the files were made, and the disk did not
 * take what was written before: they keep what they have, and the rest stays in the buffers, for
 * files in another folder.
 */
export async function setUpFiles(
  relay: Relay,
  channel: RelayChannel,
  options: LateFilesOptions,
): Promise<ConsumerThread> {
  checkOptions('setUpFiles', options, LATE_FILES_OPTIONS)
  const { dir, baseFilename = 'cpu', flushIntervalMs, onError } = options
  if (channel.hasBaseFilename || setUp.get(channel)?.isOver === false || pending.has(channel))
    throw coded('exists', `channel=${channel.id} has files already`)
  const folder = folderOf(dir)
  if (baseFilename === '' || /[/\\\0]/.test(baseFilename))
    throw coded('invalid', `baseFilename=${baseFilename} is no name of a file`)
  pending.add(channel)
  try {
    const cpus: number[] = []
    for (let cpu = 0; cpu < relay.possibleCpus; cpu += 1) {
      const buffer = channel.buffer(cpu)
      if (buffer !== undefined && !cpus.includes(buffer.cpu)) cpus.push(buffer.cpu)
    }
    let isSetUp = false
    const thread = await ConsumerThread.start(relay, {
      channels: [channel],
      sink: { dir: folder, baseFilename, cpus },
      ...(flushIntervalMs === undefined ? {} : { flushIntervalMs }),
      // Before that the caller hears of it.
      onError: (error) => isSetUp && (onError ?? warn)(error),
    }).catch((error: Error) => {
      const { code } = (error.cause ?? {}) as { readonly code?: string }
      const hint = code === undefined ? '' : '; nothing is left of it: choose another folder, or baseFilename'
      throw coded('invalid', `${error.message}${hint}`, error.cause)
    })
    setUp.set(channel, thread)
    try {
      if (channel.isOpen) await thread.flush()
    } catch (error) {
      const { message, cause } = error as Error
      const what = `${message}; what was taken stays in ${folder}: set up files in another folder for the rest`
      throw coded('unwritten', what, cause)
    }
    isSetUp = true
    return thread
  } finally {
    pending.delete(channel)
  }
}

/** The path of a folder, absolute. */
function folderOf(dir: unknown): string {
  if (typeof dir === 'object' && dir !== null && 'href' in dir) {
    try {
      return fileURLToPath(dir as URL)
    } catch (error) {
      throw coded('invalid', `dir=${String(dir.href)} is not the file: URL of a folder`, error)
    }
  }
  if (typeof dir === 'string' && /^file:/i.test(dir))
    throw coded('invalid', `dir=${JSON.stringify(dir)} is the text of a URL: give new URL(…), or a path`)
  if (typeof dir !== 'string' || dir === '') throw coded('invalid', `dir=${JSON.stringify(dir)} is no folder`)
  return resolve(dir)
}

/** The channels whose set-up is under way. */
const pending = new WeakSet<RelayChannel>()

function coded(code: string, message: string, cause?: unknown): Error {
  const error = new Error(`setUpFiles: ${message}`, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code })
}
