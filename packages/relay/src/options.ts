/**
 * What a relay channel is opened with, and what it needs of its relay.
 */
import type { Mode } from '@rchan/ring'
import type { RelayCallbacks } from './callbacks.js'
import type { Answer, Request } from './upcall.js'
import type { RelayMemory } from './memory.js'
import type { Machine } from './relay.js'

/** What a relay channel is opened with. */
export interface RelayOptions {
  /** Files are named by this and the CPU. Without it the channel only buffers, until `lateSetupFiles`. */
  readonly baseFilename?: string | undefined
  /** Passed on to `createBufFile`; from a thread that is not the coordinator a string. */
  readonly parent?: unknown
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers in a buffer. */
  readonly subbufCount: number
  /** What is lost when a buffer is full, if there is no `subbufStart`. Default: 'discard', the newest record. */
  readonly mode?: Mode
  /** Bytes reserved at the start of each sub-buffer, if there is no `subbufStart`. Default: 0. */
  readonly headerBytes?: number
  /** Whether all CPUs share one buffer; `createBufFile` may say so too. Default: false. */
  readonly isGlobal?: boolean
  /**
   * Functions of this thread. A `subbufStart` among them makes it the only thread that can write. Those for files are the
   * coordinator's alone: another thread's channels have the relay's `fileCallbacks`.
   */
  readonly callbacks?: RelayCallbacks
  /** Absolute URL of a module that exports `subbufStart`; every thread that writes loads it, see {@link RelayChannel.load}. */
  readonly module?: string | URL
  /** The client's. Of this thread. */
  readonly privateData?: unknown
}

/** Outcomes of {@link RelayChannel.lateSetupFiles}. */
export type LateSetup = 'done' | 'exists' | 'invalid'

/** What a channel needs of its relay, in this thread. */
export interface RelayHost {
  readonly machine: Machine
  readonly shared: RelayMemory
  readonly fileCallbacks: RelayCallbacks
  onlineCpus(): readonly number[]
  now(): number
  /** Runs something under the lock over the list of channels. */
  locked<T>(run: () => T): T
  /** Has the coordinator make a call. Locked. */
  ask(request: Request): Answer
  /** Nothing of this channel is needed any more. */
  forget(id: number): void
}

/** The most bytes of a file's name. */
const MAX_NAME_BYTES = 254

/** Cuts a name at 254 bytes of UTF-8, between characters. @throws TypeError when it is none. */
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
