/**
 * A global buffer: one ring of sub-buffers. Many threads write it at once, without locks, and one
 * thread drains it.
 *
 * This is the only description of that memory. Other files describe how the words move: state.ts
 * the state, writer.ts the records, reader.ts delivery, recovery.ts the dead.
 *
 * ```text
 *   at   type  word               written by
 *    0   u32   magic              creator     'rchG'
 *    4   u32   abi                creator
 *    8   u32   mode               creator     0 discard, 1 overwrite
 *   12   u32   subbufSize         creator     bytes
 *   16   u32   subbufCount        creator
 *   20   u32   headerBytes        creator     reserved at the start of each sub-buffer
 *   24   u32   unitBytes          creator     records start on multiples of it
 *   28   u32   maxWriters         creator     slots
 *   32   u32   tags               creator     sub-buffers that the low half of the state tells apart
 *   36   u32   dataOffset         creator     bytes from the start of this buffer
 *   64   i32   slotsUsed          threads     all slots ever taken are below; raised before
 *  128   i64   state              threads     the sub-buffer that is current and how much of it is reserved
 *  256   i32   consumed           reader      sub-buffers given back, low 32 bits; what writers look at
 *  264   f64   sequence           reader      sub-buffers given back
 *  272   f64   torn               reader      records that a dead thread left half written
 *  280   f64   overwritten        reader      records overwritten before they were delivered
 *  384   …     sub-buffer table   threads     64 bytes for each sub-buffer:
 *   +0   i32   committed          threads     units of records and headers committed, over all laps; only added to
 *   +8   i64   endEven            threads     of its last closed even lap: lap + 1 in the high half, in the low what
 *                                             `committed` is when all of that lap is committed
 *  +16   i64   endOdd             threads     the same of its last closed odd lap
 *  +24   i64   baseEven           threads     records ever written here before its last even lap
 *  +32   i64   baseOdd            threads     the same of its last odd lap
 *  +40   f64   accounted          reader      of the records ever written here: delivered or counted as overwritten
 *    …   …     slot table         owner       for each thread that writes, a multiple of 128 bytes:
 *   +0   i32   identity           threads     0 free; the thread that has it, or −1: it left and its hole is not passed
 *   +4   i32   phase              owner       PHASE of its claim; the reader, once it is dead
 *   +8   i32   claimAt            owner       low half of the state that the claim starts from
 *  +12   i32   claimUnits         owner       its length
 *  +16   i32   gapAt              owner       like claimAt: room that the living owner gave up
 *  +20   i32   gapUnits           owner       its length; 0 for none
 *  +24   u32   generation         owner       how often the slot was taken
 *  +32   f64   holeSequence       reader      sub-buffer of the claim that a dead owner left as a hole
 *  +40   f64   gapSequence        owner       sub-buffer of the room that was given up
 *  +48   f64   discardedFull      owner       records refused because no sub-buffer was free
 *  +56   f64   discardedTooBig    owner       records longer than a sub-buffer can hold
 *  +64   f64   discardedBad       owner       records whose arguments could not be written, or that were given up
 *  +72   f64   empty              owner       records of no bytes, which are in no sub-buffer
 * +128   …     written            owner       f64 for each sub-buffer: records this slot ever wrote there
 * ```
 *
 * "Threads" share a word by compare-and-exchange, or by adding to it. Sub-buffers are numbered from
 * 0 without end (their *sequence*). Number *s* is at index `s mod subbufCount`, in its *lap*
 * `floor(s / subbufCount)`. A unit is `unitBytes`; units count from the start of the sub-buffer.
 *
 * The high half of `state` is the *epoch*. The low half holds, from its highest bits, the tag, one
 * bit "closed", and the units reserved. The number of sub-buffers started so far is epoch × tags +
 * tag, and the current one is the last of them. `tags` is a multiple of `subbufCount` and at least
 * twice that. So the tag alone says the index at every wrap, and the epochs last for 2³³ laps. A
 * record is reserved by exchanging the low half. A sub-buffer is started by exchanging both halves.
 * These are accesses of two sizes to one word. Every processor of Node (x86, arm64) keeps them
 * coherent, though the language doesn't say so. The low half comes first: little-endian, like the
 * data.
 *
 * No word is ever set back. `committed` wraps at 2³² units, which is more than a lap has. It is
 * only ever compared with its expected value.
 */
