/**
 * A buffer as the kernel's relay shows it: one CPU's ring with its counters, its file, and the
 * threads that wait for it. This is what stands behind a {@link RelayBuffer}.
 *
 * It owns nothing of the ring: that is `BufferMemory`, and every record and switch goes through the
 * one `Writer` of the thread that owns it. The kernel's own words are derived from the ring's, or
 * stand in the buffer's head. Each thread has a `ThreadBuffer` of its own over the same memory.
 * References keep that memory: one of the channel until it is closed, one of each open file.
 */
import { BUFFER, BufferMemory, FULL, PAGE_BYTES, type Writer } from '@rchan/ring'
import { WAIT_QUEUE_WORDS, WaitQueue } from '@rchan/sync'
import { ASK_RESET, ASK_SWITCH, FINALIZED, HEAD, ringOffset } from './buffer-head.js'
import type { BufferHost, PlacedBuffer } from './host.js'
import { Ownership } from './ownership.js'
import type { RelayBuffer } from './relay-buffer.js'
import { ReaderClaim } from './reader-claim.js'
import { Waiters } from './waiters.js'

/** Index of `asks`, here because every record looks at it. */
const ASKS = HEAD.asks >> 2

/** What keeps a buffer for this thread: a relay file. */
export interface Holder {
  /** The thread leaves the relay: lets go of the buffer, and can't be used any more. */
  leave(): void
}

/** One CPU's buffer of a relay channel, seen from one thread, with its inside. */
export class ThreadBuffer implements PlacedBuffer {
  readonly memory: BufferMemory
  readonly page: number
  readonly pages: Uint8Array<SharedArrayBuffer>
  readonly #host: BufferHost
  readonly #ownership: Ownership
  readonly #size: number
  readonly #count: number
  readonly #head: Int32Array<SharedArrayBuffer>
  readonly #headDoubles: Float64Array<SharedArrayBuffer>
  readonly #queue: WaitQueue
  /** The right to drain it with a `Reader`. */
  readonly claim: ReaderClaim
  readonly #waiters: Waiters
  /** Files of this thread that are open, or mapped. */
  readonly #holders = new Set<Holder>()
  /** During `subbufStart`: the writer that asks. */
  #asking: Writer | undefined
  /** During it, the sub-buffers completed as the owner sees it, not published yet; else −1. */
  #completing = -1
  /** During it, the header that it reserved; −1 for none. */
  #reserved = -1

