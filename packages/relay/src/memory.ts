/**
 * The shared memory of a relay, as one thread that takes part in it sees it: who else takes part, which CPUs are online,
 * the lock over the list of channels, and the pages of buffers. What stands where, layout.ts says.
 */
import { MAX_THREAD_ID, Mutex } from '@rchan/sync'
import { isSharedMemory, PAGE_BYTES, type Geometry } from '@rchan/ring'
import { lookAgain } from '@rchan/sync/look-again'
import { clocks } from '@rchan/sync/patience'
import {
  MAX_CHANNELS,
  MAX_MEMBERS,
  MAX_RELAY_CPUS,
  MEMBER_BYTES,
  RELAY,
  SLOT,
  SLOT_BYTES,
  STATE,
} from './layout.js'
import type { Machine } from './relay.js'
import { Slot, type Texts } from './slot.js'

const MAGIC = 0x52686372 // 'rchR'
const RELAY_ABI = 1
// A thread that joins and can not be told dead.
const JOINING = -(2 ** 31)

/**
 * What a look at an entry of the table of members found: its member lives; it is gone, proven; or
 * the entry changed during the look. Changed says of that member that it has no entry any more (it
 * left, or another thread has taken the entry of the dead), and nothing of the thread that has the
 * entry now: look at that one, if it is of interest.
 */
type Look = 'alive' | 'gone' | 'changed'

/** The memory of a relay, seen from one thread that takes part in it. */
export class RelayMemory {
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly possibleCpus: number
  readonly pageCount: number
  /** Our number; 0 until {@link join}, and after {@link leave}. */
  me = 0
  readonly #machine: Machine
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>
  /** Our place in the table of members. */
  #index = -1
  /** Whether memory that others hold was waited for in vain. */
  #hasWaited = false

  private constructor(memory: SharedArrayBuffer, machine: Machine) {
    this.memory = memory
    this.words = new Int32Array(memory, 0, RELAY.buffers / 4)
    this.possibleCpus = this.words[RELAY.possibleCpus >> 2]
    this.pageCount = this.words[RELAY.pageCount >> 2] >>> 0
    this.#machine = machine
    this.#doubles = new Float64Array(memory, 0, RELAY.buffers / 8)
    this.#bytes = new Uint8Array(memory, 0, RELAY.buffers)
  }

  /** Creator: lays the memory out. @throws RangeError for what can't be, or memory that can't be had. */
  static create(memoryBytes: number, possibleCpus: number, machine: Machine): RelayMemory {
    whole('possibleCpus', possibleCpus, 1, MAX_RELAY_CPUS)
    whole('memoryBytes', memoryBytes, 2 * PAGE_BYTES, 2 ** 32)
    const pageCount = Math.ceil((RELAY.buffers + memoryBytes) / PAGE_BYTES)
    const shared = new SharedArrayBuffer(pageCount * PAGE_BYTES)
    const words = new Int32Array(shared, 0, RELAY.slots / 4)
    words[RELAY.abi >> 2] = RELAY_ABI
    words[RELAY.possibleCpus >> 2] = possibleCpus
    words[RELAY.pageCount >> 2] = pageCount
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(words, RELAY.magic >> 2, MAGIC)
    return new RelayMemory(shared, machine)
  }

  /** Any thread: finds a relay. @throws RangeError when the memory holds none, one of another version, or a part of one. */
  static attach(memory: SharedArrayBuffer, machine: Machine): RelayMemory {
    if (!isSharedMemory(memory) || memory.byteLength < RELAY.buffers) {
      const found = isSharedMemory(memory) ? `byteLength=${memory.byteLength}` : typeof memory
      throw new RangeError(`no relay in this memory: ${found}`)
    }
    const head = new Int32Array(memory, 0, RELAY.slots / 4)
    const magic = Atomics.load(head, RELAY.magic >> 2)
    if (magic !== MAGIC)
      throw new RangeError(`no relay in this memory: magic=0x${(magic >>> 0).toString(16)}`)
    const abi = head[RELAY.abi >> 2]
    if (abi !== RELAY_ABI)
      throw new RangeError(`the relay has abi=${abi >>> 0}, this rchan reads ${RELAY_ABI}`)
    whole('possibleCpus', head[RELAY.possibleCpus >> 2], 1, MAX_RELAY_CPUS)
    const bytes = (head[RELAY.pageCount >> 2] >>> 0) * PAGE_BYTES
    if (bytes !== memory.byteLength) {
      throw new RangeError(`the relay has ${bytes} bytes, its memory byteLength=${memory.byteLength}`)
    }
    return new RelayMemory(memory, machine)
  }