import { isSharedMemory } from '../brand.js'
import { checkCount, checkGeometry, PAGE_BYTES, type Discarded, type Geometry } from '../buffer.js'

/** Byte offsets of the words of a global buffer. A test holds them to the picture above. */
export const GLOBAL = {
  magic: 0,
  abi: 4,
  mode: 8,
  subbufSize: 12,
  subbufCount: 16,
  headerBytes: 20,
  unitBytes: 24,
  maxWriters: 28,
  tags: 32,
  dataOffset: 36,
  slotsUsed: 64,
  state: 128,
  consumed: 256,
  sequence: 264,
  torn: 272,
  overwritten: 280,
  table: 384,
} as const

/** Byte offsets of the words of an entry of the sub-buffer table. */
export const GLOBAL_ENTRY = {
  committed: 0,
  endEven: 8,
  endOdd: 16,
  baseEven: 24,
  baseOdd: 32,
  accounted: 40,
} as const
const ENTRY_BYTES = 64

/** Byte offsets of the words of a slot. */
export const GLOBAL_SLOT = {
  identity: 0,
  phase: 4,
  claimAt: 8,
  claimUnits: 12,
  gapAt: 16,
  gapUnits: 20,
  generation: 24,
  holeSequence: 32,
  gapSequence: 40,
  discardedFull: 48,
  discardedTooBig: 56,
  discardedBad: 64,
  empty: 72,
  written: 128,
} as const

/** Version of this layout. Memory of another version is refused. */
export const GLOBAL_ABI = 1
const MAGIC = 0x47686372 // 'rchG'
/** The most words of `written`: all slots times all sub-buffers. */
const MAX_COUNTS = 2 ** 22
/** The most threads that can have slots of one global buffer at once. */
export const MAX_WRITERS = 4096
/**
 * The `identity` of a slot whose owner left before the reader passed its hole. No thread has this
 * identity.
 */
export const ORPHAN = -1

/** The shape of a global buffer. */
export interface GlobalGeometry extends Geometry {
  /**
   * Records start on multiples of this number of bytes: 8 for records that are read as words, 1 for
   * raw bytes.
   */
  readonly unitBytes: 1 | 2 | 4 | 8
  /** How many threads can have a slot at once. */
  readonly maxWriters: number
  /**
   * The most sub-buffers that the low half of the state tells apart, rounded down to a multiple of
   * `subbufCount`. For tests, which make it wrap early.
   */
  readonly mostTags?: number
}

/** The division of the low half of the state. */
interface StateBits {
  /** Bits of the units reserved. */
  readonly unitBits: number
  readonly tags: number
}

function stateBits(geometry: GlobalGeometry): StateBits {
  const { subbufSize, subbufCount, unitBytes, mostTags = 2 ** 32 } = geometry
  // One value above the units of a full sub-buffer is needed. It means finalized.
  const unitBits = 32 - Math.clz32(subbufSize / unitBytes + 1)
  const most = unitBits > 30 ? 0 : Math.min(2 ** (31 - unitBits), mostTags)
  return { unitBits, tags: Math.floor(most / subbufCount) * subbufCount }
}

/**
 * Checks a caller's shape of a global buffer.
 *
 * @throws RangeError with the value and the allowed values.
 */
export function checkGlobalGeometry(geometry: GlobalGeometry): void {
  checkGeometry(geometry)
  const { subbufSize, subbufCount, headerBytes, unitBytes, maxWriters } = geometry
  if (unitBytes !== 1 && unitBytes !== 2 && unitBytes !== 4 && unitBytes !== 8) {
    throw new RangeError(`unitBytes=${String(unitBytes)} is not 1, 2, 4 or 8`)
  }
  if (subbufSize % unitBytes !== 0 || headerBytes % unitBytes !== 0) {
    throw new RangeError(
      `subbufSize=${subbufSize} and headerBytes=${headerBytes} are not multiples of unitBytes=${unitBytes}`,
    )
  }
  checkCount('maxWriters', maxWriters, 1, MAX_WRITERS)
  if (maxWriters * subbufCount > MAX_COUNTS) {
    throw new RangeError(
      `maxWriters=${maxWriters} * subbufCount=${subbufCount} is more than ${MAX_COUNTS}: take fewer, larger sub-buffers`,
    )
  }
  // At least twice, so that a claim in the sub-buffer about to be started differs from a claim in
  // the oldest one.
  if (stateBits(geometry).tags < 2 * subbufCount) {
    throw new RangeError(
      `subbufSize=${subbufSize} and subbufCount=${subbufCount} with unitBytes=${unitBytes} need more than the 32 bits ` +
        'of the state: take a smaller buffer or larger units',
    )
  }
}

