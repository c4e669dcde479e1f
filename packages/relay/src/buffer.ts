/**
 * A buffer as the kernel's relay shows it: one CPU's ring with its counters, its file, and those who wait for it.
 *
 * Owns nothing of the ring: that is `BufferMemory`, and every record and switch goes through the one `Writer` of the
 * thread that owns it. What the kernel has words for is derived from the words there. Each thread has a `RelayBuffer` of
 * its own over the same memory; references keep that: one of the channel until it is closed, one of each open file.
 */
import { WaitQueue } from '@rchan/sync'
import {
  ASK_RESET,
  ASK_SWITCH,
  BUFFER,
  BufferMemory,
  FINALIZED,
  PAGE_BYTES,
  FULL,
  type Writer,
} from '@rchan/ring'
import type { BufferOwner } from './callbacks.js'
import { Ownership } from './ownership.js'

/** Index of `asks`, here because every record looks at it. */
const ASKS = BUFFER.asks >> 2

/**
 * One CPU's buffer of a relay channel, seen from one thread.
 *
 * @example
 * const buffer = channel.buffer(0)
 * buffer?.write(bytes) // false: dropped, and counted in buffer.memory.discarded()
 */
export class RelayBuffer {
  readonly memory: BufferMemory
  /** The first page of its memory in the relay's. @internal */
  readonly page: number
  /** All of the buffer's pages, `allocSize` bytes; only the first `subbufSize * subbufCount` are used. */
  readonly pages: Uint8Array<SharedArrayBuffer>
  /**
   * Who in this thread is woken by the next switch that this thread does. Each is called once,
   * after it was published.
   *
   * @internal
   */
  readonly waiters = new Set<() => void>()
  /** Whether it is waking them, in the middle of a switch. @internal */
  isWaking = false
  readonly #owner: BufferOwner
  readonly #ownership: Ownership
  readonly #size: number
  readonly #count: number
  readonly #atomic: Int32Array<SharedArrayBuffer>
  readonly #words: Uint32Array<SharedArrayBuffer>
  readonly #queue: WaitQueue
  /** Ends what {@link #listen} began. */
  #stopListening: () => void = () => undefined
  /** Files of this thread that are open, or mapped. */
  readonly #holders = new Set<Holder>()
  /** During `subbufStart`, whose writer asks. */
  #asking: Writer | undefined
  /** Then, the sub-buffers completed as the owner sees it, not published yet; else −1. */
  #completing = -1
  /** Then, the header that it reserved; −1 for none. */
  #reserved = -1