  /**
   * Makes the calling thread a member. Takes no lock: a free place in the table, or that of a dead member, is taken by
   * compare-and-exchange.
   *
   * @throws RangeError when there is no place.
   */
  join(identity: number, startTicks: number): void {
    // Whoever dies in here can be told by it, where threads can be told dead.
    const joining = identity > 0 ? -identity : JOINING
    const indices = Array.from({ length: MAX_MEMBERS }, (_, index) => index)
    let index = -1
    const takeAny = (): boolean => {
      index = indices.find((each) => this.#takeEntry(each, joining)) ?? -1
      return index >= 0
    }
    if (!this.lookAgain(takeAny))
      throw new RangeError(`a relay has at most ${MAX_MEMBERS} threads, and all of them live`)
    this.#index = index
    // What a dead member held here, nobody holds any more.
    for (let slot = 0; slot < MAX_CHANNELS; slot += 1) Atomics.store(this.words, this.#holdWord(slot), 0)
    const at = memberWord(index)
    this.words[at + 1] = identity
    this.#doubles[(at + 2) >> 1] = startTicks
    const member = Atomics.add(this.words, RELAY.members >> 2, 1) + 1
    if (member < 1 || member > MAX_THREAD_ID) {
      Atomics.store(this.words, at, 0)
      throw new RangeError(`the relay is damaged: members=${member - 1} can't have joined it`)
    }
    this.me = member
    // Pairs with: isDead, Atomics.load of `member`, which is followed by reads of the name.
    Atomics.store(this.words, at, this.me)
  }

  /**
   * Looks for what is free once another thread has ended, until it finds it or has looked often
   * enough: see sync's `look-again`. Where no death can be proven it looks once.
   */
  lookAgain(look: () => boolean, hasWaited = false): boolean {
    return this.#machine.isDead === undefined ? look() : lookAgain(look, hasWaited)
  }

  /**
   * Ends the membership of the calling thread, for good. What it still holds it holds no more; what
   * it owns is that of a member that is gone.
   */
  leave(): void {
    for (let slot = 0; slot < MAX_CHANNELS; slot += 1) Atomics.store(this.words, this.#holdWord(slot), 0)
    // Pairs with: #takeEntry, Atomics.load and compare-and-exchange of `member`: from here on the
    // entry is anybody's.
    Atomics.store(this.words, memberWord(this.#index), 0)
    this.me = 0
  }

  /** @throws Error when the calling thread has left. */
  mustTakePart(): void {
    if (this.me === 0)
      throw new Error(
        'this thread has left the relay: it takes part in it again by Relay.attach(relay.memory, …)',
      )
  }

  /**
   * Whether a member is dead, proven, or has left. A number is given once, so the answer yes is for
   * ever.
   */
  isDead(member: number): boolean {
    for (let index = 0; index < MAX_MEMBERS; index += 1) {
      if (Atomics.load(this.words, memberWord(index)) !== member) continue
      // A member stays in its entry while it lives. Changed: it left, or was proven dead by the
      // thread that has it now.
      return this.#look(index, member) !== 'alive'
    }
    // It left, or died so long ago that another one has its place.
    return true
  }

  /** Takes an entry that nobody who lives has. @returns whether it did. */
  #takeEntry(index: number, joining: number): boolean {
    const at = memberWord(index)
    for (;;) {
      const held = Atomics.load(this.words, at)
      const look = held === 0 ? 'gone' : this.#look(index, held)
      if (look === 'alive') return false
      // Not ours after a change: it may be free now, or another thread's, so look at what is there
      // then.
      if (look === 'gone' && Atomics.compareExchange(this.words, at, held, joining) === held) return true
    }
  }

  /** Looks at the member that was seen in an entry. */
  #look(index: number, member: number): Look {
    const at = memberWord(index)
    const isJoining = member < 0
    const identity = isJoining ? -member : this.words[at + 1]
    const startTicks = isJoining ? 0 : this.#doubles[(at + 2) >> 1]
    const isDead = member !== JOINING && this.#machine.isDead?.(identity, startTicks) === true
    // The name is this member's if the entry still is: only then does the answer say anything of
    // it. A read-modify-write, so that the plain reads of the name come before it. Pairs with:
    // #takeEntry, compare-and-exchange.
    if (Atomics.compareExchange(this.words, at, member, member) !== member) return 'changed'
    return isDead ? 'gone' : 'alive'
  }

  /** How long to wait for a lock of the relay's that a living thread holds, in milliseconds. */
  get patienceMs(): number {
    return this.#machine.patienceMs ?? LOCK_PATIENCE_MS
  }

  /**
   * Runs something under the lock over the list of channels. Never within a write. Members only.
   *
   * @param repair what a holder that died may have left half done; called before `run`, with the lock.
   * @param whileWaiting called again and again while another thread holds the lock.
   */
  locked<T>(repair: () => void, whileWaiting: () => void, run: () => T): T {
    const lock = this.words.subarray(RELAY.listLock >> 2, (RELAY.listLock >> 2) + 4)
    const isDead = (member: number): boolean => this.isDead(member)
    const until = clocks.epochMs() + this.patienceMs
    const how = Mutex.timedLock(lock, this.me, until, { isDead, whileWaiting })
    if (how === false) throw heldTooLong('list of channels', lock[0], this.patienceMs)
    try {
      if (how === 'recovered') {
        repair()
        Mutex.consistent(lock, this.me)
      }
      return run()
    } finally {
      Mutex.unlock(lock, this.me)
    }
  }

  /** The member that makes the file callbacks. */
  get coordinator(): number {
    return this.words[RELAY.coordinator >> 2]
  }
  /** Creator. */
  set coordinator(member: number) {
    this.words[RELAY.coordinator >> 2] = member
  }

  /** The CPUs that a living thread is. */
  onlineCpus(): number[] {
    return Array.from({ length: this.possibleCpus }, (_, cpu) => cpu).filter((cpu) => !this.isFree(cpu))
  }

  /** Whether no living thread is this CPU. */
  isFree(cpu: number): boolean {
    const member = Atomics.load(this.words, (RELAY.cpus >> 2) + cpu)
    return member === 0 || this.isDead(member)
  }

  /** The lowest CPU that is free; −1 for none. */
  freeCpu(): number {
    return Array.from({ length: this.possibleCpus }, (_, cpu) => cpu).find((cpu) => this.isFree(cpu)) ?? -1
  }

  /** Locked, or the thread that is this CPU: says who it is. */
  setCpu(cpu: number, member: number): void {
    Atomics.store(this.words, (RELAY.cpus >> 2) + cpu, member)
  }

  /** The slots in use, newest channel first. */
  slots(): Slot[] {
    const slots: Slot[] = []
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this, index)
      if (slot.state !== STATE.free) slots.push(slot)
    }
    return slots.sort((a, b) => b.id - a.id)
  }

  /** Locked: a slot for a new channel, in state `opening`; undefined when there is none. */
  take(geometry: Geometry, texts: Texts, flags: number): Slot | undefined {
    const slot = this.#find(() => this.#freeSlot())
    slot?.begin(Atomics.add(this.words, RELAY.channels >> 2, 1) + 1, geometry, texts, flags)
    return slot
  }

  #freeSlot(): Slot | undefined {
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this, index)
      if (slot.state === STATE.free) return slot
    }
    return undefined
  }

  /**
   * Locked: frees what can be freed, and finds something there; looks again while another thread
   * holds what is closed.
   */
  #find<T>(find: () => T | undefined): T | undefined {
    let found: T | undefined
    let isHeld = false
    this.lookAgain(() => {
      // Before it is freed: the holder that is seen dead now is no hindrance then.
      isHeld = this.slots().some((slot) => this.#isHeldByAnother(slot))
      this.reap()
      found = find()
      return found !== undefined || !isHeld
    }, this.#hasWaited)
    this.#hasWaited = isHeld && found === undefined
    return found
  }

  /** Locked: frees the closed channels that no living member holds, and zeroes their pages. */
  reap(): void {
    for (const slot of this.slots()) {
      if (slot.state !== STATE.closed || this.#isHeld(slot.index)) continue
      // From here on nobody new gets a hold. Pairs with: Slot.hold.
      Atomics.store(this.words, slot.word(SLOT.state), STATE.free)
      if (this.#isHeld(slot.index)) Atomics.store(this.words, slot.word(SLOT.state), STATE.closed)
      else slot.clear()
    }
  }

  /** Locked: finishes what a thread that died had begun to make or to free. */
  clearUnfinished(): void {
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this, index)
      slot.clearPending()
      if (slot.state !== STATE.free || slot.firstPages().length === 0) continue
      // Somebody may have got a hold before it was free. See `reap`.
      if (this.#isHeld(index)) slot.state = STATE.closed
      else slot.clear()
    }
  }

  /** Any thread: says that a thread died with the lock. */
  reportStrays(): void {
    Atomics.store(this.words, RELAY.strays >> 2, 1)
  }

  /** Whether a thread has died with the lock, and the coordinator has not tidied up since. */
  get hasStrays(): boolean {
    return Atomics.load(this.words, RELAY.strays >> 2) === 1
  }

  /** Coordinator, while it or who has asked it holds the lock. @returns what {@link hasStrays} was, which is over. */
  takeStrays(): boolean {
    return this.hasStrays && Atomics.exchange(this.words, RELAY.strays >> 2, 0) === 1
  }

  /** Whether one of the relay's file callbacks wants to be told of mappings. */
  get tells(): boolean {
    return this.words[RELAY.tells >> 2] === 1
  }
  /** Creator. */
  set tells(tells: boolean) {
    this.words[RELAY.tells >> 2] = tells ? 1 : 0
  }

  /**
   * Locked: pages that nobody uses, zeroed. Frees what can be freed, if that is needed.
   *
   * @returns the first of them; undefined when there are not so many in a row.
   */
  findPages(count: number): number | undefined {
    return this.#freePages(count) ?? this.#find(() => this.#freePages(count))
  }

  #freePages(count: number): number | undefined {
    const used = this.slots().flatMap((slot) => {
      const pages = slot.bufferPages
      return slot.firstPages().map((first) => ({ first, end: first + pages }))
    })
    used.sort((a, b) => a.first - b.first)
    let at = RELAY.buffers / PAGE_BYTES
    for (const { first, end } of used) {
      if (first - at >= count) return at
      at = Math.max(at, end)
    }
    return this.pageCount - at >= count ? at : undefined
  }

  /** Counts what we hold of a slot up or down. @returns what it was. */
  addHold(slot: number, by: number): number {
    // The entry of one that has left may be another's.
    this.mustTakePart()
    return Atomics.add(this.words, this.#holdWord(slot), by)
  }

  /** The texts behind `at`, in bytes. */
  readText(at: number, bytes: number): string {
    // TextDecoder takes no view of shared memory: decode a copy.
    return new TextDecoder().decode(this.#bytes.slice(at, at + bytes))
  }

  /** Stores a text of at most `most` bytes at `at`. @returns its bytes. */
  writeText(at: number, text: string, most: number): number {
    const bytes = new TextEncoder().encode(text).subarray(0, most)
    this.#bytes.set(bytes, at)
    return bytes.length
  }

  #holdWord(slot: number): number {
    return (RELAY.slots + slot * SLOT_BYTES + SLOT.holds + 4 * this.#index) >> 2
  }

  #isHeld(slot: number): boolean {
    for (let index = 0; index < MAX_MEMBERS; index += 1) if (this.#isHeldBy(index, slot)) return true
    return false
  }

  #isHeldByAnother({ state, index: slot }: Slot): boolean {
    if (state !== STATE.closed) return false
    for (let index = 0; index < MAX_MEMBERS; index += 1)
      if (index !== this.#index && this.#isHeldBy(index, slot)) return true
    return false
  }

  /** Whether the member in an entry, which lives, holds a slot. */
  #isHeldBy(index: number, slot: number): boolean {
    const holds = (RELAY.slots + slot * SLOT_BYTES + SLOT.holds) >> 2
    for (;;) {
      if (Atomics.load(this.words, holds + index) === 0) return false
      const member = Atomics.load(this.words, memberWord(index))
      // Nobody's. A thread that is joining holds nothing yet: what stands here was the dead
      // member's before it.
      if (member <= 0) return false
      const look = this.#look(index, member)
      // The hold that we saw may be that of the member which has the entry now: look again.
      if (look !== 'changed') return look === 'alive'
    }
  }
}

/**
 * The default of `Machine.patienceMs`: what is done under a lock takes milliseconds, a file
 * callback perhaps seconds.
 */
const LOCK_PATIENCE_MS = 60_000

/** What happened to a thread that waited for a lock. @param state the lock's word. */
export function heldTooLong(lock: string, state: number, patienceMs: number): Error {
  return new Error(
    `the lock of the relay's ${lock} was not to be had within ${patienceMs} ms: member=${state & MAX_THREAD_ID} holds ` +
      `it, and lives or can't be told dead`,
  )
}

function memberWord(index: number): number {
  return (RELAY.memberTable + index * MEMBER_BYTES) >> 2
}

function whole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}=${String(value)} is not a whole number from ${least} to ${most}`)
  }
}
