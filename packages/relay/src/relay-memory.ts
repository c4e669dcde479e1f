/**
 * The shared memory of a relay: the list of channels, the threads that take part, and the pages of all buffers. One
 * fixed-length memory, so that any thread finds everything in it and nobody has to be sent anything.
 *
 * ```text
 *      at  type     word           written by
 *       0  u32      magic          creator      'rchR'
 *       4  u32      abi            creator
 *       8  u32      possibleCpus   creator
 *      12  u32      pageCount      creator      pages of 4096 bytes, this head included
 *      16  i32      coordinator    creator      member that runs the file callbacks
 *      64  i32[4]   listLock       sync         the lock over the list of channels
 *      80  i32      channels       locked       channels opened so far; the newest has the highest number
 *      84  i32      members        any thread   threads that have joined so far, counted atomically
 *     128  i32      request        desk         see relay-desk.ts
 *     132  i32      rings          desk
 *     136  i32[6]   arguments      desk
 *     160  u32      textBytes      desk
 *     164  u8[1024] text           desk
 *    1280  …        members        each member  16 bytes for each thread that takes part:
 *      +0  i32      member         each member  its number, never used again; 0: free, -1: somebody is just joining
 *      +4  i32      identity       each member  the machine's name of the thread
 *      +8  f64      startTicks     each member  and when it started, if that is needed to know it
 *    2304  i32[256] cpus           locked       the member that is this CPU; 0: offline
 *    4096  …        slots          locked       4096 bytes for each channel:
 *      +0  i32      state          locked       see below
 *      +4  i32      id             locked       number of the channel
 *      +8  u32[4]   geometry       locked       subbufSize, subbufCount, mode (1: overwrite), headerBytes
 *     +24  i32      flags          locked
 *     +28  u32      lastTooBig     writers      length of the last record that was too big
 *     +32  i32      opener         locked       member that opened it
 *     +36  u32[3]   textBytes      locked       of base name, parent and module, which stand in `texts` in this order
 *     +64  i32[64]  holds          each member  what this member still uses of it: buffers it writes, open files, mappings
 *    +320  u32[256] pages          locked       first page of each CPU's buffer; 0: none. The last store that makes one
 *   +1344  u8[2752] texts          locked
 *  266240  …        buffers        relay         see buffer.ts; on pages
 * ```
 *
 * `locked` is whoever holds the list's lock; one that dies leaves what {@link Relay} repairs. A slot's states:
 *
 * ```text
 *          open begins              open is done             close                   nobody holds it: zeroed
 *   free ──────────────▶ opening ──────────────▶ open ──────────────▶ closed ──────────────────────────▶ free
 *                           └──────── open failed, or its thread died ────▲
 * ```
 *
 * A member that takes a hold of a channel counts up its `holds` first and looks at `state` and `id` then; who frees the
 * slot stores `state` first and looks at all `holds` then. Both are sequentially consistent, so one of them sees the
 * other, and no memory is used again under a thread that still has it. The holds of a dead member count for nothing.
 */
import { Mutex } from '@rchan/sync'
import { BufferMemory, bufferBytes, PAGE_BYTES, type Geometry } from './buffer.js'
import type { Machine } from './relay.js'

/** Byte offsets in the memory of a relay. A test holds them to the picture above. */
export const RELAY = {
  magic: 0,
  abi: 4,
  possibleCpus: 8,
  pageCount: 12,
  coordinator: 16,
  listLock: 64,
  channels: 80,
  members: 84,
  request: 128,
  rings: 132,
  arguments: 136,
  textBytes: 160,
  text: 164,
  memberTable: 1280,
  cpus: 2304,
  slots: 4096,
  buffers: 266240,
} as const
/** Byte offsets in a slot. */
export const SLOT = {
  state: 0,
  id: 4,
  geometry: 8,
  flags: 24,
  lastTooBig: 28,
  opener: 32,
  textBytes: 36,
  holds: 64,
  pages: 320,
  texts: 1344,
} as const
/** States of a slot. */
export const STATE = { free: 0, opening: 1, open: 2, closed: 3 } as const
/** Bits of a slot's `flags`. */
export const FLAG = { hasBaseFilename: 1, isGlobal: 2, startsByFunction: 4, tellsOfMappings: 8 } as const

const MAGIC = 0x52686372 // 'rchR'
const RELAY_ABI = 1
const MEMBER_BYTES = 16
const SLOT_BYTES = 4096
const TEXTS_BYTES = 2752
/** The most threads that take part at once. */
export const MAX_MEMBERS = 64
/** The most channels, open or closed but still in use. */
export const MAX_CHANNELS = 64
/** The most CPUs. */
export const MAX_RELAY_CPUS = 256
/** Bytes of a text that the desk passes on. */
export const DESK_TEXT_BYTES = 1024

/** The words that say what a channel is, in the order in which they are stored. */
export interface Texts {
  readonly baseFilename: string
  readonly parent: string
  readonly module: string
}