  /**
   * Shows the buffer at a page.
   *
   * @param cpu of the buffer, if it is to be laid out there, in zeroed memory; it has no sub-buffer
   * until {@link begin}.
   */
  constructor(host: BufferHost, page: number, cpu?: number) {
    const { geometry } = host
    const { memory } = host.relay.words
    const at = ringOffset(page)
    this.#host = host
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
    this.#head = new Int32Array(memory, page * PAGE_BYTES, HEAD.ring / 4)
    this.#headDoubles = new Float64Array(memory, page * PAGE_BYTES, HEAD.ring / 8)
    const queue = HEAD.waitQueue >> 2
    this.#queue = new WaitQueue(this.#head.subarray(queue, queue + WAIT_QUEUE_WORDS))
    this.claim = new ReaderClaim(this.#head, this.#headDoubles, this.#queue, host.relay)
    this.#waiters = new Waiters(
      this.#queue,
      () => !this.isEmpty,
      (error) => host.threw('wake', error),
    )
    this.#ownership = new Ownership(this.memory, this.#head, host, (writer) => ({
      produced: () => this.#wake(),
      tooBig: (length) => host.tooBig(length),
      reset: () => this.bytesConsumedTo(0),
      ...(host.callbacks.subbufStart === undefined
        ? {}
        : { accept: (sequence, padding) => this.#ask(writer(), sequence, padding) }),
    }))
  }

  get cpu(): number {
    return this.memory.words[BUFFER.cpu >> 2]
  }
  get subbufSize(): number {
    return this.#size
  }
  get subbufCount(): number {
    return this.#count
  }
  get produced(): number {
    return this.#completing >= 0 ? this.#completing : this.#counter(BUFFER.produced)
  }
  get started(): number {
    return this.#counter(BUFFER.started)
  }
  get consumed(): number {
    return this.#counter(BUFFER.consumed)
  }
  get bytesConsumed(): number {
    return this.#head[HEAD.bytesConsumed >> 2] >>> 0
  }
  get resets(): number {
    return Atomics.load(this.memory.words, BUFFER.resets >> 2)
  }
  get isOpen(): boolean {
    if (this.#completing >= 0) return false
    const { produced } = this
    return this.#counter(BUFFER.started) > produced && this.memory.hasLabel(produced % this.#count, produced)
  }
  get data(): number {
    return this.#current() * this.#size
  }
  get offset(): number {
    if (this.#completing >= 0) return Math.max(0, this.#reserved)
    if (!this.isOpen) return this.#size + 1
    const index = this.produced % this.#count
    return this.memory.words[this.memory.endWord(index)] - index * this.#size
  }
  get prevPadding(): number {
    return this.isOpen
      ? this.memory.words[this.memory.prevPaddingWord(this.produced % this.#count)]
      : this.padding(this.#current())
  }
  get isEmpty(): boolean {
    return this.produced === this.consumed
  }
  get isFull(): boolean {
    return this.produced - this.consumed >= this.#count
  }
  get finalized(): boolean {
    return (this.#ownership.asks & FINALIZED) !== 0
  }
  get isAsked(): boolean {
    return (this.#ownership.asks & (ASK_SWITCH | ASK_RESET)) !== 0
  }
  get file(): unknown {
    return this.#host.fileOf(this)
  }
  get earlyBytes(): number {
    return this.#hasFile ? this.#headDoubles[HEAD.earlyBytes >> 3] : this.#completedBytes()
  }
  get fileBytes(): number | undefined {
    return this.#hasFile ? this.#completedBytes() : undefined
  }
  get wakeups(): number {
    return this.#head[HEAD.wakeups >> 2] >>> 0
  }
  get references(): number {
    if (!this.#host.isCurrent) return 0
    return (this.#host.keepsBuffers ? 1 : 0) + Atomics.load(this.#head, HEAD.holders >> 2)
  }

  padding(index: number): number {
    const { produced } = this
    if (index >= produced || (this.isOpen && index === produced % this.#count)) return 0
    return (index + 1) * this.#size - this.memory.words[this.memory.endWord(index)]
  }

  becomeOwner(): boolean {
    if (this.finalized || !this.#host.isCurrent) return false
    return this.#completing >= 0 || this.#ownership.claim(() => true) === true
  }

  write(bytes: Uint8Array): boolean {
    const { ready } = this
    if (ready !== undefined) return ready.write(bytes)
    return this.#withWriter((writer) => writer.write(bytes)) ?? false
  }

  /** @param ready what {@link ready} was, if the caller has asked already. */
  reserve(length: number, ready = this.ready): number | undefined {
    checkLength(length)
    if (ready !== undefined) return this.#reserveIn(ready, length)
    if (this.#host.locksWrites)
      throw new Error(
        'reserve in a buffer whose writers take turns: the turn would end before the bytes are stored; use write()',
      )
    return this.#withWriter((writer) => this.#reserveIn(writer, length))
  }

  #reserveIn(writer: Writer, length: number): number | undefined {
    const switches = writer.view.limit < 0
    const at = writer.reserve(length)
    if (at < 0 || (length === 0 && switches)) return undefined
    writer.commit(at, length)
    return at
  }

  switch(length: number): number {
    checkLength(length)
    if (this.finalized || this.#completing >= 0) return 0
    return this.#ownership.operate(ASK_SWITCH, (writer) => (writer.switch(length) < 0 ? 0 : length)) ?? 0
  }

  subbufStartReserve(length: number): void {
    if (this.#completing < 0) throw new Error(`subbufStartReserve length=${length} outside subbufStart`)
    if (!Number.isInteger(length) || length < 0 || length >= this.#size - 1) {
      throw new RangeError(`header length=${length} of a sub-buffer of subbufSize=${this.#size}`)
    }
    this.#reserved = length
    this.#asking?.take(this.#completing)
  }

  subbufsConsumed(count: number): void {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`subbufs consumed count=${count}`)
    if (count > this.#count || !this.#host.hold()) return
    try {
      this.locked(() => this.consumedTo(Math.min(this.consumed + count, this.produced)))
    } finally {
      this.#host.letGo()
    }
  }

  reset(): boolean {
    if (this.finalized) throw new Error('reset of a buffer whose relay channel was closed')
    if (this.#completing >= 0) throw new Error('reset of a relay buffer within subbufStart')
    const done = this.#ownership.operate(ASK_RESET, (writer) => this.#ownership.tryReset(writer))
    if (done === false) this.#ownership.ask(ASK_RESET)
    return done === true
  }

  isIntact(sequence: number, resets: number): boolean {
    if (resets % 2 === 1) return false
    // Read-modify-writes, so that none of the reads before comes after them. Pairs with: Writer,
    // #publishStarted and the store of `started`; Writer.reset, Atomics.add.
    const started = Number(Atomics.add(this.memory.counters, BUFFER.started >> 3, 0n))
    return (
      Atomics.add(this.memory.words, BUFFER.resets >> 2, 0) === resets && started <= sequence + this.#count
    )
  }

  /**
   * The writer that a record goes straight into: this thread owns the buffer, and was asked for
   * nothing. Else undefined.
   */
  get ready(): Writer | undefined {
    // Plain: a thread that asks does not wait for this record.
    return this.#head[ASKS] === 0 ? this.#ownership.writer : undefined
  }

  /** Whether this thread writes the buffer. */
  get isOwn(): boolean {
    return this.#completing >= 0 || this.#ownership.isOwn
  }

  /** Whether all that was stored up to `offset` has arrived: this thread writes, or nobody does. */
  get isSettled(): boolean {
    return this.#completing >= 0 || this.#ownership.isSettled
  }

  /** Whether no thread writes it; see {@link Ownership.isAbandoned}. */
  isAbandoned(looks: boolean): boolean {
    return this.#completing < 0 && this.#ownership.isAbandoned(looks)
  }

  /** Whether this thread is in the middle of a switch that calls its waiters. */
  get isWaking(): boolean {
    return this.#waiters.isWaking
  }

  /**
   * Whether this thread is in the middle of something with the buffer: a callback of its switch, or
   * of a read.
   */
  get isBusy(): boolean {
    return this.#completing >= 0 || this.isWaking || this.#ownership.isBusy
  }

  /** Whether this thread has a file of it that is open, or mapped. */
  get isHeld(): boolean {
    return this.#holders.size > 0
  }

  /** Whether a callback of this thread waits for the next switch. */
  get isWaitedFor(): boolean {
    return this.#waiters.count > 0
  }

  /** Milliseconds on the machine's clock. */
  now(): number {
    return this.#host.relay.now()
  }

  /**
   * Takes a reference, for a file or a consumer of this thread.
   *
   * @param isKept whether this thread keeps the channel's memory: then the buffer is there, too, if
   * the channel was closed.
   * @throws when the buffer was let go, or the thread has left the relay.
   */
  hold(holder: Holder, isKept = false): void {
    const isThere = this.#host.hold()
    if (!isThere || (this.references === 0 && !isKept)) {
      if (isThere) this.#host.letGo()
      throw new Error(`the buffer of cpu=${this.cpu} was freed`)
    }
    Atomics.add(this.#head, HEAD.holders >> 2, 1)
    this.#holders.add(holder)
  }

  /** Lets a reference go. */
  letGo(holder: Holder): void {
    this.#holders.delete(holder)
    if (this.#holders.size === 0) this.#waiters.stopListening()
    Atomics.sub(this.#head, HEAD.holders >> 2, 1)
    if (this.references === 0) this.disown()
    this.#host.letGo()
  }

  /** Relay file: runs something under the lock of the buffer's file. Never within a write. */
  locked<T>(run: () => T): T {
    return this.#ownership.locked(run)
  }

  /**
   * Relay file: sets how many sub-buffers are consumed, by default one more, and that nothing is of
   * the one after them. Locked. A reader that dies between the two stores leaves a sub-buffer that
   * is read again. The other way round, the beginning of the next would never be read.
   */
  subbufConsumed(to = this.consumed + 1): void {
    this.bytesConsumedTo(0)
    this.consumedTo(Math.min(to, this.produced))
  }

  /**
   * Relay file: sets how many sub-buffers are consumed. Locked. Pairs with: Writer, Atomics.load of
   * `consumed`.
   */
  consumedTo(consumed: number): void {
    Atomics.store(this.memory.counters, BUFFER.consumed >> 3, BigInt(consumed))
  }

  /** Relay file: sets how much of the next sub-buffer is consumed, in bytes. Locked. */
  bytesConsumedTo(bytes: number): void {
    this.#head[HEAD.bytesConsumed >> 2] = bytes
  }

  /**
   * Calls `wake` once, from this thread's event loop or within its next switch, when a sub-buffer
   * was completed.
   */
  whenProduced(wake: () => void): void {
    this.#waiters.add(wake)
    // Any thread may write next, unless it is certain that this one does.
    if (!this.isOwn) this.#waiters.listen()
  }

  /** Sleeps until a sub-buffer is complete. Blocks the thread. @returns whether one is. */
  sleepUntilProduced(timeoutMs: number): boolean {
    return this.#queue.sleepUntil(() => !this.isEmpty, timeoutMs)
  }

  /** Relay file: a callback threw, and nobody can be told. */
  threw(callback: string, error: unknown): void {
    this.#host.threw(callback, error)
  }

  /** Relay file: the client is told that the buffer was mapped or unmapped. */
  tellOfMapping(isMapped: boolean, file: unknown): void {
    this.#host.tellOfMapping(this, isMapped, file)
  }

  /**
   * Channel: the thread leaves the relay. Its files of the buffer let go, and it does not write it
   * any more.
   */
  leave(): void {
    for (const holder of this.#holders) holder.leave()
    this.#ownership.disown()
    this.#waiters.clear()
  }

  /**
   * Channel: opens the first sub-buffer, once the buffer has its file. If this thread can't, its
   * first owner will.
   */
  begin(): void {
    if (this.#host.whyNotWritable === '') this.#ownership.operate(0, () => undefined)
  }

  /** Channel: the one buffer of a global channel is that of CPU 0. */
  becomeGlobal(): void {
    this.memory.words[BUFFER.cpu >> 2] = 0
  }

  /**
   * Channel: the buffer has a file from now on, whose size starts at the bytes completed so far.
   * Locked.
   */
  setFile(): void {
    this.#headDoubles[HEAD.earlyBytes >> 3] = this.#completedBytes()
    Atomics.store(this.#head, HEAD.hasFile >> 2, 1)
  }

  /** Channel: no more writes, ever. The owner sees it at its next record. */
  finalize(): void {
    this.#ownership.finalize()
  }

  /** Gives up the ownership, if this thread has it: another may write from now on. */
  disown(): void {
    if (this.#holders.size > 0 && this.#waiters.count > 0) this.#waiters.listen()
    this.#ownership.disown()
  }

  get #hasFile(): boolean {
    return Atomics.load(this.#head, HEAD.hasFile >> 2) === 1
  }

  /** The slow way to the writer; undefined: it was counted, and is dropped. */
  #withWriter<T>(use: (writer: Writer) => T): T | undefined {
    if (this.#completing >= 0) {
      // The switch is under way, and neither sub-buffer can take a record.
      this.#asking?.discardBad()
      return undefined
    }
    if (!this.#host.isCurrent) return undefined
    if (!this.finalized) return this.#ownership.claim(use)
    this.#ownership.discardLate()
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
    const start = (sequence % this.#count) * this.#size
    let accepted = false
    try {
      const { callbacks } = this.#host
      accepted =
        callbacks.subbufStart?.(this, start, first ? undefined : this.data, first ? 0 : padding) === true
    } catch (error) {
      this.#host.threw('subbufStart', error)
    }
    this.#completing = -1
    this.#asking = undefined
    this.#ownership.writer = ready
    return accepted || first || this.#reserved >= 0 ? Math.max(0, this.#reserved) : FULL
  }

  #wake(): void {
    const woke = this.#queue.wake()
    if (woke) this.claim.ring()
    if (this.#waiters.count === 0 && !woke) return
    this.#head[HEAD.wakeups >> 2] += 1
    this.#waiters.callWithinSwitch()
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
      // The entry belongs to the sub-buffer that was current then, unless the owner went round the
      // ring meanwhile.
      const went = this.produced - produced
      if (went === 0 || (this.#count > 1 && went > 0 && went < this.#count - 1)) break
    }
    return bytes
  }

  #counter(word: number): number {
    return Number(Atomics.load(this.memory.counters, word >> 3))
  }
}

/**
 * The inside of a buffer that a user hands in. @throws TypeError for what is no buffer of a relay.
 */
export function insideOf(buffer: RelayBuffer): ThreadBuffer {
  const inside = buffer as Partial<ThreadBuffer> | undefined
  // Not by `instanceof`: another copy of this module may have made it.
  if (typeof inside?.hold === 'function') return buffer as ThreadBuffer
  throw new TypeError('a RelayFile is opened on a RelayBuffer: channel.buffer(cpu)')
}

/** How often a consistent look at a buffer is tried while its owner goes round it. */
const MOST_TRIES = 100

function checkLength(length: number): void {
  if (!Number.isInteger(length) || length < 0) throw new RangeError(`record length=${length}`)
}
