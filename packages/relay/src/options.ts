/**
 * What a relay channel is opened with.
 */
import { checkGeometry, type Geometry, type Mode } from '@rchan/ring'
import type { RelayCallbacks } from './callbacks.js'

/** What a relay channel is opened with. */
export interface RelayOptions {
  /**
   * Files are named by this and the CPU. Without it the channel only buffers, until
   * `lateSetupFiles`.
   */
  readonly baseFilename?: string | undefined
  /** Passed on to `createBufFile`. From a thread that is not the file thread: a string. */
  readonly parent?: unknown
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers in a buffer. */
  readonly subbufCount: number
  /**
   * What is lost when a buffer is full, if there is no `subbufStart`. Default: 'discard', which
   * loses the newest record.
   */
  readonly mode?: Mode
  /** Bytes reserved at the start of each sub-buffer, if there is no `subbufStart`. Default: 0. */
  readonly headerBytes?: number
  /** Whether all CPUs share one buffer; `createBufFile` may say so too. Default: false. */
  readonly isGlobal?: boolean
  /**
   * Whether threads take turns in writing a buffer: each write locks it, as clients of the kernel's
   * global channels do. Default: false; then one thread writes it until it goes offline.
   */
  readonly locksWrites?: boolean
  /**
   * Functions of this thread. A `subbufStart` among them makes it the only thread that can write.
   * Callbacks for files are the file thread's alone: another thread's channels have the relay's
   * `fileCallbacks`.
   */
  readonly callbacks?: RelayCallbacks
  /**
   * Absolute URL of a module that exports `subbufStart`. Every thread that writes loads it, see
   * {@link RelayChannel.load}.
   */
  readonly module?: string | URL
  /** The client's. Of this thread. */
  readonly privateData?: unknown
}

/** Outcomes of {@link RelayChannel.lateSetupFiles}. */
export type LateSetup = 'done' | 'exists' | 'invalid'

/** The most bytes of a file's name. */
const MAX_NAME_BYTES = 254

/** Cuts a name at 254 bytes of UTF-8, between characters. @throws TypeError if it is no string. */
export function cutName(name: string): string {
  if (typeof name !== 'string') {
    throw new TypeError(`baseFilename=${String(name)} of a relay channel is not a string`)
  }
  let bytes = 0
  let end = 0
  for (const character of name) {
    const point = character.codePointAt(0) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (bytes > MAX_NAME_BYTES) break
    end += character.length
  }
  return name.slice(0, end)
}

/** @throws RangeError for a URL that other threads would take for another one. */
export function absoluteUrl(module: string | URL): string {
  try {
    return new URL(module).href
  } catch {
    throw new RangeError(
      `module=${String(module)} of a relay channel is no absolute URL: new URL('./module.js', import.meta.url) is`,
    )
  }
}

/** The geometry that options mean. @throws RangeError for one that can't be. */
export function geometryOf({
  subbufSize,
  subbufCount,
  callbacks,
  module,
  mode,
  headerBytes,
}: RelayOptions): Geometry {
  const geometry: Geometry = {
    subbufSize,
    subbufCount,
    mode: mode ?? 'discard',
    headerBytes: headerBytes ?? 0,
  }
  checkGeometry(geometry)
  // A client that decides itself may take sub-buffers that nobody has read: readers must expect it.
  const decides = callbacks?.subbufStart !== undefined || module !== undefined
  return decides ? { ...geometry, mode: 'overwrite', headerBytes: 0 } : geometry
}

/**
 * Functions can't be called from another thread.
 *
 * @throws Error when a thread that is not the file thread brings callbacks for files.
 */
export function mustNotBringFileCallbacks(callbacks: RelayCallbacks | undefined): void {
  for (const name of ['createBufFile', 'removeBufFile', 'bufMapped', 'bufUnmapped'] as const) {
    if (callbacks?.[name] === undefined) continue
    throw new Error(
      `${name} of a relay channel that is not opened by the file thread: give it to the file thread, as one of the ` +
        'fileCallbacks of its relay',
    )
  }
}
