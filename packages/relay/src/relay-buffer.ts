/**
 * A buffer as the kernel's relay shows it: one CPU's ring with its counters, its file, and those who wait for it.
 *
 * Owns nothing of the ring: that is `BufferMemory`, and every record and switch goes through its one `Writer`. What the
 * kernel has words for is derived from the words there. Runs on the thread that owns the buffer, which here is also
 * the thread of the channel. References keep the memory: one of the channel until it is closed, one of each open file.
 */
import { BUFFER, BufferMemory, type Geometry } from './buffer.js'
import { FULL, Writer, type WriterCallbacks } from './writer.js'

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
  /** A relay file of the buffer was mapped. */
  bufMapped?(buffer: RelayBuffer, file: unknown): void
  /** A mapping of the buffer was released. */
  bufUnmapped?(buffer: RelayBuffer, file: unknown): void
  /**
   * A buffer needs its file; undefined when it can't be made. Without a file name it must return none: a channel that
   * only buffers asks so for whether it is global.
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
  /** The channel is closed, and with it goes the file; undefined if the buffer had none. */
  removeBufFile?(file: unknown): void
}

/** What a buffer needs of its channel. */
export interface BufferOwner {
  readonly geometry: Geometry
  readonly callbacks: RelayCallbacks
  /** A record of `length` bytes was too big. */
  tooBig(length: number): void
  /** A callback threw. */
  threw(callback: string, error: unknown): void
  /** The last reference to the buffer is gone. */
  freed(buffer: RelayBuffer): void
}

/**
 * One CPU's buffer of a relay channel.
 *
 * @example
 * const buffer = channel.buffer(0)
 * buffer?.write(bytes) // false: dropped, and counted in buffer.memory.discarded()
 */
export class RelayBuffer {
  readonly memory: BufferMemory
  /** All of the buffer's pages, `allocSize` bytes; only the first `subbufSize * subbufCount` are used. */
  readonly pages: Uint8Array<SharedArrayBuffer>
  /** Who wakes up at the next switch. Each is called once, after the switch was published. */
  readonly waiters = new Set<() => void>()
  readonly #owner: BufferOwner
  readonly #writer: Writer
  readonly #size: number
  readonly #count: number
  #cpu: number
  #file: unknown
  #earlyBytes: number | undefined
  #wakeups = 0
  #references = 1
  /** During `subbufStart`, the sub-buffers completed as the owner sees it, not published yet; else −1. */
  #completing = -1
  /** Then, the header that it reserved; −1 for none. */
  #reserved = -1

