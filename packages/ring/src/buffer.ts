/**
 * One CPU's buffer: a ring of sub-buffers, and the words that describe its content.
 *
 * This is the only description of that memory. Each word has one owner. The owner of a buffer is
 * the thread that writes it. The reader is the one thread that drains it.
 *
 * ```text
 *   at   type  word               written by
 *    0   u32   magic              creator     'rchB'
 *    4   u32   abi                creator
 *    8   u32   cpu                creator
 *   12   u32   mode               creator     0 discard, 1 overwrite
 *   16   u32   subbufSize         creator     bytes
 *   20   u32   subbufCount        creator
 *   24   u32   headerBytes        creator     reserved at the start of each sub-buffer
 *   28   u32   dataOffset         creator     bytes from the start of this buffer
 *   64   i64   produced           owner       sub-buffers completed; the commit point of a switch
 *   72   i64   started            owner       sub-buffers begun
 *   80   u32   resets             owner       up when a reset begins and when it is done, or back; odd: under way
 *  128   i64   consumed           reader      sub-buffers given back
 *  136   f64   accounted          reader      records delivered or counted as overwritten, before `consumed`
 *  144   u32   delivering         reader      1 while it gives a sub-buffer back
 *  192   f64   discardedFull      owner       records refused because no sub-buffer was free
 *  200   f64   discardedTooBig    owner       records longer than a sub-buffer can hold
 *  208   f64   discardedBad       owner       records whose arguments could not be written
 *  256   …     sub-buffer table   owner       32 bytes for each sub-buffer:
 *   +0   u32   end                owner       first byte after its last record, in bytes from the start of the data
 *   +4   u32   count              owner       records in it
 *   +8   f64   first              owner       records that this buffer was given before it
 *  +16   f64   bytesBefore        owner       bytes without padding that were completed before it, resets included
 *  +24   u32   prevPadding        owner       padding of the sub-buffer completed before it
 *  +28   u32   label              owner       its sequence modulo 2^32 - 1, plus 1; stored last, when it is begun
 * ```
 *
 * Each group has cache lines of its own (64 bytes), so that owner and reader don't slow each other
 * down. The data starts at `dataOffset`, a multiple of 4096. Sub-buffer *i* is the `subbufSize`
 * bytes from `i * subbufSize`. Sub-buffers are numbered from 0 without end (their *sequence*).
 * Number *s* is at index `s mod subbufCount`.
 *
 * No sub-buffer is open when `started` is not above `produced`, or when the entry there has another
 * label. The padding of a completed sub-buffer is the space behind its `end`. A switch stores only
 * into the entry of the sub-buffer that it starts, so these stores count from the commit point on.
 *
 * Once a dead owner's buffer is drained, the reader takes over the owner's words until a new owner
 * comes. While the owner lives, the reader changes none of them: its checks of `started` and
 * `produced` add 0.
 */

import { isSharedMemory } from './brand.js'

/** Byte offsets of the words of a buffer. A test holds them to the picture above. */
export const BUFFER = {
  magic: 0,
  abi: 4,
  cpu: 8,
  mode: 12,
  subbufSize: 16,
  subbufCount: 20,
  headerBytes: 24,
  dataOffset: 28,
  produced: 64,
  started: 72,
  resets: 80,
  consumed: 128,
  accounted: 136,
  delivering: 144,
  discardedFull: 192,
  discardedTooBig: 200,
  discardedBad: 208,
  table: 256,
} as const

/** Bytes of an entry of the sub-buffer table, and of its words. */
export const ENTRY_BYTES = 32
const ENTRY_COUNT = 4
const ENTRY_FIRST = 8
const ENTRY_BYTES_BEFORE = 16
const ENTRY_PREV_PADDING = 24
const ENTRY_LABEL = 28

/** Version of this layout. Memory of another version is refused. */
export const BUFFER_ABI = 4
const MAGIC = 0x42686372 // 'rchB'
/** Buffers and their data are whole pages. */
export const PAGE_BYTES = 4096