const align = (bytes: number, to: number): number => Math.ceil(bytes / to) * to
const slotBytes = (subbufCount: number): number => align(GLOBAL_SLOT.written + 8 * subbufCount, 128)
const slotsOffset = (subbufCount: number): number => align(GLOBAL.table + ENTRY_BYTES * subbufCount, 128)
const wordBytes = ({ subbufCount, maxWriters }: GlobalGeometry): number =>
  align(slotsOffset(subbufCount) + slotBytes(subbufCount) * maxWriters, PAGE_BYTES)

/**
 * Bytes of a whole global buffer, words and data, rounded up to pages. @throws RangeError for an
 * impossible shape.
 */
export function globalBufferBytes(geometry: GlobalGeometry): number {
  checkGlobalGeometry(geometry)
  return wordBytes(geometry) + align(geometry.subbufSize * geometry.subbufCount, PAGE_BYTES)
}

/**
 * The memory of a global buffer, through views of fixed length. Any thread may make one.
 *
 * @example
 * const buffer = GlobalBuffer.create({
 *   subbufSize: 65536, subbufCount: 8, mode: 'discard', headerBytes: 0, unitBytes: 8, maxWriters: 64,
 * })
 * new GlobalWriter(buffer, 1).write(new Uint8Array(24))
 */
