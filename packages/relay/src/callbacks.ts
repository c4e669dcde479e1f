/**
 * What the client of a relay channel is asked and told, and what a buffer needs of its channel to ask and tell it.
 */
import type { Geometry } from '@rchan/ring'
import type { RelayBuffer } from './buffer.js'
import type { OwnerHost } from './ownership.js'

/** What the client of a relay channel is asked and told. All are optional. */
export interface RelayCallbacks {
  /**
   * A sub-buffer is about to become the current one. Returning false refuses, and the writer drops records until a
   * later call accepts. Default: refuse while the buffer is full. May call `buffer.subbufStartReserve`. What it answers
   * for the first sub-buffer of a buffer and after a reset is ignored. If it throws, that is logged and refuses.
   *
   * @param subbuf where the sub-buffer starts, in bytes from the start of the data.
   * @param prevSubbuf where the one before started; undefined at first and after a reset.
   * @param prevPadding unused bytes at the end of the one before.
   */
  subbufStart?(
    buffer: RelayBuffer,
    subbuf: number,
    prevSubbuf: number | undefined,
    prevPadding: number,
  ): boolean
  /** A relay file of the buffer was mapped. On the coordinator; `file` is its `RelayFile`, if it was mapped there. */
  bufMapped?(buffer: RelayBuffer, file: unknown): void
  /** A mapping of the buffer was released. On the coordinator, in the same way. */
  bufUnmapped?(buffer: RelayBuffer, file: unknown): void
  /**
   * A buffer needs its file; undefined when it can't be made. On the coordinator, whichever thread the buffer is for.
   * Without a file name it must return none: a channel that only buffers asks so for whether it is global.
   *
   * @param mode permissions of the file, 0o400.
   * @param declareGlobal to be called if all CPUs are to share this one buffer.
   */
  createBufFile?(
    filename: string | undefined,
    parent: unknown,
    mode: number,
    buffer: RelayBuffer,
    declareGlobal: () => void,
  ): unknown
  /**
   * The channel is closed, and with it goes the file, which is what `createBufFile` returned; undefined if the buffer had
   * none. On the coordinator.
   */
  removeBufFile?(file: unknown): void
}

/** What a buffer needs of its channel, in this thread. */
export interface BufferOwner extends OwnerHost {
  readonly geometry: Geometry
  /** The client's functions in this thread. */
  callbacks(): RelayCallbacks
  /** Milliseconds on a clock that never goes back. */
  now(): number
  /** Whether the memory is still this channel's. */
  isCurrent(): boolean
  /** Whether the channel was not closed yet. */
  isOpen(): boolean
  /** What `createBufFile` returned, on the thread where it did. */
  fileOf(buffer: RelayBuffer): unknown
  tellOfMapping(buffer: RelayBuffer, isMapped: boolean, file: unknown): void
  /** A record of `length` bytes was too big. */
  tooBig(length: number): void
  /** A callback threw. */
  threw(callback: string, error: unknown): void
}
