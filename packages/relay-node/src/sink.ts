/**
 * What a consumer thread asks of the module that takes the sub-buffers: its exported functions.
 */
import type { ConsumerTotals } from '@rchan/relay'

/** A sub-buffer, or a part of one, as a sink gets it. */
export interface SinkSubbuf {
  /** The id of its channel. */
  readonly channel: number
  /** Whose buffer it is; 0 in a global channel. */
  readonly cpu: number
  readonly sequence: number
  /**
   * The bytes, without padding. They are valid until the function has returned, or its promise is
   * fulfilled. In discard mode they are the shared memory of the buffer.
   */
  readonly bytes: Uint8Array
  readonly isComplete: boolean
  /** Records that are accounted for by this part; see `Subbuf`. */
  readonly records: number
  /** Records that were overwritten before this part, since the last of this buffer. */
  readonly overwritten: number
}

/** The exports of a sink's module. All may be asynchronous: the thread waits for their promises. */
export interface SinkModule {
  /** Called once, before anything else, with the `init` that `startConsumer` was given. */
  start?(init: unknown): unknown
  /**
   * Takes a sub-buffer. If it throws, the consumer ends, and the sub-buffer stays in its buffer.
   */
  write(subbuf: SinkSubbuf): unknown
  /** Called once, after the last sub-buffer; not after an error of `write`. */
  end?(totals: readonly ConsumerTotals[]): unknown
}
