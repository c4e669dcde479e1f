/**
 * A relay channel as the kernel has it: geometry, callbacks, and a buffer for each CPU that came
 * online. This is what stands behind a {@link RelayChannel}.
 *
 * Its facts stand in its slot of the relay's memory (layout.ts), so each thread has a
 * `ThreadChannel` of its own over it. Functions can't be shared, nor can the files that they made:
 * see {@link ChannelFiles}. References keep the memory: the opener's until the channel is closed,
 * and one of each buffer. So a channel that was closed under a reader lives until the reader lets
 * go.
 */
import { bufferBytes, dataOffset, type Geometry } from '@rchan/ring'
import { ThreadBuffer } from './buffer.js'
import type { RelayCallbacks } from './callbacks.js'
import { ChannelFiles } from './channel-files.js'
import type { BufferHost, PlacedBuffer, RelayHost } from './host.js'
import { CHANNEL_STATE, FLAG } from './layout.js'
import { cutName, type LateSetup, type RelayOptions } from './options.js'
import type { RelayChannel } from './relay-channel.js'
import type { Slot } from './slot.js'

/** Version of the kernel's relay interface. */
export const RELAY_INTERFACE_VERSION = 7

/** A relay channel, seen from one thread, with its inside. */
export class ThreadChannel implements RelayChannel, BufferHost {
  readonly id: number
  readonly geometry: Geometry
  readonly allocSize: number
  readonly privateData: unknown
  readonly relay: RelayHost
  readonly #slot: Slot
  readonly #files: ChannelFiles
  /**
   * By CPU, the buffers that this thread has written to: a way to them that looks at nothing else
   * while they may be written.
   */
  readonly #written: (ThreadBuffer | undefined)[] = []
  /** By first page. */
  readonly #buffers = new Map<number, ThreadBuffer>()
  #callbacks: RelayCallbacks
  /** Whether this thread can write it: not before its module is loaded. */
  #loaded: boolean