/**
 * The loss when a record comes and every sub-buffer is unread: the record in mode `discard`, the
 * oldest sub-buffer in mode `overwrite`.
 */
export type Mode = 'discard' | 'overwrite'

/** The shape of every buffer of a channel. */
export interface Geometry {
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers in a buffer. */
  readonly subbufCount: number
  /** Which records are lost when the buffer is full. */
  readonly mode: Mode
  /** Bytes reserved for the client at the start of each sub-buffer. They hold no records. */
  readonly headerBytes: number
}

/** The largest `subbufSize * subbufCount`, in bytes. */
export const MAX_BUFFER_BYTES = 2 ** 30
/**
 * The most sub-buffers of a buffer. Their table is then 512 MiB, and its offsets still fit 32-bit
 * integers.
 */
export const MAX_SUBBUFS = 2 ** 24

/** Bytes from the start of a buffer to its data. */
export function dataOffset(subbufCount: number): number {
  return pages(BUFFER.table + ENTRY_BYTES * subbufCount)
}

/** Bytes of a whole buffer, words and data, rounded up to pages. */
export function bufferBytes(geometry: Geometry): number {
  return dataOffset(geometry.subbufCount) + pages(geometry.subbufSize * geometry.subbufCount)
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES
}

/** @throws RangeError when a caller's count is not a whole number in its range. */
export function checkCount(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name}=${String(value)} is not a whole number from ${least} to ${most}`)
  }
}

/**
 * Checks a caller's geometry.
 *
 * @throws RangeError with the value and the allowed values.
 */
export function checkGeometry(geometry: Geometry): void {
  const { subbufSize, subbufCount, mode, headerBytes } = geometry
  checkCount('subbufSize', subbufSize, 1, MAX_BUFFER_BYTES)
  checkCount('subbufCount', subbufCount, 1, MAX_SUBBUFS)
  checkCount('subbufSize * subbufCount', subbufSize * subbufCount, 1, MAX_BUFFER_BYTES)
  checkCount('headerBytes', headerBytes, 0, subbufSize - 1)
  if (mode !== 'discard' && mode !== 'overwrite') {
    throw new RangeError(`mode=${String(mode)} is neither 'discard' nor 'overwrite'`)
  }
}

/** The memory of one CPU's buffer, through views of fixed length. Any thread may make one. */
export class BufferMemory {
  readonly memory: SharedArrayBuffer
  readonly geometry: Geometry
  readonly cpu: number
  /** The words of 4 bytes, an element each; also those of the table. @internal */
  readonly words: Uint32Array<SharedArrayBuffer>
  /** `produced`, `started` and `consumed`, 8 bytes an element. @internal */
  readonly counters: BigInt64Array<SharedArrayBuffer>
  /** The words of type f64, 8 bytes an element; also those of the table. @internal */
  readonly doubles: Float64Array<SharedArrayBuffer>
  /** Where the data starts, in bytes from the start of `memory`. @internal */
  readonly dataByteOffset: number
  /** The data, a byte an element. @internal */
  readonly data: Uint8Array<SharedArrayBuffer>

  private constructor(memory: SharedArrayBuffer, byteOffset: number, cpu: number, geometry: Geometry) {
    const wordBytes = dataOffset(geometry.subbufCount)
    this.memory = memory
    this.geometry = geometry
    this.cpu = cpu
    this.words = new Uint32Array(memory, byteOffset, wordBytes / 4)
    this.counters = new BigInt64Array(memory, byteOffset, wordBytes / 8)
    this.doubles = new Float64Array(memory, byteOffset, wordBytes / 8)
    this.dataByteOffset = byteOffset + wordBytes
    this.data = new Uint8Array(memory, this.dataByteOffset, geometry.subbufSize * geometry.subbufCount)
  }

  /** Creator: lays out a buffer in zeroed memory. @internal */
  static create(
    memory: SharedArrayBuffer,
    byteOffset: number,
    cpu: number,
    geometry: Geometry,
  ): BufferMemory {
    const buffer = new BufferMemory(memory, byteOffset, cpu, geometry)
    const { words } = buffer
    words[BUFFER.abi >> 2] = BUFFER_ABI
    words[BUFFER.cpu >> 2] = cpu
    words[BUFFER.mode >> 2] = geometry.mode === 'overwrite' ? 1 : 0
    words[BUFFER.subbufSize >> 2] = geometry.subbufSize
    words[BUFFER.subbufCount >> 2] = geometry.subbufCount
    words[BUFFER.headerBytes >> 2] = geometry.headerBytes
    words[BUFFER.dataOffset >> 2] = dataOffset(geometry.subbufCount)
    // Pairs with: attach, Atomics.load of `magic`.
    Atomics.store(words, BUFFER.magic >> 2, MAGIC)
    return buffer
  }

  /**
   * Finds the buffer that another thread laid out. Any thread.
   *
   * @throws RangeError when the memory is not a buffer, of another version, or cut short.
   * @internal
   */
  static attach(memory: SharedArrayBuffer, byteOffset: number): BufferMemory {
    if (byteOffset % 8 !== 0 || byteOffset + BUFFER.table > memory.byteLength) {
      throw new RangeError(
        `no buffer at byteOffset=${byteOffset}: the memory has byteLength=${memory.byteLength}`,
      )
    }
    const words = new Uint32Array(memory, byteOffset, BUFFER.table / 4)
    const magic = Atomics.load(words, BUFFER.magic >> 2)
    if (magic !== MAGIC) {
      throw new RangeError(`no buffer at byteOffset=${byteOffset}: magic=0x${magic.toString(16)}`)
    }
    const abi = words[BUFFER.abi >> 2]
    if (abi !== BUFFER_ABI) {
      throw new RangeError(
        `the buffer at byteOffset=${byteOffset} has abi=${abi}, this rchan reads ${BUFFER_ABI}`,
      )
    }
    const mode = words[BUFFER.mode >> 2]
    if (mode > 1) throw new RangeError(`the buffer at byteOffset=${byteOffset} has mode=${mode}`)
    const geometry: Geometry = {
      subbufSize: words[BUFFER.subbufSize >> 2],
      subbufCount: words[BUFFER.subbufCount >> 2],
      mode: mode === 1 ? 'overwrite' : 'discard',
      headerBytes: words[BUFFER.headerBytes >> 2],
    }
    checkGeometry(geometry)
    const data = words[BUFFER.dataOffset >> 2]
    if (data !== dataOffset(geometry.subbufCount)) {
      throw new RangeError(
        `the buffer at byteOffset=${byteOffset} has dataOffset=${data}, ` +
          `not ${dataOffset(geometry.subbufCount)}`,
      )
    }
    if (byteOffset + bufferBytes(geometry) > memory.byteLength) {
      throw new RangeError(
        `the buffer at byteOffset=${byteOffset} needs ${bufferBytes(geometry)} bytes, ` +
          `the memory ends at byteLength=${memory.byteLength}`,
      )
    }
    return new BufferMemory(memory, byteOffset, words[BUFFER.cpu >> 2], geometry)
  }

  /**
   * A caller's buffer as one of this module. Another copy of it (CommonJS beside ESM, or in a
   * bundle) has a class of its own; then the memory is attached anew, which checks its version.
   *
   * @returns undefined for what is no `BufferMemory`.
   * @throws RangeError as {@link attach}.
   * @internal
   */
  static of(buffer: BufferMemory): BufferMemory | undefined {
    if (buffer instanceof BufferMemory) return buffer
    const { memory, words } = (buffer ?? {}) as Partial<BufferMemory>
    return isSharedMemory(memory) && words !== undefined
      ? BufferMemory.attach(memory, words.byteOffset)
      : undefined
  }

  /**
   * Zeroes the words of a buffer that no thread uses any more, as far as they were ever used. The
   * data stays, because old data is never read.
   *
   * @internal
   */
  static clearWords(memory: SharedArrayBuffer, byteOffset: number, geometry: Geometry): void {
    const buffer = new BufferMemory(memory, byteOffset, 0, geometry)
    const { words } = buffer
    // An owner begins with the first entry, and stores its label before it touches the second.
    const wasBegun = words[buffer.labelWord(0)] !== 0
    words.fill(0, 0, wasBegun ? words.length : buffer.endWord(0) + (ENTRY_BYTES >> 2))
  }

  /**
   * Zeroes the memory of a buffer that no thread uses any more, as far as it was ever used.
   *
   * @internal
   */
  static clear(memory: SharedArrayBuffer, byteOffset: number, geometry: Geometry): void {
    const { subbufSize, subbufCount } = geometry
    const buffer = new BufferMemory(memory, byteOffset, 0, geometry)
    const isBegun = (index: number): boolean => buffer.words[buffer.labelWord(index)] !== 0
    for (let index = 0; index < subbufCount; index += 1) {
      // A client may have died while it filled the header of a sub-buffer without a label.
      if (index > 0 && !isBegun(index) && !isBegun(index - 1)) continue
      buffer.data.fill(0, index * subbufSize, (index + 1) * subbufSize)
    }
    buffer.words.fill(0)
  }

  /**
   * Index in {@link words} of the `end` of the sub-buffer at `index`; its `count` is the next
   * word.
   *
   * @internal
   */
  endWord(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES) >> 2
  }

  /** Index in {@link words} of the `count` of the sub-buffer at `index`. @internal */
  countWord(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES + ENTRY_COUNT) >> 2
  }

  /** Index in {@link doubles} of the `first` of the sub-buffer at `index`. @internal */
  firstDouble(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES + ENTRY_FIRST) >> 3
  }

  /** Index in {@link doubles} of the `bytesBefore` of the sub-buffer at `index`. @internal */
  bytesBeforeDouble(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES + ENTRY_BYTES_BEFORE) >> 3
  }

  /** Index in {@link words} of the `prevPadding` of the sub-buffer at `index`. @internal */
  prevPaddingWord(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES + ENTRY_PREV_PADDING) >> 2
  }

  /** Index in {@link words} of the `label` of the sub-buffer at `index`. @internal */
  labelWord(index: number): number {
    return (BUFFER.table + index * ENTRY_BYTES + ENTRY_LABEL) >> 2
  }

  /**
   * Whether the entry at `index` belongs to the sub-buffer `sequence`. If it does, that sub-buffer
   * was begun.
   *
   * @internal
   */
  hasLabel(index: number, sequence: number): boolean {
    // Pairs with: Writer.#start, Atomics.store of `label`, which comes after the rest of the entry.
    return Atomics.load(this.words, this.labelWord(index)) === labelOf(sequence)
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
   * The refused records, by cause. Exact for the owner, and for any thread once the owner has
   * stopped; else a lower bound.
   */
  discarded(): Discarded {
    return {
      full: this.countAt(BUFFER.discardedFull >> 3),
      tooBig: this.countAt(BUFFER.discardedTooBig >> 3),
      bad: this.countAt(BUFFER.discardedBad >> 3),
    }
  }
}

/** Labels go from 1 to this. 0 is new memory. */
const LABELS = 2 ** 32 - 1

/**
 * The label of a sub-buffer in its entry. It tells the sub-buffer from older ones at the same
 * index; 0 is new memory.
 */
export function labelOf(sequence: number): number {
  return (sequence % LABELS) + 1
}

/** Refused records, by cause. */
export interface Discarded {
  /** No sub-buffer was free. */
  readonly full: number
  /** Longer than a sub-buffer can hold. */
  readonly tooBig: number
  /** Its arguments could not be read, or did not fit their types. */
  readonly bad: number
}
