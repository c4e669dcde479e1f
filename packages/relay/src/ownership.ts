/**
 * The right to write a buffer: the one `Writer` that a thread has while it owns the buffer, and how
 * it comes and goes.
 *
 * `owner` is the member that writes. A thread becomes it with its first record while no living
 * member is:
 *
 * ```text
 *                first record: owner := me              another thread, for one operation: owner := -itself
 *   nobody ───────────────────────────────▶ owned      nobody, or a dead owner ─────────────────────────▶ in care
 *     ▲ ▲          also from a dead one        │                                                             │
 *     │ └──────────────────────────────────────┘ disown                                                      │
 *     └──────────────────────────────────────────────────────────────────────────────────────────────────────┘ done
 * ```
 *
 * While the owner lives, nobody else touches its words. Other threads put what they want of it into
 * `asks`. The owner looks at that with each record, and does it before the record. No record waits
 * for a lock.
 *
 * In a channel whose threads take turns (`locksWrites`) a thread has the buffer during its _turn_
 * only: one write, one switch or one reset, under the buffer's `writeLock`. `owner` is then the
 * thread that had the last turn. Others take it over although it lives, because it touches nothing
 * without the lock. Only a thread itself stores its name there. So a thread that finds its own name
 * knows that nobody had a turn since its last one, and goes on with its writer as it stands.
 *
 * ```text
 *                  first turn                    its turn: owner := B, under the lock
 *   nobody ──────────────────────▶ owner is A ─────────────────────────────────────────▶ owner is B
 *     ▲                                │
 *     └──── disown, if it is still A ──┘
 * ```
 *
 * A thread that dies in its turn leaves the lock to the next one. Its last record is whole, or was
 * never there, as that of any owner that dies.
 */
import { Mutex, MUTEX_WORDS, type Locked } from '@rchan/sync'
import { clocks } from '@rchan/sync/clocks'
import { Patience } from '@rchan/sync/waiting'
import { BUFFER, type BufferMemory, Writer, type WriterCallbacks } from '@rchan/ring'
import { ASK_RESET, ASK_SWITCH, FINALIZED, HEAD } from './buffer-head.js'
import type { BufferHost } from './host.js'
import { heldTooLong, type Members } from './members.js'

/** Slices of waiting for a thread that takes care of the buffer, in milliseconds. */
const CARE_SLICE_MS = 5

/** The ownership of one buffer, seen from one thread. */
export class Ownership {
  /**
   * Where records go while this thread owns the buffer; undefined also within a switch that asks
   * the client.
   */
  writer: Writer | undefined
  /** This thread's writer while it takes care of the buffer. */
  #caring: Writer | undefined
  readonly #memory: BufferMemory
  readonly #host: BufferHost
  readonly #members: Members
  /** The callbacks of a writer in this thread. */
  readonly #callbacks: (writer: () => Writer) => WriterCallbacks
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #fileLock: Int32Array<SharedArrayBuffer>
  readonly #writeLock: Int32Array<SharedArrayBuffer>
  /** Whether threads take turns. Then {@link writer} is set during a turn only. */
  readonly #takesTurns: boolean
  /** With turns: the writer of the last one. It keeps a hold of the channel. */
  #kept: Writer | undefined
  readonly #lockOptions: { isDead(member: number): boolean }
  /** Whether this thread holds the lock of the file. */
  #isReading = false
  /**
   * The owner that this thread waited for in vain, because it lives; 0 for none. For another owner
   * it waits anew.
   */
  #waitedFor = 0
  /** The owner that was found dead last. */
  #deadOwner = 0

  /** @param words the head of the buffer. */
  constructor(
    memory: BufferMemory,
    words: Int32Array<SharedArrayBuffer>,
    host: BufferHost,
    callbacks: (writer: () => Writer) => WriterCallbacks,
  ) {
    this.#memory = memory
    this.#host = host
    this.#members = host.relay.members
    this.#callbacks = callbacks
    this.#words = words
    this.#fileLock = words.subarray(HEAD.fileLock >> 2, (HEAD.fileLock >> 2) + MUTEX_WORDS)
    this.#writeLock = words.subarray(HEAD.writeLock >> 2, (HEAD.writeLock >> 2) + MUTEX_WORDS)
    this.#takesTurns = host.locksWrites
    this.#lockOptions = { isDead: (member) => this.#members.isDead(member) }
  }