  /** The channel has no buffers yet. */
  constructor(relay: RelayHost, slot: Slot, options: Partial<RelayOptions>) {
    this.relay = relay
    this.#slot = slot
    this.id = slot.id
    this.geometry = slot.geometry
    this.allocSize = bufferBytes(this.geometry) - dataOffset(this.geometry.subbufCount)
    this.#callbacks = options.callbacks ?? {}
    this.#files = new ChannelFiles(relay, slot, this.#callbacks, options.parent, (callback, error) =>
      this.threw(callback, error),
    )
    this.#loaded = slot.texts.module === ''
    this.privateData = options.privateData
  }

  get baseFilename(): string {
    return this.#slot.texts.baseFilename
  }
  get hasBaseFilename(): boolean {
    return this.#slot.has(FLAG.hasBaseFilename)
  }
  get isGlobal(): boolean {
    return this.#slot.has(FLAG.isGlobal)
  }
  get locksWrites(): boolean {
    return this.#slot.has(FLAG.locksWrites)
  }
  get lastTooBig(): number {
    return this.isCurrent ? this.#slot.lastTooBig : 0
  }
  get references(): number {
    if (!this.isCurrent) return 0
    const buffers = this.allBuffers().filter(({ references }) => references > 0).length
    return (this.keepsBuffers ? 1 : 0) + buffers
  }
  get isOpen(): boolean {
    return this.isCurrent && this.#slot.state === CHANNEL_STATE.open
  }
  get isOrphan(): boolean {
    return this.isOpen && this.relay.members.isDead(this.#slot.opener)
  }
  get callbacks(): RelayCallbacks {
    return this.#callbacks
  }

  async load(): Promise<void> {
    if (this.#loaded) return
    const { module } = this.#slot.texts
    const loaded = (await import(module)) as Pick<RelayCallbacks, 'subbufStart'>
    if (typeof loaded.subbufStart !== 'function') {
      throw new TypeError(`the module of a relay channel exports no function subbufStart: ${module}`)
    }
    const subbufStart: NonNullable<RelayCallbacks['subbufStart']> = (...asked) =>
      loaded.subbufStart?.(...asked) ?? false
    this.#callbacks = { ...this.#callbacks, subbufStart }
    this.#loaded = true
  }

  buffer(cpu: number): ThreadBuffer | undefined {
    const { possibleCpus } = this.relay.words
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= possibleCpus || !this.isCurrent) return undefined
    const page = this.#slot.pageOf(cpu)
    if (page === 0) return undefined
    const buffer = this.#findBuffer(page)
    return buffer !== undefined && buffer.references > 0 ? buffer : undefined
  }

  write(cpu: number, bytes: Uint8Array): boolean {
    const ready = this.#written[cpu]?.ready
    return ready === undefined ? this.#toWrite(cpu).write(bytes) : ready.write(bytes)
  }

  reserve(cpu: number, length: number): number | undefined {
    const buffer = this.#written[cpu]
    const ready = buffer?.ready
    return ready === undefined ? this.#toWrite(cpu).reserve(length) : buffer?.reserve(length, ready)
  }

  flush(): void {
    this.#mustBeOpen('flush')
    for (const buffer of this.allBuffers()) buffer.switch(0)
  }

  reset(): void {
    this.#mustBeOpen('reset')
    for (const buffer of this.allBuffers()) buffer.reset()
  }

  subbufsConsumed(cpu: number, count: number): void {
    this.buffer(cpu)?.subbufsConsumed(count)
  }

  close(): void {
    const lastTooBig = this.relay.locked(() => {
      this.#mustBeOpen('close')
      const { lastTooBig: length } = this
      this.#end((buffer) => this.#files.remove(buffer))
      return length
    })
    if (lastTooBig > 0) {
      this.relay.machine.log(
        'warning',
        `relay: one or more items not logged [item size (${lastTooBig}) > ` +
          `sub-buffer size (${this.geometry.subbufSize})]`,
      )
    }
  }

  lateSetupFiles(baseFilename: string | undefined, parent?: unknown): LateSetup {
    return this.relay.locked(() => {
      this.#mustBeOpen('lateSetupFiles')
      if (baseFilename === undefined) return 'invalid'
      const parentText = typeof parent === 'string' ? parent : ''
      this.#slot.texts = { ...this.#slot.texts, baseFilename: cutName(baseFilename), parent: parentText }
      if (this.hasBaseFilename) return 'exists'
      this.#slot.setFlag(FLAG.hasBaseFilename)
      this.#files.parent = parent ?? this.#files.parent
      const cpus = this.isGlobal ? [0] : this.relay.onlineCpus()
      for (const cpu of cpus) {
        const page = this.#slot.pageOf(cpu)
        if (page === 0) {
          this.relay.machine.log('fault', `relay: cpu ${cpu} has no buffer`)
          return 'invalid'
        }
        const buffer = this.#bufferAt(page)
        if (!this.#files.create(buffer, cpu, this.baseFilename)) return 'invalid'
        buffer.setFile()
      }
      return 'done'
    })
  }

  /**
   * Makes the buffer of a CPU, if it has none. The relay calls it when a channel is opened or a CPU
   * prepared. Locked.
   *
   * @returns whether the CPU has a buffer now.
   * @throws what `createBufFile` throws, with nothing left behind.
   */
  openBuffer(cpu: number): boolean {
    if (this.#slot.pageOf(cpu) !== 0) return true
    const shared = this.isGlobal ? this.#slot.pageOf(0) : 0
    if (shared !== 0) {
      this.#slot.setPage(cpu, shared)
      return true
    }
    const { machine, pages } = this.relay
    if (machine.isShortFor?.('buffer', this.geometry) === true) return false
    const page = pages.findPages(this.#slot.bufferPages)
    if (page === undefined) {
      machine.log('error', `relay: no memory for a buffer of ${this.#slot.bufferPages} pages`)
      return false
    }
    // From here on it is known what to zero if this thread dies.
    this.#slot.pendingPage = page
    const buffer = new ThreadBuffer(this, page, cpu)
    this.#buffers.set(page, buffer)
    let complete = false
    try {
      complete = this.#giveFile(buffer, cpu)
    } finally {
      if (!complete) {
        this.#buffers.delete(page)
        this.#slot.clearPending()
      }
    }
    if (!complete) return false
    buffer.begin()
    if (this.isGlobal) {
      buffer.becomeGlobal()
      this.#slot.setPage(0, page)
    }
    this.#slot.setPage(cpu, page)
    this.#slot.pendingPage = 0
    // Consumers of the channel drain the new buffer, too.
    this.relay.bells.ringAll()
    return true
  }

  /** Every buffer that is needed is there: the channel is open from here on. Locked. */
  becomeOpen(): void {
    this.#slot.state = CHANNEL_STATE.open
  }

  /** Undoes an open that failed half-way. Locked. */
  abandon(): void {
    this.#end((buffer) => this.#files.remove(buffer))
  }

  /** Ends what a thread that died was opening or closing; its files stay. Locked. */
  end(): void {
    this.#end(() => undefined)
  }

  /** Gives up the buffers that this thread writes. */
  disown(): void {
    for (const buffer of this.#buffers.values()) buffer.disown()
  }

  /**
   * Whether this thread is in the middle of a callback of the channel's, or of one of the buffers.
   */
  get isBusy(): boolean {
    return this.#files.isTelling || [...this.#buffers.values()].some((buffer) => buffer.isBusy)
  }

  /** Whether this thread is in the middle of a switch that calls its waiters. */
  get isWaking(): boolean {
    return [...this.#buffers.values()].some((buffer) => buffer.isWaking)
  }

  /** The thread leaves the relay: lets go of all buffers. */
  leave(): void {
    for (const buffer of this.#buffers.values()) buffer.leave()
  }

  /**
   * Releases this thread's buffers once the channel is closed and its files are removed.
   *
   * @returns whether it did, and the thread has no file of a buffer open.
   */
  retire(): boolean {
    if (this.keepsBuffers || this.#files.isAnyThere) return false
    this.disown()
    // Files that are still read are to be released when this thread leaves the relay.
    return ![...this.#buffers.values()].some((buffer) => buffer.isHeld)
  }

  /**
   * File thread: makes a file that another thread has asked for.
   *
   * @returns whether there is one.
   * @throws as the callback.
   */
  createFileHere(page: number, name: string): boolean {
    const buffer = new ThreadBuffer(this, page)
    this.#buffers.set(page, buffer)
    const { parent } = this.#slot.texts
    return this.#files.createHere(buffer, name, parent === '' ? undefined : parent)
  }

  /** File thread: removes the file of a buffer. */
  removeFileHere(page: number): void {
    this.#files.removeHere(page)
  }

  /** File thread: tells the client that another thread mapped or unmapped a buffer. */
  tellOfMappingHere(page: number, isMapped: boolean): void {
    this.#files.tellOfMappingHere(this.#bufferAt(page), isMapped, undefined)
  }

  /** File thread: removes the files that a thread which died has left without a buffer. */
  removeOrphanFilesHere(): void {
    const { state } = this.#slot
    const isListed = this.isCurrent && (state === CHANNEL_STATE.opening || state === CHANNEL_STATE.open)
    const pages = isListed ? this.#slot.firstPages() : []
    for (const page of this.#files.pages) {
      if (pages.includes(page) && this.#bufferAt(page).fileBytes !== undefined) continue
      this.#files.removeHere(page)
    }
    this.#forgetIfOver()
  }

  get isCurrent(): boolean {
    return this.#slot.state !== CHANNEL_STATE.free && this.#slot.id === this.id
  }

  get keepsBuffers(): boolean {
    return this.isCurrent && this.#slot.state !== CHANNEL_STATE.closed
  }

  get whyNotWritable(): string {
    if (!this.#loaded)
      return 'the module of the channel is not loaded in this thread: await channel.load() first'
    if (!this.#slot.has(FLAG.startsByFunction) || this.#isOpener) return ''
    return 'the channel has a subbufStart of the thread that opened it: give it a module to write from other threads'
  }

  hold(): boolean {
    return this.relay.members.hold(this.#slot, this.id)
  }

  letGo(): void {
    this.relay.members.letGo(this.#slot)
    this.#forgetIfOver()
  }

  fileOf(buffer: PlacedBuffer): unknown {
    return this.#files.at(buffer.page)
  }

  tellOfMapping(buffer: PlacedBuffer, isMapped: boolean, file: unknown): void {
    this.#files.tellOfMapping(buffer, isMapped, file)
  }

  tooBig(length: number): void {
    this.#slot.lastTooBig = length
  }

  threw(callback: string, error: unknown): void {
    this.relay.machine.log('error', `relay: ${callback} threw: ${String(error)}`)
  }

  get #isOpener(): boolean {
    return this.#slot.opener === this.relay.members.me
  }

  /** The buffer at a page that was seen in the slot; undefined when the channel was freed since. */
  #findBuffer(page: number): ThreadBuffer | undefined {
    if (!this.hold()) return undefined
    try {
      return this.#bufferAt(page)
    } finally {
      this.relay.members.letGo(this.#slot)
    }
  }

  /** The buffer that stands at a page, which has one. Locked, or with a hold. */
  #bufferAt(page: number): ThreadBuffer {
    let buffer = this.#buffers.get(page)
    if (buffer === undefined) {
      buffer = new ThreadBuffer(this, page)
      this.#buffers.set(page, buffer)
    }
    return buffer
  }

  /** Each buffer once, by CPU. */
  allBuffers(): ThreadBuffer[] {
    return this.#slot.firstPages().flatMap((page) => this.#findBuffer(page) ?? [])
  }

  /**
   * Gives a new buffer its file, or asks whether it is global. @returns whether the buffer can be.
   */
  #giveFile(buffer: ThreadBuffer, cpu: number): boolean {
    if (!this.hasBaseFilename) return !this.#isOpener || this.#files.askWhetherGlobal(buffer)
    if (!this.#files.create(buffer, cpu, this.baseFilename)) return false
    buffer.setFile()
    return true
  }

  /** The channel is over from the first store on; what follows can be done again. Locked. */
  #end(removeFile: (buffer: ThreadBuffer) => void): void {
    this.#slot.state = CHANNEL_STATE.closed
    for (const buffer of this.allBuffers()) {
      buffer.finalize()
      removeFile(buffer)
      if (buffer.references === 0) buffer.disown()
    }
    this.relay.bells.ringAll()
    this.#forgetIfOver()
  }

  /** A closed channel is forgotten when nobody has it, and no file of it is left to be removed. */
  #forgetIfOver(): void {
    if (this.keepsBuffers || this.references > 0) return
    if (!this.#files.isAnyThere) this.relay.forget(this.id)
  }

  /** The buffer of a CPU, to be written; found at once next time. */
  #toWrite(cpu: number): ThreadBuffer {
    const buffer = this.isOpen ? this.buffer(cpu) : undefined
    if (buffer === undefined)
      throw new RangeError(`cpu=${cpu} has no buffer in this channel${this.isOpen ? '' : ': it was closed'}`)
    this.#written[cpu] = buffer
    return buffer
  }

  #mustBeOpen(operation: string): void {
    if (!this.isOpen) throw new Error(`${operation} on a relay channel that was closed`)
  }
}