export class GlobalBuffer {
  readonly memory: SharedArrayBuffer
  readonly byteOffset: number
  readonly geometry: GlobalGeometry
  /**
   * Sub-buffers that the low half of the state tells apart: a multiple of `subbufCount`.
   *
   * @internal
   */
  readonly tags: number
  /**
   * How many bits of the low half of the state hold the units reserved. The next bit says closed;
   * the others are the tag.
   *
   * @internal
   */
  readonly unitBits: number
  /**
   * The words, 4 bytes an element. They are signed, because `Atomics` allocates for an unsigned
   * word above 2³¹.
   *
   * @internal
   */
  readonly words: Int32Array<SharedArrayBuffer>
  /** The state and the ends and bases of the sub-buffers, 8 bytes an element. @internal */
  readonly longs: BigInt64Array<SharedArrayBuffer>
  /** The counts, 8 bytes an element. @internal */
  readonly doubles: Float64Array<SharedArrayBuffer>
  /** Where the data starts, in bytes from the start of `memory`. @internal */
  readonly dataByteOffset: number
  /** The data, a byte an element. @internal */
  readonly data: Uint8Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer, byteOffset: number, geometry: GlobalGeometry) {
    const bytes = wordBytes(geometry)
    const { unitBits, tags } = stateBits(geometry)
    this.memory = memory
    this.byteOffset = byteOffset
    this.geometry = geometry
    this.tags = tags
    this.unitBits = unitBits
    this.words = new Int32Array(memory, byteOffset, bytes / 4)
    this.longs = new BigInt64Array(memory, byteOffset, bytes / 8)
    this.doubles = new Float64Array(memory, byteOffset, bytes / 8)
    this.dataByteOffset = byteOffset + bytes
    this.data = new Uint8Array(memory, this.dataByteOffset, geometry.subbufSize * geometry.subbufCount)
  }

  /**
   * Lays out a global buffer, in new memory or in the caller's zeroed memory.
   *
   * @param byteOffset a multiple of 4096.
   * @param isUsed the memory is not zeroed: it held a global buffer of the same geometry at the
   * same place, which no thread uses any more. Its words are zeroed, as far as they were used. Its
   * data stays, and is never read.
   * @throws RangeError for an impossible shape, for memory that is too small, or when the system
   * has no memory.
   */
  static create(
    geometry: GlobalGeometry,
    memory?: SharedArrayBuffer,
    byteOffset = 0,
    isUsed = false,
  ): GlobalBuffer {
    const bytes = globalBufferBytes(geometry)
    const room = memory ?? new SharedArrayBuffer(bytes)
    if (byteOffset % PAGE_BYTES !== 0 || byteOffset < 0 || byteOffset + bytes > room.byteLength) {
      throw new RangeError(
        `a global buffer of ${bytes} bytes at byteOffset=${byteOffset} does not fit byteLength=${room.byteLength}`,
      )
    }
    const buffer = new GlobalBuffer(room, byteOffset, geometry)
    const { words } = buffer
    // The slots come last.
    if (isUsed) words.fill(0, 0, buffer.slotWord(buffer.slotsUsed(), 0))
    words[GLOBAL.abi >> 2] = GLOBAL_ABI
    words[GLOBAL.mode >> 2] = geometry.mode === 'overwrite' ? 1 : 0
    words[GLOBAL.subbufSize >> 2] = geometry.subbufSize
    words[GLOBAL.subbufCount >> 2] = geometry.subbufCount
    words[GLOBAL.headerBytes >> 2] = geometry.headerBytes
    words[GLOBAL.unitBytes >> 2] = geometry.unitBytes
    words[GLOBAL.maxWriters >> 2] = geometry.maxWriters
    words[GLOBAL.tags >> 2] = buffer.tags
    words[GLOBAL.dataOffset >> 2] = wordBytes(geometry)
    // No sub-buffer was started, and the one before the first is closed.
    words[GLOBAL.state >> 2] = 1 << buffer.unitBits
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(words, GLOBAL.magic >> 2, MAGIC)
    return buffer
  }

  /**
   * A caller's buffer as one of this module: see `BufferMemory.of`.
   *
   * @returns undefined for what is no `GlobalBuffer`.
   * @throws RangeError as {@link attach}.
   * @internal
   */
  static of(buffer: GlobalBuffer): GlobalBuffer | undefined {
    if (buffer instanceof GlobalBuffer) return buffer
    const { memory, byteOffset } = (buffer ?? {}) as Partial<GlobalBuffer>
    return isSharedMemory(memory) && byteOffset !== undefined
      ? GlobalBuffer.attach(memory, byteOffset)
      : undefined
  }

  /**
   * Finds the global buffer that another thread laid out. Any thread.
   *
   * @throws RangeError when the memory is not a global buffer, of another version, or cut short.
   */
  static attach(memory: SharedArrayBuffer, byteOffset = 0): GlobalBuffer {
    const where = `global buffer at byteOffset=${byteOffset}`
    if (byteOffset % 8 !== 0 || byteOffset < 0 || byteOffset + GLOBAL.table > memory.byteLength) {
      throw new RangeError(`no ${where}: the memory has byteLength=${memory.byteLength}`)
    }
    const words = new Uint32Array(memory, byteOffset, GLOBAL.table / 4)
    const magic = Atomics.load(words, GLOBAL.magic >> 2)
    if (magic !== MAGIC) throw new RangeError(`no ${where}: magic=0x${magic.toString(16)}`)
    const abi = words[GLOBAL.abi >> 2]
    if (abi !== GLOBAL_ABI)
      throw new RangeError(`the ${where} has abi=${abi}, this rchan reads ${GLOBAL_ABI}`)
    const mode = words[GLOBAL.mode >> 2]
    if (mode > 1) throw new RangeError(`the ${where} has mode=${mode}`)
    const tags = words[GLOBAL.tags >> 2]
    const geometry: GlobalGeometry = {
      subbufSize: words[GLOBAL.subbufSize >> 2],
      subbufCount: words[GLOBAL.subbufCount >> 2],
      mode: mode === 1 ? 'overwrite' : 'discard',
      headerBytes: words[GLOBAL.headerBytes >> 2],
      unitBytes: words[GLOBAL.unitBytes >> 2] as GlobalGeometry['unitBytes'],
      maxWriters: words[GLOBAL.maxWriters >> 2],
      mostTags: tags,
    }
    checkGlobalGeometry(geometry)
    const dataOffset = words[GLOBAL.dataOffset >> 2]
    const bytes = globalBufferBytes(geometry)
    if (dataOffset !== wordBytes(geometry) || tags !== stateBits(geometry).tags) {
      throw new RangeError(`the ${where} has dataOffset=${dataOffset} and tags=${tags}, which don't fit it`)
    }
    if (byteOffset + bytes > memory.byteLength) {
      throw new RangeError(
        `the ${where} needs ${bytes} bytes, the memory ends at byteLength=${memory.byteLength}`,
      )
    }
    return new GlobalBuffer(memory, byteOffset, geometry)
  }

  /** Index in {@link words} of `committed` of the sub-buffer at `index`. @internal */
  committedWord(index: number): number {
    return (GLOBAL.table + index * ENTRY_BYTES + GLOBAL_ENTRY.committed) >> 2
  }

  /** Index in {@link longs} of the end of this lap of the sub-buffer at `index`. @internal */
  endLong(index: number, lap: number): number {
    return ((GLOBAL.table + index * ENTRY_BYTES + GLOBAL_ENTRY.endEven) >> 3) + (lap % 2 === 0 ? 0 : 1)
  }

  /** Index in {@link longs} of the base of this lap of the sub-buffer at `index`. @internal */
  baseLong(index: number, lap: number): number {
    return ((GLOBAL.table + index * ENTRY_BYTES + GLOBAL_ENTRY.baseEven) >> 3) + (lap % 2 === 0 ? 0 : 1)
  }

  /** Index in {@link doubles} of the `accounted` of the sub-buffer at `index`. @internal */
  accountedDouble(index: number): number {
    return (GLOBAL.table + index * ENTRY_BYTES + GLOBAL_ENTRY.accounted) >> 3
  }

  /** Where a slot starts, in bytes from the start of this buffer. @internal */
  slotAt(slot: number): number {
    const { subbufCount } = this.geometry
    return slotsOffset(subbufCount) + slot * slotBytes(subbufCount)
  }

  /** Index in {@link words} of a word of a slot: `slotWord(3, GLOBAL_SLOT.phase)`. @internal */
  slotWord(slot: number, at: number): number {
    return (this.slotAt(slot) + at) >> 2
  }

  /**
   * Index in {@link doubles} of a count of a slot; for `GLOBAL_SLOT.written`, of the sub-buffer at
   * `index`.
   *
   * @internal
   */
  slotDouble(slot: number, at: number, index = 0): number {
    return ((this.slotAt(slot) + at) >> 3) + index
  }

  /** How many slots were ever taken. Never more than exist, even in damaged memory. @internal */
  slotsUsed(): number {
    const used = Atomics.load(this.words, GLOBAL.slotsUsed >> 2)
    return used < 0 ? 0 : Math.min(used, this.geometry.maxWriters)
  }

  /**
   * The count at an index of {@link doubles}; 0 if the value there is no count, in damaged memory.
   *
   * @internal
   */
  countAt(double: number): number {
    const count = this.doubles[double]
    return Number.isSafeInteger(count) && count >= 0 ? count : 0
  }

  /**
   * Records that all threads ever wrote at `index`. Exact while no thread writes a sub-buffer
   * there.
   *
   * @internal
   */
  writtenAt(index: number): number {
    const used = this.slotsUsed()
    let sum = 0
    for (let slot = 0; slot < used; slot += 1) {
      sum += this.countAt(this.slotDouble(slot, GLOBAL_SLOT.written, index))
    }
    return sum
  }

  /** Records written, including empty ones. Exact once the writers have stopped. */
  written(): number {
    let sum = this.#sumOfSlots(GLOBAL_SLOT.empty)
    for (let index = 0; index < this.geometry.subbufCount; index += 1) sum += this.writtenAt(index)
    return sum
  }

  /** Records of no bytes. They are in no sub-buffer, and count as delivered. */
  empty(): number {
    return this.#sumOfSlots(GLOBAL_SLOT.empty)
  }

  /** The refused records, by cause. Exact once the writers have stopped; else a lower bound. */
  discarded(): Discarded {
    return {
      full: this.#sumOfSlots(GLOBAL_SLOT.discardedFull),
      tooBig: this.#sumOfSlots(GLOBAL_SLOT.discardedTooBig),
      bad: this.#sumOfSlots(GLOBAL_SLOT.discardedBad),
    }
  }

  #sumOfSlots(at: number): number {
    const used = this.slotsUsed()
    let sum = 0
    for (let slot = 0; slot < used; slot += 1) sum += this.countAt(this.slotDouble(slot, at))
    return sum
  }
}
