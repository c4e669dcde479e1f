/**
 * One channel's place in the list of channels: its slot in the relay's memory, whose words
 * layout.ts describes.
 *
 * Any thread reads it. A thread that changes it holds the list's lock; holds and `lastTooBig` are
 * the exceptions.
 */
import { checkGeometry, type Geometry } from '@rchan/ring'
import { clearBuffer, pagesOfBuffer } from './buffer-head.js'
import { CHANNEL_STATE, RELAY, SLOT, SLOT_BYTES, TEXTS_BYTES } from './layout.js'
import type { RelayWords } from './words.js'

/** The texts that say what a channel is. */
export interface Texts {
  readonly baseFilename: string
  readonly parent: string
  readonly module: string
}

/** One channel's place in the list. */
export class Slot {
  readonly index: number
  readonly #relay: RelayWords
  readonly #at: number

  constructor(relay: RelayWords, index: number) {
    this.index = index
    this.#relay = relay
    this.#at = RELAY.slots + index * SLOT_BYTES
  }

  /** Index in the relay's words of a word of the slot. */
  #word(offset: number): number {
    return (this.#at + offset) >> 2
  }

  get state(): number {
    return Atomics.load(this.#relay.words, this.#word(SLOT.state))
  }
  /**
   * Locked. Pairs with: every `state` of another thread. All that the state tells of was stored
   * before it.
   */
  set state(state: number) {
    Atomics.store(this.#relay.words, this.#word(SLOT.state), state)
  }
  get id(): number {
    return Atomics.load(this.#relay.words, this.#word(SLOT.id))
  }
  get opener(): number {
    return this.#relay.words[this.#word(SLOT.opener)]
  }
  get geometry(): Geometry {
    const [subbufSize, subbufCount, mode, headerBytes] = this.#relay.words.subarray(
      this.#word(SLOT.geometry),
      this.#word(SLOT.geometry) + 4,
    )
    const geometry: Geometry = {
      subbufSize,
      subbufCount,
      mode: mode === 1 ? 'overwrite' : 'discard',
      headerBytes,
    }
    // @throws RangeError where the memory was damaged.
    checkGeometry(geometry)
    return geometry
  }
  get bufferPages(): number {
    return pagesOfBuffer(this.geometry)
  }
  get lastTooBig(): number {
    return this.#relay.words[this.#word(SLOT.lastTooBig)] >>> 0
  }
  set lastTooBig(length: number) {
    this.#relay.words[this.#word(SLOT.lastTooBig)] = length
  }

  has(flag: number): boolean {
    return (Atomics.load(this.#relay.words, this.#word(SLOT.flags)) & flag) !== 0
  }

  /** Locked, or the file thread while a thread that holds the lock calls it. */
  setFlag(flag: number): void {
    Atomics.or(this.#relay.words, this.#word(SLOT.flags), flag)
  }

  get texts(): Texts {
    const words = this.#relay.words.subarray(this.#word(SLOT.textBytes), this.#word(SLOT.textBytes) + 3)
    // No more than there is room for, where the memory was damaged.
    let room = TEXTS_BYTES
    const [moduleBytes, baseBytes, parentBytes] = [words[2], words[0], words[1]].map((bytes) => {
      const found = Math.min(Math.max(0, bytes), room)
      room -= found
      return found
    })
    const at = this.#at + SLOT.texts
    return {
      module: this.#relay.readText(at, moduleBytes),
      baseFilename: this.#relay.readText(at + moduleBytes, baseBytes),
      parent: this.#relay.readText(at + moduleBytes + baseBytes, parentBytes),
    }
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
    // The module stays where it is when the others change: threads read it without the lock.
    let at = this.#at + SLOT.texts
    for (const index of [2, 0, 1]) {
      this.#relay.words[this.#word(SLOT.textBytes) + index] = this.#relay.writeText(
        at,
        parts[index],
        TEXTS_BYTES,
      )
      at += lengths[index]
    }
  }

  /** The first page of a CPU's buffer; 0 for none. */
  pageOf(cpu: number): number {
    if (cpu >= this.#relay.possibleCpus) return 0
    return Atomics.load(this.#relay.words, this.#word(SLOT.pages) + cpu) >>> 0
  }

  /** Locked: the CPU has its buffer from here on. Pairs with: pageOf. */
  setPage(cpu: number, page: number): void {
    Atomics.store(this.#relay.words, this.#word(SLOT.pages) + cpu, page)
  }

  /**
   * Locked: a buffer is being laid out at this page, or nowhere (0). What is there is nobody's
   * until it has its CPU.
   */
  set pendingPage(page: number) {
    Atomics.store(this.#relay.words, this.#word(SLOT.pendingPage), page)
  }

  /** Locked: zeroes what a thread that died was laying out. */
  clearPending(): void {
    const page = this.#relay.words[this.#word(SLOT.pendingPage)] >>> 0
    if (page !== 0 && !this.firstPages().includes(page)) {
      clearBuffer(this.#relay.memory, page, this.geometry)
    }
    this.pendingPage = 0
  }

  /** The first page of each buffer, each once. */
  firstPages(): number[] {
    const pages = new Set<number>()
    for (let cpu = 0; cpu < this.#relay.possibleCpus; cpu += 1) pages.add(this.pageOf(cpu))
    pages.delete(0)
    return [...pages]
  }

  /** Locked: makes this the slot of a channel that is being opened. */
  begin(id: number, opener: number, geometry: Geometry, texts: Texts, flags: number): void {
    this.texts = texts
    const { words } = this.#relay
    words[this.#word(SLOT.geometry)] = geometry.subbufSize
    words[this.#word(SLOT.geometry) + 1] = geometry.subbufCount
    words[this.#word(SLOT.geometry) + 2] = geometry.mode === 'overwrite' ? 1 : 0
    words[this.#word(SLOT.geometry) + 3] = geometry.headerBytes
    words[this.#word(SLOT.flags)] = flags
    words[this.#word(SLOT.lastTooBig)] = 0
    words[this.#word(SLOT.opener)] = opener
    Atomics.store(words, this.#word(SLOT.id), id)
    this.state = CHANNEL_STATE.opening
  }

  /** Locked: zeroes the pages of a channel that nobody has. */
  clear(): void {
    const { geometry } = this
    for (const page of this.firstPages()) {
      clearBuffer(this.#relay.memory, page, geometry)
    }
    for (let cpu = 0; cpu < this.#relay.possibleCpus; cpu += 1) this.setPage(cpu, 0)
  }
}
