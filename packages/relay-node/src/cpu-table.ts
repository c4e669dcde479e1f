/**
 * The table of a runtime's CPUs: which thread is which CPU, how often that has changed, and which
 * sub-buffers each of these threads wrote. All threads of the runtime share it.
 *
 * ```text
 *     at   type      word          written by
 *      0   u32       magic         creator       'rchT'
 *      4   u32       abi           creator
 *      8   u32       possibleCpus  creator
 *     64   …         places        64 bytes for each CPU:
 *     +0   i32       owner         see below     identity of the thread; −2^31: reserved; 0: free
 *     +4   i32       generation    owner         threads that had the place so far, with this one
 *     +8   i32       threadId      thread        Node's number of the thread
 *    +12   i32       asked         coordinator   the generation that is asked to retire
 *    +16   f64       startTicks    thread        when the thread started; 0: not stored yet
 *    +24   i32       joined        thread        the generation that has come online
 *    +28   i32       expected      coordinator   for whom it is reserved: Node's number of the worker,
 *                                              plus 1; 0: not known yet
 *                                              then, on pages, 5184 bytes for each channel and CPU
 * ```
 *
 * A place goes through these states. Each arrow is one compare-and-exchange or store of `owner`:
 *
 * ```text
 *          coordinator: spawns            the worker: joins
 *   free ───────────────────────▶ reserved ────────────────▶ taken
 *   free ──── thread of another origin: joins ─────────────▶ taken
 *   free ◀─── thread: leaves; coordinator: its worker has exited
 *            another thread: proves that the owner is dead, and takes its place ──▶ taken
 * ```
 *
 * For each channel and CPU there is a table of _tenures_: which generation wrote from which
 * sub-buffer on. A thread adds its tenure before its first record in that channel, after the
 * sub-buffer that its predecessor left open was completed. So a sub-buffer has records of one
 * generation only:
 *
 * ```text
 *     at   type      word          written by
 *      0   i32       channel       any thread    id of the channel; 0: free (in the part of CPU 0)
 *      4   i32       tenures       owner         tenures so far, stored last
 *     64   …         tenure        owner         24 bytes each; number n is at n mod 128:
 *     +0   f64       first         owner         the first sub-buffer, counted as `produced` is
 *     +8   i32       generation    owner
 *    +12   i32       threadId      owner
 *    +16   i32       resets        owner         the buffer's `resets` at that time
 *    +20   i32       number        owner         n + 1, stored last; 0: is being written
 *   3136   u8[2048]  name          opener        of the channel, UTF-8 (in the part of CPU 0)
 * ```
 */
import { isDead, isProvable, thisThread, type ThreadIdentity } from '@rchan/threads'

/** Byte offsets in the table. A test holds them to the picture above. */
export const TABLE = { magic: 0, abi: 4, possibleCpus: 8, places: 64 } as const
/** Byte offsets in a place. */
export const TABLE_PLACE = {
  owner: 0,
  generation: 4,
  threadId: 8,
  asked: 12,
  startTicks: 16,
  joined: 24,
  expected: 28,
} as const
/** The same in the part of a channel and a CPU, and in a tenure. */
export const TABLE_PART = { channel: 0, tenures: 4, tenure: 64, name: 3136 } as const
export const TENURE = { first: 0, generation: 8, threadId: 12, resets: 16, number: 20 } as const

const PLACE_BYTES = 64
export const TENURE_BYTES = 24
/** How many tenures of a CPU in a channel are remembered. */
export const MOST_TENURES = 128
export const PART_BYTES = 5184
const NAME_BYTES = 2048
/** As many as a relay can have. */
const MOST_CHANNELS = 64
const MAGIC = 0x54686372 // 'rchT'
/** Version of this layout. */
export const TABLE_ABI = 2
/** How long a worker waits to hear for whom its CPU is reserved, at most. */
const EXPECTED_MS = 1000
/** No thread has this identity. */
const RESERVED = -0x80000000

