/**
 * The threads that take part in a relay: which of them live, which CPUs they are, what they hold of
 * the channels, and the one lock that they take in turn. layout.ts says what stands where.
 */
import { MAX_THREAD_ID, Mutex, MUTEX_WORDS } from '@rchan/sync'
import { lookAgain } from '@rchan/sync/look-again'
import { clocks } from '@rchan/sync/clocks'
import { CHANNEL_STATE, MAX_CHANNELS, MAX_MEMBERS, MEMBER_BYTES, RELAY, SLOT, SLOT_BYTES } from './layout.js'
import type { Machine } from './machine.js'
import type { Slot } from './slot.js'
import type { RelayWords } from './words.js'

// A thread that joins, on a machine that can't tell whether it is dead.
const JOINING = -(2 ** 31)

/**
 * What a look at an entry of the table of members found. The member lives; or it is gone, proven;
 * or the entry changed during the look. `changed` says that the member has no entry any more: it
 * left, or another thread has taken the entry of the dead. It says nothing of the thread that has
 * the entry now: look at that one, if it is of interest.
 */
type Look = 'alive' | 'gone' | 'changed'

/** The members of a relay, seen from one of them. */
export class Members {
  /** Our number; 0 until {@link join}, and after {@link leave}. */
  me = 0
  readonly #machine: Machine
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #relay: RelayWords
  /** Our place in the table of members. */
  #index = -1

  constructor(relay: RelayWords, machine: Machine) {
    this.#relay = relay
    this.#words = relay.words
    this.#doubles = relay.doubles
    this.#machine = machine
  }

