/**
 * A relay channel as the kernel has it: geometry, callbacks, and a buffer for each CPU that came online.
 *
 * What it is stands in its slot of the relay's memory (layout.ts), so that each thread has a `RelayChannel` of its
 * own over it. What can't be shared stays with the thread that has it: functions, and the files that they made, which
 * are the coordinator's. References keep the memory: its opener's until it is closed, and one of each buffer, so a
 * channel that was closed under a reader lives until the reader lets go.
 */
import { bufferBytes, dataOffset, type Geometry } from '@rchan/ring'
import { RelayBuffer } from './buffer.js'
import type { BufferOwner, RelayCallbacks } from './callbacks.js'
import { WANT } from './upcall.js'
import { FLAG, STATE } from './layout.js'
import { cutName, type LateSetup, type RelayHost, type RelayOptions } from './options.js'
import type { Slot } from './slot.js'

const VERSION = 7
const FILE_MODE = 0o400

/** A relay channel; {@link Relay.open} makes it. */
export class RelayChannel {
  /** Version of the relay interface. */
  readonly version = VERSION
  /** Its number in its relay: `relay.channel(id)` finds it in any thread. */
  readonly id: number
  readonly geometry: Geometry
  /** Bytes of a buffer's pages. */
  readonly allocSize: number
  readonly privateData: unknown
  readonly #host: RelayHost
  readonly #slot: Slot
  readonly #owner: BufferOwner
  readonly #parent: unknown
  /** By CPU, what this thread has written to: a way to it that looks at nothing else while it may be written. */
  readonly #written: (RelayBuffer | undefined)[] = []
  /** By first page. */
  readonly #buffers = new Map<number, RelayBuffer>()
  /** Coordinator: by first page, what `createBufFile` returned. */
  readonly #files = new Map<number, { readonly file: unknown; isThere: boolean }>()
  #callbacks: RelayCallbacks
  /** Whether it can be written from this thread: not before its module is loaded. */
  #loaded: boolean
  #lateParent: unknown
  /** Whether the client is being told of a mapping of this thread's. */
  #isTelling = false