/** A thread that was a CPU. */
export interface Tenure {
  /** Which thread of the CPU it was, counted from 1. */
  readonly generation: number
  /** Node's number of the thread. */
  readonly threadId: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export class CpuTable {
  readonly memory: SharedArrayBuffer
  readonly possibleCpus: number
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer, possibleCpus: number) {
    this.memory = memory
    this.possibleCpus = possibleCpus
    this.#words = new Int32Array(memory)
    this.#doubles = new Float64Array(memory)
    this.#bytes = new Uint8Array(memory)
  }

  static create(possibleCpus: number): CpuTable {
    // Pages that nobody touches cost nothing.
    const bytes = channelsAt(possibleCpus) + MOST_CHANNELS * possibleCpus * PART_BYTES
    const table = new CpuTable(new SharedArrayBuffer(bytes), possibleCpus)
    table.#words[TABLE.abi >> 2] = TABLE_ABI
    table.#words[TABLE.possibleCpus >> 2] = possibleCpus
    Atomics.store(table.#words, TABLE.magic >> 2, MAGIC)
    return table
  }

  /** @throws RangeError when the memory is no table of CPUs of this version. */
  static attach(memory: SharedArrayBuffer): CpuTable {
    const head = new Int32Array(memory, 0, 3)
    const [magic, abi, cpus] = head
    if (
      magic !== MAGIC ||
      abi !== TABLE_ABI ||
      memory.byteLength !== channelsAt(cpus) + MOST_CHANNELS * cpus * PART_BYTES
    ) {
      throw new RangeError(`no table of CPUs of abi=${TABLE_ABI} in byteLength=${memory.byteLength}`)
    }
    return new CpuTable(memory, cpus)
  }

  /**
   * Coordinator: keeps a free place for a worker that it is about to start. @returns whether it was
   * free.
   */
  reserve(cpu: number): boolean {
    if (!this.#claim(cpu, RESERVED)) return false
    Atomics.store(this.#words, this.#at(cpu, TABLE_PLACE.expected), 0)
    return true
  }

  /**
   * Coordinator: says for whom a place is reserved, once it has made the worker. A worker that this
   * one starts inherits the reservation, and may come first. Pairs with: #isExpected.
   */
  expect(cpu: number, thread: number): void {
    const at = this.#at(cpu, TABLE_PLACE.expected)
    Atomics.store(this.#words, at, thread + 1)
    Atomics.notify(this.#words, at)
  }

  /** Coordinator: counts the thread that gets a reserved place. @returns its generation. */
  beginGeneration(cpu: number): number {
    return Atomics.add(this.#words, this.#at(cpu, TABLE_PLACE.generation), 1) + 1
  }

  /** Thread: takes the place that was reserved for it. @returns false when none is. */
  takeReserved(cpu: number, generation: number, me: ThreadIdentity): boolean {
    if (this.generation(cpu) !== generation || !this.#isExpected(cpu, me.threadId)) return false
    const owner = this.#at(cpu, TABLE_PLACE.owner)
    if (Atomics.compareExchange(this.#words, owner, RESERVED, me.identity) !== RESERVED) return false
    this.#describe(cpu, me)
    return true
  }

  /**
   * Thread of another origin: takes a free place. @returns its generation; 0 when it is not free.
   */
  take(cpu: number, me: ThreadIdentity): number {
    if (!this.#claim(cpu, me.identity)) return 0
    this.#describe(cpu, me)
    return this.beginGeneration(cpu)
  }

  /** Gives a place back. The thread itself, or the coordinator for one that is gone. */
  free(cpu: number, generation: number): void {
    const at = this.#at(cpu, TABLE_PLACE.owner)
    const found = Atomics.load(this.#words, at)
    if (found === 0 || this.generation(cpu) !== generation) return
    // A thread that took the place of the dead one may not have counted itself yet. It lives.
    const isOther = found !== RESERVED && isProvable(found) && found !== thisThread().identity
    if (isOther && !this.#isGone(cpu, found)) return
    Atomics.compareExchange(this.#words, at, found, 0)
  }

  /** Thread: notes that it has come online. Pairs with: hasJoined. */
  setJoined(cpu: number, generation: number): void {
    Atomics.store(this.#words, this.#at(cpu, TABLE_PLACE.joined), generation)
  }

  /** Whether the thread of a generation came online, also when it has ended since. */
  hasJoined(cpu: number, generation: number): boolean {
    return Atomics.load(this.#words, this.#at(cpu, TABLE_PLACE.joined)) === generation
  }

  /** Whether a thread that is not known to be dead has a place, or will have it. */
  isTaken(cpu: number): boolean {
    const owner = Atomics.load(this.#words, this.#at(cpu, TABLE_PLACE.owner))
    return owner === RESERVED || (owner !== 0 && !this.#isGone(cpu, owner))
  }

  generation(cpu: number): number {
    return Atomics.load(this.#words, this.#at(cpu, TABLE_PLACE.generation))
  }

  threadId(cpu: number): number {
    return this.#words[this.#at(cpu, TABLE_PLACE.threadId)]
  }

  /** Coordinator: asks a thread to retire. */
  ask(cpu: number, generation: number): void {
    Atomics.store(this.#words, this.#at(cpu, TABLE_PLACE.asked), generation)
  }

  /**
   * Whether a thread was asked to retire. A plain read: a thread that never yields may ask often.
   */
  isAsked(cpu: number, generation: number): boolean {
    return this.#words[this.#at(cpu, TABLE_PLACE.asked)] === generation
  }

  /**
   * Opener: names a channel. @throws Error when another one has the name; RangeError when the name
   * is too long.
   */
  addChannel(id: number, name: string, isOpen: (id: number) => boolean): void {
    const bytes = encoder.encode(name)
    if (bytes.length > NAME_BYTES)
      throw new RangeError(`name of ${bytes.length} bytes: at most ${NAME_BYTES}`)
    // Unused parts first: a channel that was closed may still be consumed, and is asked for.
    for (let look = 0; look < 2 * MOST_CHANNELS; look += 1) {
      const index = look % MOST_CHANNELS
      const word = this.#part(index, 0) >> 2
      const found = Atomics.load(this.#words, word)
      if (found !== 0 && (look < MOST_CHANNELS || isOpen(found))) continue
      // One that is claimed right now has this value for a moment.
      if (Atomics.compareExchange(this.#words, word, found, CLAIMED) !== found) continue
      for (let cpu = 0; cpu < this.possibleCpus; cpu += 1) {
        if (found !== 0)
          this.#words.fill(0, (this.#part(index, cpu) >> 2) + 1, (this.#part(index, cpu) + PART_BYTES) >> 2)
      }
      this.#bytes.set(bytes, this.#part(index, 0) + TABLE_PART.name)
      // Pairs with: #indexOf, Atomics.load.
      Atomics.store(this.#words, word, id)
      return
    }
    throw new Error(`no place for the channel: ${MOST_CHANNELS} are open`)
  }

  /** The ids and names of the channels, whether or not they are still open. */
  channels(): { readonly id: number; readonly name: string }[] {
    const found: { readonly id: number; readonly name: string }[] = []
    for (let index = 0; index < MOST_CHANNELS; index += 1) {
      const id = Atomics.load(this.#words, this.#part(index, 0) >> 2)
      if (id > 0) found.push({ id, name: this.#name(index) })
    }
    return found
  }

  /** Owner of a CPU: notes that it writes a channel from this sub-buffer on. */
  beginTenure(
    id: number,
    cpu: number,
    first: number,
    resets: number,
    { generation, threadId }: Tenure,
  ): void {
    const index = this.#indexOf(id)
    if (index < 0) return
    const part = this.#part(index, cpu)
    const number = this.#words[(part + TABLE_PART.tenures) >> 2]
    const at = part + TABLE_PART.tenure + (number % MOST_TENURES) * TENURE_BYTES
    // The tenure that stood here goes. On arm64 the plain stores below may pass a store-release;
    // the load stops them. Pairs with: tenureOf, Atomics.add, after it has read.
    Atomics.store(this.#words, (at + TENURE.number) >> 2, 0)
    Atomics.load(this.#words, (at + TENURE.number) >> 2)
    this.#doubles[(at + TENURE.first) >> 3] = first
    this.#words[(at + TENURE.generation) >> 2] = generation
    this.#words[(at + TENURE.threadId) >> 2] = threadId
    this.#words[(at + TENURE.resets) >> 2] = resets
    // Stored before the first record, and so before a reader has a sub-buffer of this tenure.
    // Pairs with: tenureOf, Atomics.load of `number`.
    Atomics.store(this.#words, (at + TENURE.number) >> 2, number + 1)
    Atomics.store(this.#words, (part + TABLE_PART.tenures) >> 2, number + 1)
  }

  /** Any thread: who wrote a sub-buffer; undefined if that is not known (any more). */
  tenureOf(id: number, cpu: number, sequence: number, resets: number): Tenure | undefined {
    const index = this.#indexOf(id)
    if (index < 0) return undefined
    const part = this.#part(index, cpu)
    const count = Atomics.load(this.#words, (part + TABLE_PART.tenures) >> 2)
    for (let number = count - 1; number >= 0 && number >= count - MOST_TENURES; number -= 1) {
      const at = part + TABLE_PART.tenure + (number % MOST_TENURES) * TENURE_BYTES
      const word = (at + TENURE.number) >> 2
      if (Atomics.load(this.#words, word) !== number + 1) return undefined
      const first = this.#doubles[(at + TENURE.first) >> 3]
      const generation = this.#words[(at + TENURE.generation) >> 2]
      const threadId = this.#words[(at + TENURE.threadId) >> 2]
      const of = this.#words[(at + TENURE.resets) >> 2]
      // A read-modify-write, so that none of the reads above can come after it.
      if (Atomics.add(this.#words, word, 0) !== number + 1) return undefined
      // A reset counts sub-buffers from 0 again: older tenures than it tell nothing of them, but
      // that who wrote before it may go on after it.
      if (of !== resets || sequence >= first) return { generation, threadId }
    }
    return undefined
  }

  #indexOf(id: number): number {
    for (let index = 0; index < MOST_CHANNELS; index += 1) {
      if (Atomics.load(this.#words, this.#part(index, 0) >> 2) === id) return index
    }
    return -1
  }

  #name(index: number): string {
    const at = this.#part(index, 0) + TABLE_PART.name
    // TextDecoder takes no shared memory.
    const copy = this.#bytes.slice(at, at + NAME_BYTES)
    const end = copy.indexOf(0)
    return decoder.decode(new Uint8Array(copy.subarray(0, end < 0 ? NAME_BYTES : end)))
  }

  #isExpected(cpu: number, thread: number): boolean {
    const at = this.#at(cpu, TABLE_PLACE.expected)
    // The coordinator says it as soon as it has made the worker, long before that runs.
    Atomics.wait(this.#words, at, 0, EXPECTED_MS)
    return Atomics.load(this.#words, at) === thread + 1
  }

  #claim(cpu: number, identity: number): boolean {
    const at = this.#at(cpu, TABLE_PLACE.owner)
    const found = Atomics.load(this.#words, at)
    if (found === RESERVED || (found !== 0 && !this.#isGone(cpu, found))) return false
    // The time of the thread before tells nothing of the one that comes: without a time, its
    // identity alone decides. Pairs with: #isGone, which reads it after `owner`. If another thread
    // took the place just now, its time is lost, and its identity decides to its end.
    this.#doubles[this.#at(cpu, TABLE_PLACE.startTicks) >> 1] = 0
    return Atomics.compareExchange(this.#words, at, found, identity) === found
  }

  #isGone(cpu: number, owner: number): boolean {
    return isProvable(owner) && isDead(owner, this.#doubles[this.#at(cpu, TABLE_PLACE.startTicks) >> 1])
  }

  #describe(cpu: number, { startTicks, threadId }: ThreadIdentity): void {
    this.#doubles[this.#at(cpu, TABLE_PLACE.startTicks) >> 1] = startTicks
    this.#words[this.#at(cpu, TABLE_PLACE.threadId)] = threadId
  }

  /** Index of a word of a place, 4 bytes an element. */
  #at(cpu: number, word: number): number {
    return (TABLE.places + cpu * PLACE_BYTES + word) >> 2
  }

  #part(index: number, cpu: number): number {
    return channelsAt(this.possibleCpus) + (index * this.possibleCpus + cpu) * PART_BYTES
  }
}

/** The value of a channel's word while it is claimed; no id. */
const CLAIMED = -1

function channelsAt(possibleCpus: number): number {
  return Math.ceil((TABLE.places + possibleCpus * PLACE_BYTES) / 4096) * 4096
}