  /** Lays the buffer out in zeroed memory of `bufferBytes`. It has no sub-buffer until {@link begin}. */
  constructor(owner: BufferOwner, cpu: number, memory: SharedArrayBuffer) {
    const { geometry, callbacks } = owner
    this.#owner = owner
    this.#cpu = cpu
    this.#size = geometry.subbufSize
    this.#count = geometry.subbufCount
    this.memory = BufferMemory.create(memory, 0, cpu, geometry)
    this.pages = new Uint8Array(memory, this.memory.dataByteOffset)
    const hooks: WriterCallbacks = { produced: () => this.#wake(), tooBig: (length) => owner.tooBig(length) }
    if (callbacks.subbufStart !== undefined) {
      hooks.accept = (sequence, padding) => this.#ask(sequence, padding)
    }
    this.#writer = new Writer(this.memory, hooks, undefined, false)
  }

  /** Whose buffer it is; 0 in a global channel. */
  get cpu(): number {
    return this.#cpu
  }
  /** Sub-buffers completed since the last reset, as the owner sees it. */
  get produced(): number {
    return this.#completing >= 0 ? this.#completing : this.#counter(BUFFER.produced)
  }
  /** Sub-buffers that a consumer has declared consumed. */
  get consumed(): number {
    return this.#counter(BUFFER.consumed)
  }
  /** Bytes consumed of the first sub-buffer that is not yet consumed. */
  get bytesConsumed(): number {
    return this.memory.words[BUFFER.bytesConsumed >> 2]
  }
  /** Whether a sub-buffer is open for writing; if not, the client refused the next one. */
  get isOpen(): boolean {
    return this.#completing < 0 && this.#counter(BUFFER.started) > this.produced
  }
  /** Where the current sub-buffer starts, in bytes from the start of the data. If none is open, the last one. */
  get data(): number {
    return this.#current() * this.#size
  }
  /** Where the next byte goes, from {@link data}; `subbufSize + 1` if no sub-buffer is open. */
  get offset(): number {
    if (this.#completing >= 0) return Math.max(0, this.#reserved)
    if (!this.isOpen) return this.#size + 1
    const index = this.produced % this.#count
    return this.memory.words[this.memory.endWord(index)] - index * this.#size
  }
  /** Unused bytes of the sub-buffer that was completed last. */
  get prevPadding(): number {
    return this.isOpen
      ? this.memory.words[this.memory.prevPaddingWord(this.produced % this.#count)]
      : this.padding(this.#current())
  }
  /** Whether the channel was closed: no more writes, ever. */
  get finalized(): boolean {
    return this.memory.words[BUFFER.finalized >> 2] === 1
  }
  /** Whether no complete sub-buffer waits to be consumed. */
  get isEmpty(): boolean {
    return this.produced === this.consumed
  }
  /** Whether every sub-buffer waits to be consumed. */
  get isFull(): boolean {
    return this.produced - this.consumed >= this.#count
  }
  /** What `createBufFile` returned for this buffer. */
  get file(): unknown {
    return this.#file
  }
  /** The client's, of the buffer's channel. */
  get callbacks(): RelayCallbacks {
    return this.#owner.callbacks
  }
  /** Bytes without padding completed while the buffer had no file. */
  get earlyBytes(): number {
    return this.#earlyBytes ?? this.#completedBytes()
  }
  /** Size of the buffer's file: all bytes completed, without padding. Undefined while it has none. */
  get fileBytes(): number | undefined {
    return this.#earlyBytes === undefined ? undefined : this.#completedBytes()
  }
  /** How many switches found somebody waiting. */
  get wakeups(): number {
    return this.#wakeups
  }
  /** Who keeps the memory: the channel until it is closed, and open files. */
  get references(): number {
    return this.#references
  }
  get subbufSize(): number {
    return this.#size
  }
  get subbufCount(): number {
    return this.#count
  }

  /** Unused bytes at the end of the sub-buffer at `index`, when it was completed; 0 if it is open or never was used. */
  padding(index: number): number {
    const { produced } = this
    if (index >= produced || (this.isOpen && index === produced % this.#count)) return 0
    return (index + 1) * this.#size - this.memory.words[this.memory.endWord(index)]
  }

  /**
   * Writes one record. Owner only.
   *
   * @returns whether it was written; if not (full, too big, the channel is closed, or within `subbufStart`) it is
   * counted.
   */
  write(bytes: Uint8Array): boolean {
    return this.#refused() ? false : this.#writer.write(bytes)
  }

  /**
   * Reserves room for a record, which counts from now on: bytes that are never stored there are delivered as they
   * stand. Owner only.
   *
   * @returns where to store it, in bytes from the start of the data; undefined if it is dropped, and also for a
   * length of 0 that had to switch.
   */
  reserve(length: number): number | undefined {
    checkLength(length)
    if (this.#refused()) return undefined
    const switches = this.#writer.view.limit < 0
    const at = this.#writer.reserve(length)
    if (at < 0 || (length === 0 && switches)) return undefined
    this.#writer.commit(at, length)
    return at
  }

  /**
   * Ends the current sub-buffer and starts the next, for a record of `length` bytes that is not placed yet.
   *
   * @returns `length`, or 0 if there is no room for it.
   */
  switch(length: number): number {
    checkLength(length)
    if (this.finalized || this.#completing >= 0) return 0
    return this.#writer.switch(length) < 0 ? 0 : length
  }

  /**
   * Within `subbufStart` only: reserves a header at the start of the sub-buffer that is asked about. Its bytes are the
   * client's to fill, now or later, and count as data. Reserving accepts the sub-buffer: what stood there is gone for
   * readers, so a refusal after it is not heeded.
   *
   * @throws RangeError if it leaves less than two bytes of the sub-buffer; Error outside `subbufStart`.
   */
  subbufStartReserve(length: number): void {
    if (this.#completing < 0) throw new Error(`subbufStartReserve length=${length} outside subbufStart`)
    if (!Number.isInteger(length) || length < 0 || length >= this.#size - 1) {
      throw new RangeError(`header length=${length} of a sub-buffer of subbufSize=${this.#size}`)
    }
    this.#reserved = length
    this.#writer.take(this.#completing)
  }

  /** Declares sub-buffers consumed: at most what was produced; more than the buffer holds is ignored. */
  subbufsConsumed(count: number): void {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`subbufs consumed count=${count}`)
    if (count > this.#count) return
    this.consumedTo(Math.min(this.consumed + count, this.produced))
  }

  /** Relay file: sets how many sub-buffers are consumed. Pairs with: Writer, Atomics.load of `consumed`. */
  consumedTo(consumed: number): void {
    Atomics.store(this.memory.counters, BUFFER.consumed >> 3, BigInt(consumed))
  }

  /** Relay file: sets how much of the next sub-buffer is consumed, in bytes. */
  bytesConsumedTo(bytes: number): void {
    this.memory.words[BUFFER.bytesConsumed >> 2] = bytes
  }

  /**
   * Puts the buffer back to its first state. Early bytes, the file's size, the previous padding, the bytes in memory
   * and the positions of relay files stay; what was discarded is counted anew. Owner only.
   *
   * @throws when the channel was closed, or within `subbufStart`.
   */
  reset(): void {
    if (this.finalized) throw new Error('reset of a buffer whose relay channel was closed')
    if (this.#completing >= 0) throw new Error('reset of a relay buffer within subbufStart')
    this.#writer.reset()
  }

  /** Takes a reference. @throws when there is none any more. */
  hold(): void {
    if (this.#references === 0) throw new Error(`the buffer of cpu=${this.#cpu} was freed`)
    this.#references += 1
  }

  /** Lets a reference go. */
  letGo(): void {
    this.#references -= 1
    if (this.#references === 0) this.#owner.freed(this)
  }

  /** Channel: opens the first sub-buffer, once the buffer has its file. */
  begin(): void {
    this.#writer.switch(0)
  }

  /** Channel: the one buffer of a global channel is that of CPU 0. */
  becomeGlobal(): void {
    this.#cpu = 0
    this.memory.words[BUFFER.cpu >> 2] = 0
  }

  /** Channel: gives the buffer its file, whose size starts at the bytes completed so far. */
  setFile(file: unknown): void {
    this.#earlyBytes = this.#completedBytes()
    this.#file = file
  }

  /** Channel: no more writes, ever. */
  finalize(): void {
    this.memory.words[BUFFER.finalized >> 2] = 1
  }

  #refused(): boolean {
    // Within `subbufStart` the switch is under way, and neither sub-buffer can take a record.
    if (!this.finalized && this.#completing < 0) return false
    this.#writer.discardBad()
    return true
  }

  #ask(sequence: number, padding: number): number {
    // The kernel's order: the client sees the sub-buffer completed before it is asked for the next.
    this.#completing = sequence
    this.#reserved = -1
    const first = sequence === 0
    let accepted = false
    try {
      accepted =
        this.#owner.callbacks.subbufStart?.(
          this,
          (sequence % this.#count) * this.#size,
          first ? undefined : this.data,
          first ? 0 : padding,
        ) === true
    } catch (error) {
      this.#owner.threw('subbufStart', error)
    }
    this.#completing = -1
    return accepted || first || this.#reserved >= 0 ? Math.max(0, this.#reserved) : FULL
  }

  #wake(): void {
    if (this.waiters.size === 0) return
    this.#wakeups += 1
    const woken = [...this.waiters]
    this.waiters.clear()
    for (const wake of woken) {
      try {
        wake()
      } catch (error) {
        // The record that caused the switch is still to be written.
        this.#owner.threw('wake', error)
      }
    }
  }

  /** Index of the current sub-buffer, or if none is open, of the one that was completed last. */
  #current(): number {
    const { produced } = this
    return (this.isOpen || produced === 0 ? produced : produced - 1) % this.#count
  }

  #completedBytes(): number {
    const { doubles, words } = this.memory
    const index = this.#current()
    const before = doubles[this.memory.bytesBeforeDouble(index)]
    if (this.isOpen || this.produced === 0) return before
    return before + words[this.memory.endWord(index)] - index * this.#size
  }

  #counter(word: number): number {
    return Number(Atomics.load(this.memory.counters, word >> 3))
  }
}

function checkLength(length: number): void {
  if (!Number.isInteger(length) || length < 0) throw new RangeError(`record length=${length}`)
}