  /** Use {@link Relay.open}. The channel has no buffers yet. @internal */
  constructor(host: RelayHost, slot: Slot, options: Partial<RelayOptions>) {
    this.#host = host
    this.#slot = slot
    this.id = slot.id
    this.geometry = slot.geometry
    this.allocSize = bufferBytes(this.geometry) - dataOffset(this.geometry.subbufCount)
    this.#callbacks = options.callbacks ?? {}
    this.#loaded = slot.texts.module === ''
    this.#parent = options.parent
    this.privateData = options.privateData
    this.#owner = {
      geometry: this.geometry,
      callbacks: () => this.#callbacks,
      me: () => host.shared.me,
      isDead: (member) => host.shared.isDead(member),
      patienceMs: host.shared.patienceMs,
      lookAgain: (look, hasWaited) => host.shared.lookAgain(look, hasWaited),
      now: () => host.now(),
      isCurrent: () => this.#isCurrent,
      isOpen: () => this.#isCurrent && slot.state !== STATE.closed,
      whyNotWritable: () => this.#whyNotWritable(),
      hold: () => slot.hold(this.id),
      letGo: () => this.#letGo(),
      fileOf: (buffer) => this.#files.get(buffer.page)?.file,
      tellOfMapping: (buffer, isMapped, file) => this.#tellOfMapping(buffer, isMapped, file),
      tooBig: (length) => {
        slot.lastTooBig = length
      },
      threw: (callback, error) => host.machine.log('error', `relay: ${callback} threw: ${String(error)}`),
    }
  }

  /** The base of the files' names, at most 254 bytes; '' if none. */
  get baseFilename(): string {
    return this.#slot.texts.baseFilename
  }
  /** Whether files have been or are to be made. */
  get hasBaseFilename(): boolean {
    return this.#slot.has(FLAG.hasBaseFilename)
  }
  /** Whether all CPUs share one buffer. */
  get isGlobal(): boolean {
    return this.#slot.has(FLAG.isGlobal)
  }
  /** Length of the last record that could never fit, in bytes, whoever wrote it; 0 if there was none. */
  get lastTooBig(): number {
    return this.#isCurrent ? this.#slot.lastTooBig : 0
  }
  /** How many keep the channel: its opener until it is closed, and each of its buffers that is kept; 0 when it is gone. */
  get references(): number {
    if (!this.#isCurrent) return 0
    const buffers = this.#allBuffers().filter(({ references }) => references > 0).length
    return (this.#slot.state === STATE.closed ? 0 : 1) + buffers
  }
  /** Whether it was not closed yet. */
  get isOpen(): boolean {
    return this.#isCurrent && this.#slot.state === STATE.open
  }
  /**
   * Whether the thread that opened it has ended without closing it. It stays open; whoever finds
   * it may close it.
   *
   * @internal
   */
  get isOrphan(): boolean {
    return this.isOpen && this.#host.shared.isDead(this.#slot.opener)
  }
  /** The client's functions in this thread: those it was opened with here, and those of its module. */
  get callbacks(): RelayCallbacks {
    return this.#callbacks
  }

  /**
   * Loads the channel's module, if it has one and it was not loaded in this thread yet. Every thread that is to write a
   * channel with a module calls it once before.
   *
   * @throws TypeError when the module exports no function `subbufStart`; or what importing it throws.
   */
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

  /** The buffer of a CPU; undefined if it has none (it never was online, or there is no such CPU). */
  buffer(cpu: number): RelayBuffer | undefined {
    const { possibleCpus } = this.#host.shared
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= possibleCpus || !this.#isCurrent) return undefined
    const page = this.#slot.pageOf(cpu)
    if (page === 0) return undefined
    const buffer = this.#findBuffer(page)
    return buffer !== undefined && buffer.references > 0 ? buffer : undefined
  }

  /**
   * Writes one record to the buffer of a CPU. One thread at a time: the first that writes, until it goes offline or dies.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   * @throws RangeError when the CPU has no buffer, which is so for all of them after close; Error when it is written by
   * another thread, or can't be written by this one (see {@link load}).
   */
  write(cpu: number, bytes: Uint8Array): boolean {
    const buffer = this.#written[cpu]
    if (buffer !== undefined && buffer.isReady) return buffer.write(bytes)
    return this.#toWrite(cpu).write(bytes)
  }

  /**
   * Reserves room for a record of `length` bytes in the buffer of a CPU; see {@link RelayBuffer.reserve}.
   *
   * @throws as {@link write}.
   */
  reserve(cpu: number, length: number): number | undefined {
    const buffer = this.#written[cpu]
    if (buffer !== undefined && buffer.isReady) return buffer.reserve(length)
    return this.#toWrite(cpu).reserve(length)
  }

  /**
   * Ends the current sub-buffer of every buffer, even an empty one, and starts the next. Any thread: a buffer that
   * another living thread writes is asked for it, see {@link RelayBuffer.switch}. @throws after close.
   */
  flush(): void {
    this.#mustBeOpen('flush')
    for (const buffer of this.#allBuffers()) buffer.switch(0)
  }

  /** Puts every buffer back to its first state; see {@link RelayBuffer.reset}. Any thread. @throws after close. */
  reset(): void {
    this.#mustBeOpen('reset')
    for (const buffer of this.#allBuffers()) buffer.reset()
  }

  /**
   * Declares sub-buffers of a CPU consumed; see {@link RelayBuffer.subbufsConsumed}. A CPU without a buffer is ignored.
   */
  subbufsConsumed(cpu: number, count: number): void {
    this.buffer(cpu)?.subbufsConsumed(count)
  }

  /**
   * Finalizes every buffer, removes the files, warns if a record was too big, and lets go. Readers that have a file
   * open go on reading. Neither flushes nor wakes sleepers, and waits for no writer: their next record is refused. Any
   * thread.
   *
   * @throws after close.
   */
  close(): void {
    const lastTooBig = this.#host.locked(() => {
      this.#mustBeOpen('close')
      const { lastTooBig: length } = this
      this.#end((buffer) => this.#removeFile(buffer))
      return length
    })
    if (lastTooBig > 0) {
      this.#host.machine.log(
        'warning',
        `relay: one or more items not logged [item size (${lastTooBig}) > ` +
          `sub-buffer size (${this.geometry.subbufSize})]`,
      )
    }
  }

  /**
   * Gives a channel that was opened without files its files: one for the buffer of each CPU online, whose size starts
   * at its early bytes, or for the global buffer. Any thread; it never waits for a writer.
   *
   * @returns 'exists' when it has files, or an earlier try failed (the base name is replaced all the same); 'invalid'
   * without a name, or when a file can't be made: those made before stay, and there is no second try.
   * @throws after close; or what `createBufFile` throws, which leaves what 'invalid' does.
   */
  lateSetupFiles(baseFilename: string | undefined, parent?: unknown): LateSetup {
    return this.#host.locked(() => {
      this.#mustBeOpen('lateSetupFiles')
      if (baseFilename === undefined) return 'invalid'
      const parentText = typeof parent === 'string' ? parent : ''
      this.#slot.texts = { ...this.#slot.texts, baseFilename: cutName(baseFilename), parent: parentText }
      if (this.hasBaseFilename) return 'exists'
      this.#slot.setFlag(FLAG.hasBaseFilename)
      this.#lateParent = parent
      const cpus = this.isGlobal ? [0] : this.#host.onlineCpus()
      for (const cpu of cpus) {
        const page = this.#slot.pageOf(cpu)
        if (page === 0) {
          this.#host.machine.log('fault', `relay: cpu ${cpu} has no buffer`)
          return 'invalid'
        }
        const buffer = this.#bufferAt(page)
        if (!this.#createFile(buffer, cpu, page)) return 'invalid'
        buffer.setFile()
      }
      return 'done'
    })
  }

  /**
   * Makes the buffer of a CPU, if it has none. {@link Relay} calls it when a channel is opened or a CPU prepared. Locked.
   *
   * @returns whether the CPU has a buffer now.
   * @throws what `createBufFile` throws, with nothing left behind.
   * @internal
   */
  openBuffer(cpu: number): boolean {
    if (this.#slot.pageOf(cpu) !== 0) return true
    const shared = this.isGlobal ? this.#slot.pageOf(0) : 0
    if (shared !== 0) {
      this.#slot.setPage(cpu, shared)
      return true
    }
    if (this.#host.machine.isShortFor?.('buffer', this.geometry) === true) return false
    const page = this.#host.shared.findPages(this.#slot.bufferPages)
    if (page === undefined) {
      this.#host.machine.log('error', `relay: no memory for a buffer of ${this.#slot.bufferPages} pages`)
      return false
    }
    // From here on it is known what to zero if this thread dies.
    this.#slot.pendingPage = page
    const buffer = new RelayBuffer(this.#owner, this.#host.shared.memory, page, cpu)
    this.#buffers.set(page, buffer)
    let complete = false
    try {
      complete = this.#giveFile(buffer, cpu, page)
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
    return true
  }

  /** Undoes an open that failed half-way. Locked. @internal */
  abandon(): void {
    this.#end((buffer) => this.#removeFile(buffer))
  }

  /** Ends what a thread that died was opening or closing, but for the files. Locked. @internal */
  end(): void {
    this.#end(() => undefined)
  }

  /** Gives up the buffers that this thread writes. @internal */
  disown(): void {
    for (const buffer of this.#buffers.values()) buffer.disown()
  }

  /**
   * Whether this thread is in the middle of a callback of the channel's, or of one of the buffers.
   *
   * @internal
   */
  get isBusy(): boolean {
    return this.#isTelling || [...this.#buffers.values()].some((buffer) => buffer.isBusy)
  }

  /** Whether this thread is in the middle of a switch that calls who waits for it. @internal */
  get isWaking(): boolean {
    return [...this.#buffers.values()].some((buffer) => buffer.isWaking)
  }

  /** The thread leaves the relay: lets go of all buffers. @internal */
  leave(): void {
    for (const buffer of this.#buffers.values()) buffer.leave()
  }

  /**
   * Closed, and nothing in this thread is left to be done with it: gives up what it wrote.
   * @returns whether it is so.
   *
   * @internal
   */
  retire(): boolean {
    if (this.#isCurrent && this.#slot.state !== STATE.closed) return false
    for (const { isThere } of this.#files.values()) if (isThere) return false
    this.disown()
    // Its files are still read, and are to be released when this thread leaves the relay.
    return ![...this.#buffers.values()].some((buffer) => buffer.isHeld)
  }

  /**
   * Coordinator: has a file made that another thread asked for. @returns whether there is one.
   * @throws as the callback.
   *
   * @internal
   */
  createFileHere(page: number, name: string): boolean {
    const buffer = new RelayBuffer(this.#owner, this.#host.shared.memory, page)
    this.#buffers.set(page, buffer)
    const { parent } = this.#slot.texts
    return this.#makeFile(buffer, page, name, parent === '' ? undefined : parent)
  }

  /** Coordinator: has the file of a buffer removed. @internal */
  removeFileHere(page: number): void {
    const made = this.#files.get(page)
    if (made?.isThere === false) return
    if (made !== undefined) made.isThere = false
    try {
      this.#fileCallbacks.removeBufFile?.(made?.file)
    } catch (error) {
      this.#owner.threw('removeBufFile', error)
    }
  }

  /** Coordinator: tells that a buffer was mapped or unmapped by another thread. @internal */
  tellOfMappingHere(page: number, isMapped: boolean): void {
    this.#tell(this.#bufferAt(page), isMapped, undefined)
  }

  /**
   * Coordinator: removes the files that a thread which died has left without a buffer.
   *
   * @internal
   */
  removeStrayFilesHere(): void {
    const { state } = this.#slot
    const isListed = this.#isCurrent && (state === STATE.opening || state === STATE.open)
    const pages = isListed ? this.#slot.firstPages() : []
    for (const [page, { isThere }] of this.#files) {
      if (!isThere) continue
      if (pages.includes(page) && this.#bufferAt(page).fileBytes !== undefined) continue
      this.removeFileHere(page)
    }
    this.#forgetIfOver()
  }

  get #isCoordinator(): boolean {
    return this.#host.shared.coordinator === this.#host.shared.me
  }

  /** Whether the slot is still this channel's. */
  get #isCurrent(): boolean {
    return this.#slot.state !== STATE.free && this.#slot.id === this.id
  }

  /** Those that this thread has for this channel, or else those of the relay. */
  get #fileCallbacks(): RelayCallbacks {
    return this.#slot.opener === this.#host.shared.me ? this.#callbacks : this.#host.fileCallbacks
  }

  readonly #declareGlobal = (): void => this.#slot.setFlag(FLAG.isGlobal)

  /** The buffer at a page that was seen in the slot; undefined when the channel was freed since. */
  #findBuffer(page: number): RelayBuffer | undefined {
    if (!this.#slot.hold(this.id)) return undefined
    try {
      return this.#bufferAt(page)
    } finally {
      this.#slot.letGo()
    }
  }

  /** The buffer that stands at a page, which has one. Locked, or with a hold. */
  #bufferAt(page: number): RelayBuffer {
    let buffer = this.#buffers.get(page)
    if (buffer === undefined) {
      buffer = new RelayBuffer(this.#owner, this.#host.shared.memory, page)
      this.#buffers.set(page, buffer)
    }
    return buffer
  }

  /** Each buffer once, by CPU. */
  #allBuffers(): RelayBuffer[] {
    return this.#slot.firstPages().flatMap((page) => this.#findBuffer(page) ?? [])
  }

  /** Gives a new buffer its file, or asks whether it is global. @returns whether the buffer can be. */
  #giveFile(buffer: RelayBuffer, cpu: number, page: number): boolean {
    if (this.hasBaseFilename) {
      if (!this.#createFile(buffer, cpu, page)) return false
      buffer.setFile()
      return true
    }
    if (this.#slot.opener !== this.#host.shared.me) return true
    const stray = this.#callbacks.createBufFile?.(
      undefined,
      undefined,
      FILE_MODE,
      buffer,
      this.#declareGlobal,
    )
    if (stray === undefined) return true
    this.#host.machine.log('fault', 'relay: createBufFile returned a file without a name')
    this.#files.set(page, { file: stray, isThere: true })
    this.removeFileHere(page)
    return false
  }

  /** Has the file of a buffer made, by the coordinator. @throws what the callback throws. */
  #createFile(buffer: RelayBuffer, cpu: number, page: number): boolean {
    if (this.#host.machine.isShortFor?.('name', this.geometry) === true) return false
    const name = cutName(`${this.baseFilename}${cpu}`)
    if (this.#isCoordinator) return this.#makeFile(buffer, page, name, this.#lateParent ?? this.#parent)
    const request = { want: WANT.createFile, slot: this.#slot.index, cpu, page, text: name }
    const { done, error } = this.#host.ask(request)
    if (error !== '') throw new Error(error)
    return done
  }

  #makeFile(buffer: RelayBuffer, page: number, name: string, parent: unknown): boolean {
    const file = this.#fileCallbacks.createBufFile?.(name, parent, FILE_MODE, buffer, this.#declareGlobal)
    if (file !== undefined) this.#files.set(page, { file, isThere: true })
    return file !== undefined
  }

  #removeFile(buffer: RelayBuffer): void {
    if (this.#isCoordinator) return this.removeFileHere(buffer.page)
    if (buffer.fileBytes === undefined) return
    try {
      this.#host.ask({ want: WANT.removeFile, slot: this.#slot.index, cpu: 0, page: buffer.page, text: '' })
    } catch (error) {
      this.#owner.threw('removeBufFile', error)
    }
  }

  #tell(buffer: RelayBuffer, isMapped: boolean, file: unknown): void {
    const wasTelling = this.#isTelling
    this.#isTelling = true
    try {
      if (isMapped) this.#fileCallbacks.bufMapped?.(buffer, file)
      else this.#fileCallbacks.bufUnmapped?.(buffer, file)
    } finally {
      this.#isTelling = wasTelling
    }
  }

  #tellOfMapping(buffer: RelayBuffer, isMapped: boolean, file: unknown): void {
    if (this.#isCoordinator) return this.#tell(buffer, isMapped, file)
    if (!this.#slot.has(FLAG.tellsOfMappings)) return
    const want = isMapped ? WANT.mapped : WANT.unmapped
    const { error } = this.#host.locked(() =>
      this.#host.ask({ want, slot: this.#slot.index, cpu: 0, page: buffer.page, text: '' }),
    )
    if (error !== '') throw new Error(error)
  }

  /** The channel is over from the first store on; what follows can be done again. Locked. */
  #end(removeFile: (buffer: RelayBuffer) => void): void {
    this.#slot.state = STATE.closed
    for (const buffer of this.#allBuffers()) {
      buffer.finalize()
      removeFile(buffer)
      if (buffer.references === 0) buffer.disown()
    }
    this.#forgetIfOver()
  }

  /** A thread let go of a buffer. */
  #letGo(): void {
    this.#slot.letGo()
    this.#forgetIfOver()
  }

  /** Nothing of a closed channel is needed any more, when nobody has it, and no file of it is left to be removed. */
  #forgetIfOver(): void {
    if ((this.#isCurrent && this.#slot.state !== STATE.closed) || this.references > 0) return
    if (![...this.#files.values()].some(({ isThere }) => isThere)) this.#host.forget(this.id)
  }

  /** Why the calling thread can't write; '' if it can. */
  #whyNotWritable(): string {
    if (!this.#loaded)
      return 'the module of the channel is not loaded in this thread: await channel.load() first'
    if (!this.#slot.has(FLAG.startsByFunction) || this.#slot.opener === this.#host.shared.me) return ''
    return 'the channel has a subbufStart of the thread that opened it: give it a module to write from other threads'
  }

  /** The buffer of a CPU, to be written; found at once next time. */
  #toWrite(cpu: number): RelayBuffer {
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