  /**
   * Makes the calling thread a member. Takes no lock: a compare-and-exchange takes a free place in
   * the table, or that of a dead member.
   *
   * @throws RangeError when there is no place.
   */
  join(identity: number, startTicks: number): void {
    // If we die in here, others can tell by this name that we are dead.
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
    // A dead member's holds were here: nobody has them any more.
    for (let slot = 0; slot < MAX_CHANNELS; slot += 1)
      Atomics.store(this.#words, holdWord(slot, this.#index), 0)
    const at = memberWord(index)
    this.#words[at + 1] = identity
    this.#doubles[(at + 2) >> 1] = startTicks
    const member = Atomics.add(this.#words, RELAY.members >> 2, 1) + 1
    if (member < 1 || member > MAX_THREAD_ID) {
      Atomics.store(this.#words, at, 0)
      throw new RangeError(`the relay is damaged: members=${member - 1} can't have joined it`)
    }
    this.me = member
    // Pairs with: isDead, Atomics.load of `member`, which is followed by reads of the name.
    Atomics.store(this.#words, at, this.me)
  }

  /**
   * Looks for what is free once another thread has ended, until it finds it or has looked often
   * enough: see sync's `look-again`. Where no death can be proven it looks once.
   */
  lookAgain(look: () => boolean, hasWaited = false): boolean {
    return this.provesDeaths ? lookAgain(look, hasWaited) : look()
  }

  /**
   * Ends the membership of the calling thread, for good. It holds nothing any more, and what it
   * owns is that of a member that is gone.
   */
  leave(): void {
    for (let slot = 0; slot < MAX_CHANNELS; slot += 1)
      Atomics.store(this.#words, holdWord(slot, this.#index), 0)
    // Pairs with: #takeEntry, Atomics.load and compare-and-exchange of `member`: from here on the
    // entry is anybody's.
    Atomics.store(this.#words, memberWord(this.#index), 0)
    this.me = 0
  }

  /** Our place in the table of members; −1 until {@link join}. */
  get index(): number {
    return this.#index
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
      if (Atomics.load(this.#words, memberWord(index)) !== member) continue
      // A member stays in its entry while it lives. Changed: it left, or was proven dead by the
      // thread that has it now.
      return this.#look(index, member) !== 'alive'
    }
    // It left, or died so long ago that another one has its place.
    return true
  }

  /** Whether it can be known that a thread is dead. */
  get provesDeaths(): boolean {
    return this.#machine.isDead !== undefined
  }

  /** How long to wait for a lock of the relay's that a living thread holds, in milliseconds. */
  get patienceMs(): number {
    return this.#machine.patienceMs ?? LOCK_PATIENCE_MS
  }

  /**
   * Runs something under the lock over the list of channels. Never within a write. Members only.
   *
   * @param repair mends what a holder that died may have left half done. It is called before `run`,
   * with the lock.
   * @param whileWaiting is called again and again while another thread holds the lock.
   */
  locked<T>(repair: () => void, whileWaiting: () => void, run: () => T): T {
    const lock = this.#words.subarray(RELAY.listLock >> 2, (RELAY.listLock >> 2) + MUTEX_WORDS)
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

  /** The CPUs that a living thread is. */
  onlineCpus(): number[] {
    return Array.from({ length: this.#relay.possibleCpus }, (_, cpu) => cpu).filter(
      (cpu) => !this.isFree(cpu),
    )
  }

  /** Whether no living thread is this CPU. */
  isFree(cpu: number): boolean {
    const member = Atomics.load(this.#words, (RELAY.cpus >> 2) + cpu)
    return member === 0 || this.isDead(member)
  }

  /** The lowest CPU that is free; −1 for none. */
  freeCpu(): number {
    return (
      Array.from({ length: this.#relay.possibleCpus }, (_, cpu) => cpu).find((cpu) => this.isFree(cpu)) ?? -1
    )
  }

  /** Locked, or the thread that is this CPU: stores which member the CPU is; 0 for none. */
  setCpu(cpu: number, member: number): void {
    Atomics.store(this.#words, (RELAY.cpus >> 2) + cpu, member)
  }

  /**
   * Takes a hold of a channel for the calling thread: its memory stays.
   *
   * @returns whether it has one; false when the channel has been freed.
   */
  hold(slot: Slot, id: number): boolean {
    this.#addHold(slot.index, 1)
    // Pairs with: Pages.#reap, Atomics.store of `state`.
    if (slot.state !== CHANNEL_STATE.free && slot.id === id) return true
    this.#addHold(slot.index, -1)
    return false
  }

  /** Lets a hold of the calling thread go. */
  letGo(slot: Slot): void {
    this.#addHold(slot.index, -1)
  }

  #addHold(slot: number, by: number): void {
    // The entry of a member that has left may be another's.
    this.mustTakePart()
    Atomics.add(this.#words, holdWord(slot, this.#index), by)
  }

  /** Whether a living member holds a slot. */
  isHeld({ index: slot }: Slot): boolean {
    for (let index = 0; index < MAX_MEMBERS; index += 1) if (this.#isHeldBy(index, slot)) return true
    return false
  }

  /** Whether a living member other than this thread holds a slot. */
  isHeldByAnother({ index: slot }: Slot): boolean {
    for (let index = 0; index < MAX_MEMBERS; index += 1)
      if (index !== this.#index && this.#isHeldBy(index, slot)) return true
    return false
  }

  /** Whether the member in an entry lives and holds a slot. */
  #isHeldBy(index: number, slot: number): boolean {
    for (;;) {
      if (Atomics.load(this.#words, holdWord(slot, index)) === 0) return false
      const member = Atomics.load(this.#words, memberWord(index))
      // Nobody's. A thread that is joining holds nothing yet: what stands here was the dead
      // member's before it.
      if (member <= 0) return false
      const look = this.#look(index, member)
      // The hold that we saw may be that of the member which has the entry now: look again.
      if (look !== 'changed') return look === 'alive'
    }
  }

  /** Takes an entry that no living member has. @returns whether it did. */
  #takeEntry(index: number, joining: number): boolean {
    const at = memberWord(index)
    for (;;) {
      const held = Atomics.load(this.#words, at)
      const look = held === 0 ? 'gone' : this.#look(index, held)
      if (look === 'alive') return false
      // After a change it may be free, or another thread's, so look at what is there then.
      if (look === 'gone' && Atomics.compareExchange(this.#words, at, held, joining) === held) return true
    }
  }

  /** Looks at the member that was seen in an entry. */
  #look(index: number, member: number): Look {
    const at = memberWord(index)
    const isJoining = member < 0
    const identity = isJoining ? -member : this.#words[at + 1]
    const startTicks = isJoining ? 0 : this.#doubles[(at + 2) >> 1]
    const isDead = member !== JOINING && this.#machine.isDead?.(identity, startTicks) === true
    // The name is this member's if the entry still is; only then does the answer say anything of
    // it. A read-modify-write, so that the plain reads of the name come before it. Pairs with:
    // #takeEntry, compare-and-exchange.
    if (Atomics.compareExchange(this.#words, at, member, member) !== member) return 'changed'
    return isDead ? 'gone' : 'alive'
  }
}

/**
 * The default of `Machine.patienceMs`: what is done under a lock takes milliseconds, a file
 * callback perhaps seconds.
 */
const LOCK_PATIENCE_MS = 60_000

/** The error of a thread that waited for a lock in vain. @param state the lock's word. */
export function heldTooLong(lock: string, state: number, patienceMs: number): Error {
  return new Error(
    `the lock of the relay's ${lock} was not to be had within ${patienceMs} ms: member=${state & MAX_THREAD_ID} holds ` +
      `it, and lives or can't be told dead`,
  )
}

function memberWord(index: number): number {
  return (RELAY.memberTable + index * MEMBER_BYTES) >> 2
}

/** The word of what the member in an entry holds of a slot. */
function holdWord(slot: number, index: number): number {
  return (RELAY.slots + slot * SLOT_BYTES + SLOT.holds + 4 * index) >> 2
}