  /**
   * Whether all that was stored has arrived in this thread: it writes, or no living thread does.
   */
  get isSettled(): boolean {
    if (this.writer !== undefined) return true
    // Pairs with: disown, Atomics.store of `owner`, which comes after the last record.
    const member = Atomics.load(this.#words, HEAD.owner >> 2)
    return member === 0 || Math.abs(member) === this.#members.me || this.#isDead(Math.abs(member))
  }

  /**
   * Whether no thread has the buffer: all that was stored has arrived.
   *
   * @param looks whether to ask the machine if the owner is dead, which costs calls of the system.
   * An owner that was found dead before is dead without them.
   */
  isAbandoned(looks: boolean): boolean {
    // Pairs with: disown, Atomics.store of `owner`, which comes after the last record.
    const member = Math.abs(Atomics.load(this.#words, HEAD.owner >> 2))
    if (member === 0 || member === this.#deadOwner) return true
    return looks && member !== this.#members.me && this.#isDead(member)
  }

  /** Whether this thread owns the buffer, or has it in its care. */
  get isOwn(): boolean {
    return this.writer !== undefined || this.#caring !== undefined
  }

  /**
   * Whether this thread has the buffer in its care, or its file locked, and is called back in the
   * middle of that.
   */
  get isBusy(): boolean {
    return this.#caring !== undefined || this.#isReading
  }

  /** The bits of `asks`. */
  get asks(): number {
    return Atomics.load(this.#words, HEAD.asks >> 2)
  }

  /**
   * The slow way to the writer: comes to own the buffer, and does what the owner was asked for.
   *
   * @param use what to do with it.
   * @returns what that returned; undefined when the channel is closed.
   * @throws Error when another thread owns it, or this one can't write.
   */
  claim<T>(use: (writer: Writer) => T): T | undefined {
    // A waiter that the operation wakes may write at once.
    if (this.#caring !== undefined) return use(this.#caring)
    if (this.writer === undefined && this.#takesTurns) {
      // A thread that could write once can do so always.
      const why = this.#kept === undefined ? this.#host.whyNotWritable : ''
      if (why !== '') throw this.#notWritable(why)
      return this.#turn(use)
    }
    if (this.writer === undefined) this.writer = this.#take()
    if (this.writer === undefined) return undefined
    this.#doAsked(this.writer)
    return use(this.writer)
  }

  /** Counts a record that came after the channel was closed, if this thread has the buffer. */
  discardLate(): void {
    if (this.writer !== undefined) this.writer.discardBad()
    else if (this.#kept !== undefined) this.#turn((writer) => writer.discardBad())
  }

  /** Gives the buffer up, if this thread has it: another may write from now on. */
  disown(): void {
    if (this.#takesTurns) return this.#endTurns()
    if (this.writer === undefined) return
    this.writer = undefined
    this.#release()
    // What is left in the open sub-buffer can be drained to its end now.
    this.#host.relay.bells.ringAll()
    this.#host.letGo()
  }

  /** Any thread: no more records, ever. The owner sees it at its next one. */
  finalize(): void {
    Atomics.or(this.#words, HEAD.asks >> 2, FINALIZED)
  }

  /**
   * Asks the owner to do something with its next record: {@link ASK_SWITCH} or {@link ASK_RESET}.
   */
  ask(what: number): void {
    // Pairs with: #doAsked, Atomics.load of `asks`. The owner looks at it plainly with each record.
    Atomics.or(this.#words, HEAD.asks >> 2, what)
  }

  /**
   * Runs an operation of the owner's: as the owner, or in care of the buffer if no living thread
   * owns it. Else it asks the owner.
   *
   * @returns what it returned; undefined when the owner was asked, or the channel is gone.
   */
  operate<T>(what: number, run: (writer: Writer) => T): T | undefined {
    const own = this.writer ?? this.#caring
    if (own !== undefined) return run(own)
    if (this.#takesTurns && this.#host.whyNotWritable === '') return this.#turn(run, what)
    if (!this.#host.hold()) return undefined
    try {
      if (this.#host.whyNotWritable !== '' || !this.#become(-this.#members.me, false)) {
        this.ask(what)
        return undefined
      }
      try {
        this.#caring = this.#makeWriter()
        return run(this.#caring)
      } finally {
        this.#caring = undefined
        this.#release()
      }
    } finally {
      this.#host.letGo()
    }
  }

  /** Runs something under the lock of the buffer's file. Never within a write. */
  locked<T>(run: () => T): T {
    const me = this.#members.me
    // What the lock guards is right at every moment, so there is nothing to repair.
    const { patienceMs } = this.#members
    const how = Mutex.timedLock(this.#fileLock, me, clocks.epochMs() + patienceMs, this.#lockOptions)
    if (how === false) throw heldTooLong(`file of cpu=${this.#cpu}`, this.#fileLock[0], patienceMs)
    if (how === 'recovered') Mutex.consistent(this.#fileLock, me)
    this.#isReading = true
    try {
      return run()
    } finally {
      this.#isReading = false
      Mutex.unlock(this.#fileLock, me)
    }
  }

  /**
   * Resets the buffer, unless a thread reads just now; that may be this one. @returns whether it
   * did.
   */
  tryReset(writer: Writer): boolean {
    const me = this.#members.me
    if (this.#isReading || Mutex.tryLock(this.#fileLock, me, this.#lockOptions) === false) return false
    try {
      Mutex.consistent(this.#fileLock, me)
      return writer.reset()
    } finally {
      Mutex.unlock(this.#fileLock, me)
    }
  }

  /**
   * Becomes the owner. @returns undefined when the channel is gone. @throws Error when it can't be.
   */
  #take(): Writer | undefined {
    const why = this.#host.whyNotWritable
    if (why !== '') throw this.#notWritable(why)
    if (!this.#host.hold()) return undefined
    let isOwner = false
    let writer: Writer | undefined
    try {
      const become = (): boolean => this.#become(this.#members.me, true)
      const owner = Atomics.load(this.#words, HEAD.owner >> 2)
      if (!this.#members.lookAgain(become, owner === this.#waitedFor)) {
        this.#waitedFor = owner
        throw new Error(`cpu=${this.#cpu} is written by another thread, which lives`)
      }
      isOwner = true
      writer = this.#makeWriter()
      return writer
    } finally {
      if (writer === undefined) {
        // It could not begin, because a reset that is to be done again waits for the file, say.
        if (isOwner) this.#release()
        this.#host.letGo()
      }
    }
  }

  /**
   * Has a turn, under the lock.
   *
   * @param what others can be asked for instead, where nobody could tell that the thread which has
   * the lock is dead.
   * @returns what `run` returned; undefined when the channel is gone, or others were asked.
   */
  #turn<T>(run: (writer: Writer) => T, what = 0): T | undefined {
    const { me } = this.#members
    const isFirst = this.#kept === undefined
    if (isFirst && !this.#host.hold()) return undefined
    let hasLock = false
    try {
      // The free lock first: no clock is asked, and nobody looks whether a thread is dead.
      let how = Mutex.tryLock(this.#writeLock, me)
      if (how === false) {
        if (what !== 0 && !this.#members.provesDeaths) {
          this.ask(what)
          return undefined
        }
        how = this.#waitForTurn()
      }
      hasLock = true
      const writer = this.#takeTurn()
      // What a thread that died in its turn left half done is done again by now.
      if (how === 'recovered') Mutex.consistent(this.#writeLock, me)
      this.writer = writer
      this.#doAsked(writer)
      return run(writer)
    } finally {
      this.writer = undefined
      if (hasLock) Mutex.unlock(this.#writeLock, me)
      if (isFirst && this.#kept === undefined) this.#host.letGo()
    }
  }

  #waitForTurn(): Locked {
    const { me, patienceMs } = this.#members
    const deadline = clocks.epochMs() + patienceMs
    const how = Mutex.timedLock(this.#writeLock, me, deadline, this.#lockOptions)
    if (how !== false) return how
    throw heldTooLong(`writers of cpu=${this.#cpu}`, this.#writeLock[0], patienceMs)
  }

  /** With the lock: becomes the owner, unless this thread had the last turn, too. */
  #takeTurn(): Writer {
    const at = HEAD.owner >> 2
    const { me } = this.#members
    const kept = this.#kept
    if (kept !== undefined && Atomics.load(this.#words, at) === me && !kept.mustReset) return kept
    for (;;) {
      const seen = Atomics.load(this.#words, at)
      if (Atomics.compareExchange(this.#words, at, seen, me) === seen) break
    }
    if (kept === undefined) return (this.#kept = this.#makeWriter())
    kept.takeOver()
    this.#goOn(kept)
    return kept
  }

  /** With turns: this thread has no more. In the middle of one it keeps what it has. */
  #endTurns(): void {
    if (this.#kept === undefined || this.writer !== undefined) return
    this.#kept = undefined
    const { me } = this.#members
    if (Atomics.compareExchange(this.#words, HEAD.owner >> 2, me, 0) === me) this.#host.relay.bells.ringAll()
    this.#host.letGo()
  }

  #notWritable(why: string): Error {
    return new Error(`cpu=${this.#cpu} can't be written by this thread: ${why}`)
  }

  get #cpu(): number {
    return this.#memory.words[BUFFER.cpu >> 2]
  }

  /**
   * Puts a name of ours into `owner`, if no living member is there.
   *
   * @param waits whether to wait for a thread that only takes care of the buffer.
   * @throws Error when that takes too long.
   */
  #become(name: number, waits: boolean): boolean {
    const at = HEAD.owner >> 2
    const { patienceMs } = this.#members
    const patience = Patience.of(patienceMs)
    for (;;) {
      const seen = Atomics.load(this.#words, at)
      if (seen === 0 || this.#isDead(Math.abs(seen))) {
        if (Atomics.compareExchange(this.#words, at, seen, name) === seen) return true
        continue
      }
      if (seen > 0 || !waits) return false
      const sliceMs = patience.sliceMs(CARE_SLICE_MS)
      if (!(sliceMs > 0)) throw heldTooLong(`buffer of cpu=${this.#cpu}`, -seen, patienceMs)
      patience.wait(this.#words, at, seen, sliceMs)
    }
  }

  /**
   * Whether an owner is dead. *Lives* is an answer that ages, *dead* is not: a member's number is
   * given once. So the answer is kept. The next look may fail, where no descriptor is left; a
   * caller that heard that all has arrived must not hear the contrary then, and get less than there
   * is.
   */
  #isDead(member: number): boolean {
    if (member === this.#deadOwner) return true
    if (!this.#members.isDead(member)) return false
    this.#deadOwner = member
    return true
  }

  #release(): void {
    // Pairs with: #become and isSettled. All records were stored before.
    Atomics.store(this.#words, HEAD.owner >> 2, 0)
    Atomics.notify(this.#words, HEAD.owner >> 2)
  }

  /**
   * Goes on where the owner before stopped: does again what it did not get through, and begins a
   * buffer that was never begun.
   */
  #makeWriter(): Writer {
    const writer: Writer = new Writer(
      this.#memory,
      this.#callbacks(() => writer),
      undefined,
      false,
    )
    this.#goOn(writer)
    return writer
  }

  #goOn(writer: Writer): void {
    // Not in the middle of another thread's read; we may be in one ourselves.
    if (writer.mustReset && this.#isReading) writer.reset()
    else if (writer.mustReset) this.locked(() => writer.reset())
    else if (Atomics.load(this.#memory.counters, BUFFER.started >> 3) === 0n) writer.switch(0)
  }

  /** Owner, between records: does what others have asked for. */
  #doAsked(writer: Writer): void {
    // Pairs with: ask, Atomics.or.
    const asks = Atomics.load(this.#words, HEAD.asks >> 2)
    if ((asks & ASK_SWITCH) !== 0) {
      Atomics.and(this.#words, HEAD.asks >> 2, ~ASK_SWITCH)
      writer.switch(0)
    }
    // Not done: at the next record then.
    if ((asks & ASK_RESET) !== 0 && this.tryReset(writer))
      Atomics.and(this.#words, HEAD.asks >> 2, ~ASK_RESET)
  }
}
