/**
 * A channel as users see it. {@link Relay.open} makes it: `ThreadChannel` is what stands behind it.
 */
import type { Geometry } from '@rchan/ring'
import type { RelayCallbacks } from './callbacks.js'
import type { LateSetup } from './options.js'
import type { RelayBuffer } from './relay-buffer.js'

/** A relay channel, seen from one thread; {@link Relay.open} makes it. */
export interface RelayChannel {
  /** Its number in its relay: `relay.channel(id)` finds it in any thread. */
  readonly id: number
  readonly geometry: Geometry
  /** Bytes of a buffer's pages. */
  readonly allocSize: number
  readonly privateData: unknown
  /** The base of the files' names, at most 254 bytes; '' if none. */
  readonly baseFilename: string
  /** Whether files have been or are to be made. */
  readonly hasBaseFilename: boolean
  /** Whether all CPUs share one buffer. */
  readonly isGlobal: boolean
  /** Whether threads take turns in writing a buffer; see `RelayOptions`. */
  readonly locksWrites: boolean
  /**
   * Length of the last record that could never fit, in bytes, from any thread; 0 if there was none.
   */
  readonly lastTooBig: number
  /**
   * Reference count: one for the opener until `close`, one for each buffer still in use; 0 when the
   * channel is gone.
   */
  readonly references: number
  /** Whether it was not closed yet. */
  readonly isOpen: boolean
  /** Whether the thread that opened it has ended without closing it. Any thread may close it. */
  readonly isOrphan: boolean
  /** The client's functions in this thread: those it was opened with here, and its module's. */
  readonly callbacks: RelayCallbacks

  /**
   * Loads the channel's module, if it has one and this thread has not loaded it yet. Every thread
   * that is to write a channel with a module calls it once before.
   *
   * @throws TypeError when the module exports no function `subbufStart`; or what importing it
   * throws.
   */
  load(): Promise<void>

  /** The buffer of a CPU; undefined if it has none: it never was online, or does not exist. */
  buffer(cpu: number): RelayBuffer | undefined

  /**
   * Writes one record to the buffer of a CPU. One thread at a time: the first that writes, until it
   * goes offline or dies; with `locksWrites`, until it has written.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   * @throws RangeError when the CPU has no buffer, as after close; Error when another thread writes
   * it, or this one can't (see {@link load}).
   */
  write(cpu: number, bytes: Uint8Array): boolean

  /**
   * Reserves room for a record of `length` bytes in the buffer of a CPU; see
   * {@link RelayBuffer.reserve}.
   *
   * @throws as {@link write}.
   */
  reserve(cpu: number, length: number): number | undefined

  /**
   * Ends the current sub-buffer of every buffer, even an empty one, and starts the next. Any
   * thread: a buffer that another living thread writes is asked for it, see
   * {@link RelayBuffer.switch}.
   *
   * @throws after close.
   */
  flush(): void

  /**
   * Puts every buffer back to its first state; see {@link RelayBuffer.reset}. Any thread.
   *
   * @throws after close.
   */
  reset(): void

  /**
   * Declares sub-buffers of a CPU consumed; see {@link RelayBuffer.subbufsConsumed}. A CPU without
   * a buffer is ignored.
   */
  subbufsConsumed(cpu: number, count: number): void

  /**
   * Finalizes every buffer, removes the files, warns if a record was too big, and lets go. Readers
   * that have a file open go on reading. It neither flushes nor wakes sleepers, and waits for no
   * writer: their next record is refused. Any thread.
   *
   * @throws after close.
   */
  close(): void

  /**
   * Gives a channel that was opened without files its files: one for the buffer of each CPU online,
   * whose size starts at its early bytes, or for the global buffer. Any thread; it never waits for
   * a writer.
   *
   * @returns 'exists' when it has files, or an earlier try failed (the base name is replaced all
   * the same); 'invalid' without a name, or when a file can't be made: the files made before stay,
   * and there is no second try.
   * @throws after close; or what `createBufFile` throws, which leaves what 'invalid' does.
   */
  lateSetupFiles(baseFilename: string | undefined, parent?: unknown): LateSetup
}