/** The memory of a relay, seen from one thread that takes part in it. */
export class RelayMemory {
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly possibleCpus: number
  readonly pageCount: number
  /** Our number; 0 until {@link join}. */
  me = 0
  readonly #machine: Machine
  readonly #doubles: Float64Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>
  /** Our place in the table of members. */
  #index = -1

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
    if (!(memory instanceof SharedArrayBuffer) || memory.byteLength < RELAY.buffers) {
      const found = memory instanceof SharedArrayBuffer ? `byteLength=${memory.byteLength}` : typeof memory
      throw new RangeError(`no relay in this memory: ${found}`)
    }
    const head = new Int32Array(memory, 0, RELAY.slots / 4)
    const magic = Atomics.load(head, RELAY.magic >> 2)
    if (magic !== MAGIC)
      throw new RangeError(`no relay in this memory: magic=0x${(magic >>> 0).toString(16)}`)
    const abi = head[RELAY.abi >> 2]
    if (abi !== RELAY_ABI) throw new RangeError(`the relay has abi=${abi}, this rchan reads ${RELAY_ABI}`)
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
    for (let index = 0; index < MAX_MEMBERS; index += 1) {
      const at = memberWord(index)
      const held = Atomics.load(this.words, at)
      if (held === JOINING || (held !== 0 && !this.#isGone(index, held))) continue
      if (Atomics.compareExchange(this.words, at, held, JOINING) !== held) continue
      this.#index = index
      // What a dead member held here, nobody holds any more.
      for (let slot = 0; slot < MAX_CHANNELS; slot += 1) Atomics.store(this.words, this.#holdWord(slot), 0)
      this.words[at + 1] = identity
      this.#doubles[(at + 2) >> 1] = startTicks
      this.me = Atomics.add(this.words, RELAY.members >> 2, 1) + 1
      // Pairs with: isDead, Atomics.load of `member`, which is followed by reads of the name.
      Atomics.store(this.words, at, this.me)
      return
    }
    throw new RangeError(`a relay has at most ${MAX_MEMBERS} threads, and all of them live`)
  }

  /** Ends the membership of the calling thread, which has let go of all it held. */
  leave(): void {
    Atomics.store(this.words, memberWord(this.#index), 0)
    this.me = 0
  }

  /** Whether a member is dead, proven, or has left. */
  isDead(member: number): boolean {
    for (let index = 0; index < MAX_MEMBERS; index += 1) {
      if (Atomics.load(this.words, memberWord(index)) === member) return this.#isGone(index, member)
    }
    // It left, or died so long ago that another one has its place.
    return true
  }

  #isGone(index: number, member: number): boolean {
    const at = memberWord(index)
    const identity = this.words[at + 1]
    const startTicks = this.#doubles[(at + 2) >> 1]
    if (this.#machine.isDead?.(identity, startTicks) !== true) return false
    // Unless somebody else took the place while we looked at the name.
    return Atomics.load(this.words, at) === member
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
    const how = Mutex.lock(lock, this.me, { isDead, whileWaiting })
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
    this.reap()
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this, index)
      if (slot.state !== STATE.free) continue
      const id = Atomics.add(this.words, RELAY.channels >> 2, 1) + 1
      slot.begin(id, geometry, texts, flags)
      return slot
    }
    return undefined
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

  /** Locked: finishes what a thread that died had begun to free. */
  clearFreed(): void {
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this, index)
      if (slot.state === STATE.free && slot.firstPages().length > 0) slot.clear()
    }
  }

  /**
   * Locked: pages that nobody uses, zeroed.
   *
   * @returns the first of them; undefined when there are not so many in a row.
   */
  findPages(count: number): number | undefined {
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
    const holds = (RELAY.slots + slot * SLOT_BYTES + SLOT.holds) >> 2
    for (let index = 0; index < MAX_MEMBERS; index += 1) {
      if (Atomics.load(this.words, holds + index) === 0) continue
      const member = Atomics.load(this.words, memberWord(index))
      if (member === JOINING || (member !== 0 && !this.#isGone(index, member))) return true
    }
    return false
  }
}

const JOINING = -1

function memberWord(index: number): number {
  return (RELAY.memberTable + index * MEMBER_BYTES) >> 2
}

/** One channel's place in the list. */
export class Slot {
  readonly index: number
  readonly #relay: RelayMemory
  readonly #at: number

  constructor(relay: RelayMemory, index: number) {
    this.index = index
    this.#relay = relay
    this.#at = RELAY.slots + index * SLOT_BYTES
  }

  /** Index in the relay's words of a word of the slot. */
  word(offset: number): number {
    return (this.#at + offset) >> 2
  }

  get state(): number {
    return Atomics.load(this.#relay.words, this.word(SLOT.state))
  }
  /** Locked. Pairs with: every `state` of another thread; all that the state says of was stored before. */
  set state(state: number) {
    Atomics.store(this.#relay.words, this.word(SLOT.state), state)
  }
  get id(): number {
    return Atomics.load(this.#relay.words, this.word(SLOT.id))
  }
  get opener(): number {
    return this.#relay.words[this.word(SLOT.opener)]
  }
  get geometry(): Geometry {
    const [subbufSize, subbufCount, mode, headerBytes] = this.#relay.words.subarray(
      this.word(SLOT.geometry),
      this.word(SLOT.geometry) + 4,
    )
    return { subbufSize, subbufCount, mode: mode === 1 ? 'overwrite' : 'discard', headerBytes }
  }
  get bufferPages(): number {
    return bufferBytes(this.geometry) / PAGE_BYTES
  }
  get lastTooBig(): number {
    return this.#relay.words[this.word(SLOT.lastTooBig)] >>> 0
  }
  set lastTooBig(length: number) {
    this.#relay.words[this.word(SLOT.lastTooBig)] = length
  }

  has(flag: number): boolean {
    return (Atomics.load(this.#relay.words, this.word(SLOT.flags)) & flag) !== 0
  }

  /** Locked, or the coordinator while it is asked by whoever holds the lock. */
  setFlag(flag: number): void {
    Atomics.or(this.#relay.words, this.word(SLOT.flags), flag)
  }

  get texts(): Texts {
    const words = this.#relay.words.subarray(this.word(SLOT.textBytes), this.word(SLOT.textBytes) + 3)
    let at = this.#at + SLOT.texts
    const [baseFilename, parent, module] = Array.from(words, (bytes) => {
      const text = this.#relay.readText(at, bytes)
      at += bytes
      return text
    })
    return { baseFilename, parent, module }
  }

  /** Locked. @throws RangeError when they are too long. */
  set texts(texts: Texts) {
    const encoder = new TextEncoder()
    const parts = [texts.baseFilename, texts.parent, texts.module]
    const lengths = parts.map((text) => encoder.encode(text).length)
    const sum = lengths.reduce((bytes, length) => bytes + length, 0)
    if (sum > TEXTS_BYTES) {
      throw new RangeError(`base name, parent and module have ${sum} bytes, at most ${TEXTS_BYTES} are kept`)
    }
    let at = this.#at + SLOT.texts
    for (const [index, text] of parts.entries()) {
      this.#relay.words[this.word(SLOT.textBytes) + index] = this.#relay.writeText(at, text, TEXTS_BYTES)
      at += lengths[index]
    }
  }

  /** The first page of a CPU's buffer; 0 for none. */
  pageOf(cpu: number): number {
    return Atomics.load(this.#relay.words, this.word(SLOT.pages) + cpu) >>> 0
  }

  /** Locked: the CPU has its buffer from here on. Pairs with: pageOf. */
  setPage(cpu: number, page: number): void {
    Atomics.store(this.#relay.words, this.word(SLOT.pages) + cpu, page)
  }

  /** The first page of each buffer, each once. */
  firstPages(): number[] {
    const pages = new Set<number>()
    for (let cpu = 0; cpu < this.#relay.possibleCpus; cpu += 1) pages.add(this.pageOf(cpu))
    pages.delete(0)
    return [...pages]
  }

  /** Locked: makes this the slot of a channel that is being opened. */
  begin(id: number, geometry: Geometry, texts: Texts, flags: number): void {
    this.texts = texts
    const { words } = this.#relay
    words[this.word(SLOT.geometry)] = geometry.subbufSize
    words[this.word(SLOT.geometry) + 1] = geometry.subbufCount
    words[this.word(SLOT.geometry) + 2] = geometry.mode === 'overwrite' ? 1 : 0
    words[this.word(SLOT.geometry) + 3] = geometry.headerBytes
    words[this.word(SLOT.flags)] = flags
    words[this.word(SLOT.lastTooBig)] = 0
    words[this.word(SLOT.opener)] = this.#relay.me
    Atomics.store(words, this.word(SLOT.id), id)
    this.state = STATE.opening
  }

  /** Takes a hold for the calling thread. @returns whether it has one; not when the channel has been freed. */
  hold(id: number): boolean {
    this.#relay.addHold(this.index, 1)
    // Pairs with: RelayMemory.reap, Atomics.store of `state`.
    if (this.state !== STATE.free && this.id === id) return true
    this.#relay.addHold(this.index, -1)
    return false
  }

  /** Lets a hold of the calling thread go. */
  letGo(): void {
    this.#relay.addHold(this.index, -1)
  }

  /** Locked: zeroes the pages of a channel that nobody has. */
  clear(): void {
    const { geometry } = this
    for (const page of this.firstPages()) {
      BufferMemory.clear(this.#relay.memory, page * PAGE_BYTES, geometry)
    }
    for (let cpu = 0; cpu < this.#relay.possibleCpus; cpu += 1) this.setPage(cpu, 0)
  }
}

function whole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}=${String(value)} is not a whole number from ${least} to ${most}`)
  }
}