  /**
   * Shows the buffer at a page.
   *
   * @param cpu whose it is, if it is to be laid out there, in zeroed memory; it has no sub-buffer until {@link begin}.
   * @internal
   */
  constructor(owner: BufferOwner, memory: SharedArrayBuffer, page: number, cpu?: number) {
    const { geometry } = owner
    const at = page * PAGE_BYTES
    this.#owner = owner
    this.#size = geometry.subbufSize
    this.#count = geometry.subbufCount
    this.page = page
    this.memory =
      cpu === undefined ? BufferMemory.attach(memory, at) : BufferMemory.create(memory, at, cpu, geometry)
    const found = this.memory.geometry
    if (found.subbufSize !== this.#size || found.subbufCount !== this.#count) {
      throw new RangeError(
        `the buffer at page=${page} has subbufSize=${found.subbufSize} and subbufCount=${found.subbufCount}, its relay ` +
          `channel subbufSize=${this.#size} and subbufCount=${this.#count}`,
      )
    }
    const bytes = Math.ceil((this.#size * this.#count) / PAGE_BYTES) * PAGE_BYTES
    this.pages = new Uint8Array(memory, this.memory.dataByteOffset, bytes)
    this.#words = this.memory.words
    this.#atomic = new Int32Array(memory, at, BUFFER.table / 4)
    this.#queue = new WaitQueue(this.#atomic.subarray(BUFFER.waitQueue >> 2, (BUFFER.waitQueue >> 2) + 2))
    this.#ownership = new Ownership(this.memory, this.#atomic, owner, (writer) => ({
      produced: () => this.#wake(),
      tooBig: (length) => owner.tooBig(length),
      ...(owner.callbacks().subbufStart === undefined
        ? {}
        : { accept: (sequence, padding) => this.#ask(writer(), sequence, padding) }),
    }))
  }

  /** Whose buffer it is; 0 in a global channel. */
  get cpu(): number {
    return this.memory.words[BUFFER.cpu >> 2]
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
    if (this.#completing >= 0) return false
    const { produced } = this
    return this.#counter(BUFFER.started) > produced && this.memory.hasLabel(produced % this.#count, produced)
  }
  /** Where the current sub-buffer starts, in bytes from the start of the data. If none is open, the last one. */
  get data(): number {
    return this.#current() * this.#size
  }
  /**
   * Where the next byte goes, from {@link data}; `subbufSize + 1` if no sub-buffer is open. For a thread that is not the
   * owner a moment's look: bytes before it may not have arrived yet.
   */
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
    return (this.#ownership.asks & FINALIZED) !== 0
  }
  /** Whether this thread owns the buffer, and nobody has asked it for anything: then a record goes straight in. */
  get isReady(): boolean {
    return this.#ownership.writer !== undefined && this.#words[ASKS] === 0
  }
  /** Whether the owner was asked for something that it has not done yet. */
  get isAsked(): boolean {
    return (this.#ownership.asks & (ASK_SWITCH | ASK_RESET)) !== 0
  }
  /** Whether no complete sub-buffer waits to be consumed. */
  get isEmpty(): boolean {
    return this.produced === this.consumed
  }
  /** Whether every sub-buffer waits to be consumed. */
  get isFull(): boolean {
    return this.produced - this.consumed >= this.#count
  }
  /** What `createBufFile` returned for this buffer; on the coordinator only. */
  get file(): unknown {
    return this.#owner.fileOf(this)
  }
  /** Bytes without padding completed while the buffer had no file. @internal */
  get earlyBytes(): number {
    return this.#hasFile ? this.memory.doubles[BUFFER.earlyBytes >> 3] : this.#completedBytes()
  }
  /** Size of the buffer's file: all bytes completed, without padding. Undefined while it has none. */
  get fileBytes(): number | undefined {
    return this.#hasFile ? this.#completedBytes() : undefined
  }
  /** How many switches found somebody waiting. */
  get wakeups(): number {
    return this.memory.words[BUFFER.wakeups >> 2]
  }
  /** How many keep the memory: the channel until it is closed, and each open file or mapping; 0 when it is gone. */
  get references(): number {
    if (!this.#owner.isCurrent()) return 0
    return (this.#owner.isOpen() ? 1 : 0) + Atomics.load(this.#atomic, BUFFER.holders >> 2)
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
   * Writes one record. The owner; a thread becomes it with its first record while no living thread is.
   *
   * @returns whether it was written; if not (full, too big, the channel is closed, or within `subbufStart`) it is
   * counted.
   * @throws Error when another thread writes the buffer, or this one can't (see {@link RelayChannel.load}).
   */
  write(bytes: Uint8Array): boolean {
    const { writer } = this.#ownership
    // Plain: who asks does not wait for this record.
    if (writer !== undefined && this.#words[ASKS] === 0) return writer.write(bytes)
    return this.#writerFor()?.write(bytes) ?? false
  }

  /**
   * Reserves room for a record, which counts from now on: bytes that are never stored there are delivered as they
   * stand. Owner only, as {@link write}.
   *
   * @returns where to store it, in bytes from the start of the data; undefined if it is dropped, and also for a
   * length of 0 that had to switch.
   */
  reserve(length: number): number | undefined {
    checkLength(length)
    const writer = this.isReady ? this.#ownership.writer : this.#writerFor()
    if (writer === undefined) return undefined
    const switches = writer.view.limit < 0
    const at = writer.reserve(length)
    if (at < 0 || (length === 0 && switches)) return undefined
    writer.commit(at, length)
    return at
  }

  /**
   * Ends the current sub-buffer and starts the next, for a record of `length` bytes that is not placed yet. Any thread: a
   * buffer whose owner is dead is switched at once, and a living owner is asked, which it does with its next record.
   *
   * @returns `length`, or 0 if there is no room for it, or the owner was asked.
   */
  switch(length: number): number {
    checkLength(length)
    if (this.finalized || this.#completing >= 0) return 0
    return this.#ownership.operate(ASK_SWITCH, (writer) => (writer.switch(length) < 0 ? 0 : length)) ?? 0
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
    this.#asking?.take(this.#completing)
  }

  /**
   * Declares sub-buffers consumed, counted from where consumption stands: at most what was produced; more than the
   * buffer holds is ignored. Any thread, not while a reader of ours drains the buffer. Where the buffer may be reset
   * meanwhile, {@link RelayFile.consumeTo} is the safe way.
   */
  subbufsConsumed(count: number): void {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`subbufs consumed count=${count}`)
    if (count > this.#count || !this.#owner.hold()) return
    try {
      this.locked(() => this.consumedTo(Math.min(this.consumed + count, this.produced)))
    } finally {
      this.#owner.letGo()
    }
  }

  /**
   * Puts the buffer back to its first state. Early bytes, the file's size, the previous padding, the bytes in memory,
   * the positions of relay files and what was discarded stay. Any thread: a buffer whose owner is dead is reset at once,
   * and a living owner is asked, which it does with its next record, when nobody is reading just then.
   *
   * @returns whether it was done, and not only asked for.
   * @throws when the channel was closed, or within `subbufStart`.
   */
  reset(): boolean {
    if (this.finalized) throw new Error('reset of a buffer whose relay channel was closed')
    if (this.#completing >= 0) throw new Error('reset of a relay buffer within subbufStart')
    const done = this.#ownership.operate(ASK_RESET, (writer) => this.#ownership.tryReset(writer))
    if (done === false) this.#ownership.ask(ASK_RESET)
    return done === true
  }

  /**
   * Takes a reference, for a file of this thread.
   *
   * @throws when the buffer was let go, or the thread has left the relay.
   * @internal
   */
  hold(holder: Holder): void {
    const isThere = this.#owner.hold()
    if (!isThere || this.references === 0) {
      if (isThere) this.#owner.letGo()
      throw new Error(`the buffer of cpu=${this.cpu} was freed`)
    }
    Atomics.add(this.#atomic, BUFFER.holders >> 2, 1)
    this.#holders.add(holder)
  }

  /** Lets a reference go. @internal */
  letGo(holder: Holder): void {
    this.#holders.delete(holder)
    if (this.#holders.size === 0) this.#stopListening()
    Atomics.sub(this.#atomic, BUFFER.holders >> 2, 1)
    if (this.references === 0) this.disown()
    this.#owner.letGo()
  }

  /**
   * Relay file: runs something under the lock of the buffer's file. Never within a write.
   *
   * @internal
   */
  locked<T>(run: () => T): T {
    return this.#ownership.locked(run)
  }

  /**
   * Relay file: sets how many sub-buffers are consumed, by default one more, and that nothing is of
   * the one after them. Locked. A reader that dies between the two stores leaves one that is read
   * again: the other way round, the beginning of the next would never be read.
   *
   * @internal
   */
  subbufConsumed(to = this.consumed + 1): void {
    this.bytesConsumedTo(0)
    this.consumedTo(Math.min(to, this.produced))
  }

  /**
   * Relay file: sets how many sub-buffers are consumed. Locked. Pairs with: Writer, Atomics.load
   * of `consumed`.
   *
   * @internal
   */
  consumedTo(consumed: number): void {
    Atomics.store(this.memory.counters, BUFFER.consumed >> 3, BigInt(consumed))
  }

  /** Relay file: sets how much of the next sub-buffer is consumed, in bytes. Locked. @internal */
  bytesConsumedTo(bytes: number): void {
    this.memory.words[BUFFER.bytesConsumed >> 2] = bytes
  }

  /** Whether this thread writes the buffer. */
  get isOwn(): boolean {
    return this.#completing >= 0 || this.#ownership.isOwn
  }

  /**
   * Whether all that was stored up to `offset` has arrived: this thread writes, or nobody does.
   *
   * @internal
   */
  get isSettled(): boolean {
    return this.#completing >= 0 || this.#ownership.isSettled
  }

  /** Sub-buffers begun since the last reset. */
  get started(): number {
    return this.#counter(BUFFER.started)
  }

  /** Which life of the buffer it is: counted up twice by a reset, odd while it is under way. Any thread. */
  get resets(): number {
    return Atomics.load(this.#atomic, BUFFER.resets >> 2)
  }

  /**
   * Whether what was read of a complete sub-buffer before this call is whole: it was not begun anew, and the buffer not
   * reset. Any thread.
   *
   * @param sequence which one, counted since the last reset.
   * @param resets {@link resets} before it was read. With an odd number the answer is no.
   */
  isIntact(sequence: number, resets: number): boolean {
    if (resets % 2 === 1) return false
    // Read-modify-writes, so that none of the reads before comes after them. Pairs with: Writer, #publishStarted and the
    // store of `started`; Writer.reset, Atomics.add.
    const started = Number(Atomics.add(this.memory.counters, BUFFER.started >> 3, 0n))
    return Atomics.add(this.#atomic, BUFFER.resets >> 2, 0) === resets && started <= sequence + this.#count
  }

  /** Milliseconds on the machine's clock. @internal */
  now(): number {
    return this.#owner.now()
  }

  /**
   * Calls `wake` once, from this thread's event loop or within its next switch, when a
   * sub-buffer was completed.
   *
   * @internal
   */
  whenProduced(wake: () => void): void {
    this.waiters.add(wake)
    // Whoever writes next, unless it is certain that it is this thread.
    if (!this.isOwn) this.#listen()
  }

  /**
   * Sleeps until a sub-buffer is complete. Blocks the thread. @returns whether one is.
   *
   * @internal
   */
  sleepUntilProduced(timeoutMs: number): boolean {
    return this.#queue.sleepUntil(() => !this.isEmpty, timeoutMs)
  }

  /** Relay file: a callback threw, and there is nobody to tell. @internal */
  threw(callback: string, error: unknown): void {
    this.#owner.threw(callback, error)
  }

  /** Relay file: the client is told that the buffer was mapped or unmapped. @internal */
  tellOfMapping(isMapped: boolean, file: unknown): void {
    this.#owner.tellOfMapping(this, isMapped, file)
  }

  /**
   * Whether this thread is in the middle of something with the buffer: a callback of its switch, or
   * of a read.
   *
   * @internal
   */
  get isBusy(): boolean {
    return this.#completing >= 0 || this.isWaking || this.#ownership.isBusy
  }

  /** Whether this thread has a file of it that is open, or mapped. @internal */
  get isHeld(): boolean {
    return this.#holders.size > 0
  }

  /**
   * Channel: the thread leaves the relay: its files of the buffer let go, and it writes it no more.
   *
   * @internal
   */
  leave(): void {
    for (const holder of this.#holders) holder.leave()
    this.#ownership.disown()
    this.#stopListening()
    this.waiters.clear()
  }

  /**
   * Channel: opens the first sub-buffer, once the buffer has its file; if this thread can't, its
   * first owner will.
   *
   * @internal
   */
  begin(): void {
    if (this.#owner.whyNotWritable() === '') this.#ownership.operate(0, () => undefined)
  }

  /** Channel: the one buffer of a global channel is that of CPU 0. @internal */
  becomeGlobal(): void {
    this.memory.words[BUFFER.cpu >> 2] = 0
  }

  /**
   * Channel: the buffer has a file from now on, whose size starts at the bytes completed so far.
   * Locked.
   *
   * @internal
   */
  setFile(): void {
    this.memory.doubles[BUFFER.earlyBytes >> 3] = this.#completedBytes()
    Atomics.store(this.#atomic, BUFFER.hasFile >> 2, 1)
  }

  /** Channel: no more writes, ever. The owner sees it at its next record. @internal */
  finalize(): void {
    this.#ownership.finalize()
  }

  /** Gives up the ownership, if this thread has it: another may write from now on. @internal */
  disown(): void {
    if (this.#holders.size > 0 && this.waiters.size > 0) this.#listen()
    this.#ownership.disown()
  }

  get #hasFile(): boolean {
    return Atomics.load(this.#atomic, BUFFER.hasFile >> 2) === 1
  }

  /** The slow way to the writer; undefined: count and drop. */
  #writerFor(): Writer | undefined {
    if (this.#completing >= 0) {
      // The switch is under way, and neither sub-buffer can take a record.
      this.#asking?.discardBad()
      return undefined
    }
    if (!this.#owner.isCurrent()) return undefined
    if (!this.finalized) return this.#ownership.claim()
    this.#ownership.writer?.discardBad()
    if (this.references === 0) this.disown()
    return undefined
  }

  #ask(writer: Writer, sequence: number, padding: number): number {
    // The kernel's order: the client sees the sub-buffer completed before it is asked for the next.
    const { writer: ready } = this.#ownership
    this.#ownership.writer = undefined
    this.#asking = writer
    this.#completing = sequence
    this.#reserved = -1
    const first = sequence === 0
    let accepted = false
    try {
      accepted =
        this.#owner
          .callbacks()
          .subbufStart?.(
            this,
            (sequence % this.#count) * this.#size,
            first ? undefined : this.data,
            first ? 0 : padding,
          ) === true
    } catch (error) {
      this.#owner.threw('subbufStart', error)
    }
    this.#completing = -1
    this.#asking = undefined
    this.#ownership.writer = ready
    return accepted || first || this.#reserved >= 0 ? Math.max(0, this.#reserved) : FULL
  }

  #wake(): void {
    const woke = this.#queue.wake()
    if (this.waiters.size === 0 && !woke) return
    this.memory.words[BUFFER.wakeups >> 2] += 1
    const wasWaking = this.isWaking
    this.isWaking = true
    this.#callWaiters()
    this.isWaking = wasWaking
  }

  #callWaiters(): void {
    this.#stopListening()
    const woken = [...this.waiters]
    this.waiters.clear()
    for (const wake of woken) this.#call(wake)
  }

  /** Lets the waiters know of another thread's switch. */
  #listen(): void {
    this.#stopListening()
    let isOver = false
    const stop = this.#queue.whenWoken(
      () => !this.isEmpty,
      () => {
        isOver = true
        this.#callWaiters()
      },
    )
    if (!isOver) this.#stopListening = stop
  }

  #call(wake: () => void): void {
    try {
      wake()
    } catch (error) {
      // The record that caused the switch is still to be written.
      this.#owner.threw('wake', error)
    }
  }

  /** Index of the current sub-buffer, or if none is open, of the one that was completed last. */
  #current(): number {
    const { produced } = this
    return (this.isOpen || produced === 0 ? produced : produced - 1) % this.#count
  }

  /** Bytes without padding completed so far. Any thread, also while the owner goes on. */
  #completedBytes(): number {
    const { doubles, words } = this.memory
    let bytes = 0
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { produced } = this
      const index = this.#current()
      bytes = doubles[this.memory.bytesBeforeDouble(index)]
      if (!this.isOpen && produced > 0) bytes += words[this.memory.endWord(index)] - index * this.#size
      // The entry is that of what was current then, unless the owner went round the ring meanwhile.
      const went = this.produced - produced
      if (went === 0 || (this.#count > 1 && went > 0 && went < this.#count - 1)) break
    }
    return bytes
  }

  #counter(word: number): number {
    return Number(Atomics.load(this.memory.counters, word >> 3))
  }
}

/** What keeps a buffer for this thread: a relay file. */
export interface Holder {
  /** The thread leaves the relay: lets go of the buffer, and is no use any more. */
  leave(): void
}

/** How often a consistent look at a buffer is tried while its owner goes round it. */
const MOST_TRIES = 100

function checkLength(length: number): void {
  if (!Number.isInteger(length) || length < 0) throw new RangeError(`record length=${length}`)
}
