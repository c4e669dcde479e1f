/**
 * A buffer as users and callbacks see it. Only this package makes one: `ThreadBuffer` is what
 * stands behind it.
 */
import type { BufferMemory } from '@rchan/ring'

/**
 * One CPU's buffer of a relay channel, seen from one thread.
 *
 * @example
 * const buffer = channel.buffer(0)
 * buffer?.write(bytes) // false: dropped, and counted in buffer.memory.discarded()
 */
export interface RelayBuffer {
  /** The ring. `new Reader(buffer.memory)` reads each record once, or counts it as lost. */
  readonly memory: BufferMemory
  /**
   * All of the buffer's pages, `allocSize` bytes. Only the first `subbufSize * subbufCount` are
   * used.
   */
  readonly pages: Uint8Array<SharedArrayBuffer>
  /** Whose buffer it is; 0 in a global channel. */
  readonly cpu: number
  readonly subbufSize: number
  readonly subbufCount: number
  /** Sub-buffers completed since the last reset, as the owner sees it. */
  readonly produced: number
  /** Sub-buffers begun since the last reset. */
  readonly started: number
  /** Sub-buffers that a consumer has declared consumed. */
  readonly consumed: number
  /** Bytes consumed of the first sub-buffer that is not yet consumed. */
  readonly bytesConsumed: number
  /**
   * Which life of the buffer it is: a reset counts it up twice, and it is odd during the reset. Any
   * thread.
   */
  readonly resets: number
  /** Whether a sub-buffer is open for writing; if not, the client refused the next one. */
  readonly isOpen: boolean
  /**
   * Where the current sub-buffer starts, in bytes from the start of the data. If none is open, the
   * last one.
   */
  readonly data: number
  /**
   * Where the next byte goes, from {@link data}; `subbufSize + 1` if no sub-buffer is open. In a
   * thread that is not the owner it may be ahead: bytes before it may not have arrived yet.
   */
  readonly offset: number
  /** Unused bytes of the sub-buffer that was completed last. */
  readonly prevPadding: number
  /** Whether no complete sub-buffer waits to be consumed. */
  readonly isEmpty: boolean
  /** Whether every sub-buffer waits to be consumed. */
  readonly isFull: boolean
  /** Whether the channel was closed: no more writes, ever. */
  readonly finalized: boolean
  /** Whether the owner was asked for a switch or a reset that it has not done yet. */
  readonly isAsked: boolean
  /** What `createBufFile` returned for this buffer; on the file thread only. */
  readonly file: unknown
  /** Bytes without padding completed while the buffer had no file. */
  readonly earlyBytes: number
  /**
   * Size of the buffer's file: all bytes completed, without padding. Undefined while it has none.
   */
  readonly fileBytes: number | undefined
  /** How many switches found a thread waiting. */
  readonly wakeups: number
  /**
   * Reference count: one for the channel until it is closed, one for each open file and for each
   * file that was released with a mapping left; 0 when the memory is gone.
   */
  readonly references: number

  /**
   * Makes this thread the one that writes the buffer, as its first record would.
   *
   * @returns whether it writes it now; false when the channel was closed.
   * @throws Error when another thread writes it, which lives.
   */
  becomeOwner(): boolean

  /**
   * Unused bytes at the end of the sub-buffer at `index`, when it was completed; 0 if it is open or
   * never was used.
   */
  padding(index: number): number

  /**
   * Writes one record. The owner; a thread becomes it with its first record while no living thread
   * is.
   *
   * @returns whether it was written. If not (full, too big, the channel is closed, or within
   * `subbufStart`) it is counted.
   * @throws Error when another thread writes the buffer, or this one can't (see
   * {@link RelayChannel.load}).
   */
  write(bytes: Uint8Array): boolean

  /**
   * Reserves room for a record, which counts from now on: bytes that are never stored there are
   * delivered as they stand. Owner only, as {@link write}.
   *
   * @returns where to store it, in bytes from the start of the data; undefined if it is dropped,
   * and also for a length of 0 that had to switch.
   */
  reserve(length: number): number | undefined

  /**
   * Ends the current sub-buffer and starts the next, for a record of `length` bytes that is not
   * placed yet. Any thread: a buffer whose owner is dead is switched at once. A living owner is
   * asked, and does it with its next record.
   *
   * @returns `length`, or 0 if there is no room for it, or the owner was asked.
   */
  switch(length: number): number

  /**
   * Within `subbufStart` only: reserves a header at the start of the sub-buffer that is asked
   * about. The client fills its bytes, now or later, and they count as data. Reserving accepts the
   * sub-buffer: what stood there is gone for readers, so a refusal after it is ignored.
   *
   * @throws RangeError if it leaves less than two bytes of the sub-buffer; Error outside
   * `subbufStart`.
   */
  subbufStartReserve(length: number): void

  /**
   * Declares sub-buffers consumed, counted from where consumption stands: at most what was
   * produced. A count of more than the buffer holds is ignored. Any thread, not while a `Reader`
   * drains the buffer. Where the buffer may be reset meanwhile, {@link RelayFile.consumeTo} is the
   * safe way.
   */
  subbufsConsumed(count: number): void

  /**
   * Puts the buffer back to its first state. Early bytes, the file's size, the previous padding,
   * the bytes in memory, the positions of relay files and the counts of discarded records stay. Any
   * thread: a buffer whose owner is dead is reset at once. A living owner is asked, and does it
   * with its next record, when nobody is reading just then.
   *
   * @returns whether it was done, and not only asked for.
   * @throws when the channel was closed, or within `subbufStart`.
   */
  reset(): boolean

  /**
   * Whether what was read of a complete sub-buffer before this call is whole: it was not begun
   * anew, and the buffer was not reset. Any thread.
   *
   * @param sequence of the sub-buffer, counted since the last reset.
   * @param resets {@link resets} before it was read. With an odd number the answer is no.
   */
  isIntact(sequence: number, resets: number): boolean
}
