/**
 * What the client of a relay channel is asked and told.
 */
import type { RelayBuffer } from './relay-buffer.js'

/** What the client of a relay channel is asked and told. All are optional. */
export interface RelayCallbacks {
  /**
   * A sub-buffer is about to become the current one. Returning false refuses, and the writer drops
   * records until a later call accepts. Default: refuse while the buffer is full. It may call
   * `buffer.subbufStartReserve`. Its answer is ignored for the first sub-buffer of a buffer and
   * after a reset. If it throws, that is logged and refuses.
   *
   * @param subbuf where the sub-buffer starts, in bytes from the start of the data.
   * @param prevSubbuf where the one before started; undefined at first and after a
   * reset.
   * @param prevPadding unused bytes at the end of the one before.
   */
  subbufStart?(
    buffer: RelayBuffer,
    subbuf: number,
    prevSubbuf: number | undefined,
    prevPadding: number,
  ): boolean
  /**
   * A relay file of the buffer was mapped. On the file thread. `file` is its `RelayFile`, if it was
   * mapped there.
   */
  bufMapped?(buffer: RelayBuffer, file: unknown): void
  /** A mapping of the buffer was released. On the file thread, in the same way. */
  bufUnmapped?(buffer: RelayBuffer, file: unknown): void
  /**
   * A buffer needs its file; undefined when it can't be made. On the file thread, whichever thread
   * the buffer is for. Without a file name it must return none: a channel that only buffers calls
   * it so, to learn whether it is global.
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
   * The channel is closed, and its file goes with it. `file` is what `createBufFile` returned;
   * undefined if the buffer had none. On the file thread.
   */
  removeBufFile?(file: unknown): void
}
