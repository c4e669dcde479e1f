/**
 * What stands above a buffer in this thread: its relay, and its channel. Buffers, and the ownership
 * of them, know these two interfaces and not the classes behind them.
 */
import type { Geometry } from '@rchan/ring'
import type { Bells } from './bells.js'
import type { RelayCallbacks } from './callbacks.js'
import type { LimitedMachine } from './machine.js'
import type { Members } from './members.js'
import type { Pages } from './pages.js'
import type { RelayBuffer } from './relay-buffer.js'
import type { Upcall } from './upcall.js'
import type { RelayWords } from './words.js'

/** The relay, as its channels and buffers in this thread need it. `Channels` is one. */
export interface RelayHost {
  readonly machine: LimitedMachine
  readonly words: RelayWords
  readonly members: Members
  readonly pages: Pages
  readonly upcall: Upcall
  readonly bells: Bells
  /** Whether file callbacks run in this thread. */
  readonly isFileThread: boolean
  /** For channels that other threads opened. */
  readonly fileCallbacks: RelayCallbacks
  onlineCpus(): readonly number[]
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /** Runs something under the lock over the list of channels. */
  locked<T>(run: () => T): T
  /** Nothing of this channel is needed any more. */
  forget(id: number): void
}

/** A buffer, and where it stands. `ThreadBuffer` is one. */
export interface PlacedBuffer extends RelayBuffer {
  /** The first page of its memory in the relay's. */
  readonly page: number
}

/** A channel, as its buffers in this thread need it. `ThreadChannel` is one. */
export interface BufferHost {
  readonly relay: RelayHost
  readonly geometry: Geometry
  /** Whether threads take turns in writing a buffer. */
  readonly locksWrites: boolean
  /** The client's functions in this thread. */
  readonly callbacks: RelayCallbacks
  /** Whether the memory is still this channel's. */
  readonly isCurrent: boolean
  /** Whether the channel was not closed yet; one that is being opened was not. */
  readonly keepsBuffers: boolean
  /** Why the calling thread can't write; '' if it can. */
  readonly whyNotWritable: string
  /** Keeps the memory, for this thread. @returns whether it is there still. */
  hold(): boolean
  letGo(): void
  /** What `createBufFile` returned, on the thread where it did. */
  fileOf(buffer: PlacedBuffer): unknown
  /** Tells the client that a buffer was mapped or unmapped. */
  tellOfMapping(buffer: PlacedBuffer, isMapped: boolean, file: unknown): void
  /** A record of `length` bytes was too big. */
  tooBig(length: number): void
  /** A callback threw, and nobody can be told. */
  threw(callback: string, error: unknown): void
}
