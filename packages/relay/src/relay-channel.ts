/**
 * A relay channel as the kernel has it: geometry, callbacks, and a buffer for each CPU that came online.
 *
 * Runs on the thread that opened it. References keep it: its opener's until it is closed, and one of each buffer, so a
 * channel that was closed under a reader lives until the reader lets go.
 */
import { bufferBytes, dataOffset, type Geometry, type Mode } from './buffer.js'
import type { Machine } from './relay.js'
import { RelayBuffer, type BufferOwner, type RelayCallbacks } from './relay-buffer.js'

/** What a relay channel is opened with. */
export interface RelayOptions {
  /** Files are named by this and the CPU. Without it the channel only buffers, until `lateSetupFiles`. */
  readonly baseFilename?: string | undefined
  /** Passed on to `createBufFile`. */
  readonly parent?: unknown
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers in a buffer. */
  readonly subbufCount: number
  /** What is lost when a buffer is full, if there is no `subbufStart`. Default: 'discard', the newest record. */
  readonly mode?: Mode
  /** Bytes reserved at the start of each sub-buffer, if there is no `subbufStart`. Default: 0. */
  readonly headerBytes?: number
  readonly callbacks?: RelayCallbacks
  /** The client's. */
  readonly privateData?: unknown
}

/** Outcomes of {@link RelayChannel.lateSetupFiles}. */
export type LateSetup = 'done' | 'exists' | 'invalid'

const VERSION = 7
const FILE_MODE = 0o400

/** A relay channel; {@link Relay.open} makes it. */
export class RelayChannel {
  /** Version of the relay interface. */
  readonly version = VERSION
  readonly geometry: Geometry
  /** Bytes of a buffer's pages. */
  readonly allocSize: number
  readonly callbacks: RelayCallbacks
  readonly privateData: unknown
  readonly #machine: Machine
  readonly #slots: (RelayBuffer | undefined)[] = []
  readonly #owner: BufferOwner
  readonly #closed: (channel: RelayChannel) => void
  #baseFilename = ''
  #hasBaseFilename = false
  #parent: unknown
  #isGlobal = false
  #lastTooBig = 0
  #references = 1
  #open = true

  /** Use {@link Relay.open}. The channel has no buffers yet. */
  constructor(
    machine: Machine,
    options: RelayOptions,
    geometry: Geometry,
    closed: (channel: RelayChannel) => void,
  ) {
    this.geometry = geometry
    this.allocSize = bufferBytes(geometry) - dataOffset(geometry.subbufCount)
    this.callbacks = options.callbacks ?? {}
    this.privateData = options.privateData
    this.#machine = machine
    this.#parent = options.parent
    this.#closed = closed
    if (options.baseFilename !== undefined) {
      this.#baseFilename = cutName(options.baseFilename)
      this.#hasBaseFilename = true
    }
    this.#owner = {
      geometry,
      callbacks: this.callbacks,
      tooBig: (length) => {
        this.#lastTooBig = length
      },
      threw: (callback, error) => machine.log('error', `relay: ${callback} threw: ${String(error)}`),
      freed: (buffer) => this.#freed(buffer),
    }
  }

  /** The base of the files' names, at most 254 bytes; '' if none. */
  get baseFilename(): string {
    return this.#baseFilename
  }
  /** Whether files have been or are to be made. */
  get hasBaseFilename(): boolean {
    return this.#hasBaseFilename
  }
  /** Whether all CPUs share one buffer. */
  get isGlobal(): boolean {
    return this.#isGlobal
  }
  /** Length of the last record that could never fit, in bytes; 0 if there was none. */
  get lastTooBig(): number {
    return this.#lastTooBig
  }
  /** Who keeps the channel: its opener until closed, and its buffers. */
  get references(): number {
    return this.#references
  }
  /** Whether it was not closed yet. */
  get isOpen(): boolean {
    return this.#open
  }

  /** The buffer of a CPU; undefined if it has none (it never was online, or there is no such CPU). */
  buffer(cpu: number): RelayBuffer | undefined {
    return this.#slots[cpu]
  }

  /**
   * Writes one record to the buffer of a CPU. Only the thread that is this CPU.
   *
   * @returns whether it was written; if not, it is counted as discarded.
   * @throws RangeError when the CPU has no buffer, which is so for all of them after close.
   */
  write(cpu: number, bytes: Uint8Array): boolean {
    return this.#bufferOf(cpu).write(bytes)
  }

  /** Reserves room for a record of `length` bytes; see {@link RelayBuffer.reserve}. */
  reserve(cpu: number, length: number): number | undefined {
    return this.#bufferOf(cpu).reserve(length)
  }

  /** Ends the current sub-buffer of every buffer, even an empty one, and starts the next. @throws after close. */
  flush(): void {
    this.#mustBeOpen('flush')
    for (const buffer of this.#buffers()) buffer.switch(0)
  }

  /** Puts every buffer back to its first state; see {@link RelayBuffer.reset}. @throws after close. */
  reset(): void {
    this.#mustBeOpen('reset')
    for (const buffer of this.#buffers()) buffer.reset()
  }

  /** Declares sub-buffers of a CPU consumed. A CPU without a buffer is ignored, as is more than a buffer holds. */
  subbufsConsumed(cpu: number, count: number): void {
    this.#slots[cpu]?.subbufsConsumed(count)
  }

  /**
   * Finalizes every buffer, removes the files, warns if a record was too big, and lets go. Readers that have a file
   * open go on reading. Neither flushes nor wakes sleepers.
   *
   * @throws after close.
   */
  close(): void {
    this.#mustBeOpen('close')
    this.#open = false
    this.#closeBuffers()
    if (this.#lastTooBig > 0) {
      this.#machine.log(
        'warning',
        `relay: one or more items not logged [item size (${this.#lastTooBig}) > ` +
          `sub-buffer size (${this.geometry.subbufSize})]`,
      )
    }
    this.#closed(this)
    this.#references -= 1
  }

  /**
   * Gives a channel that was opened without files its files: one for the buffer of each CPU online, whose size starts
   * at its early bytes, or for the global buffer.
   *
   * @returns 'exists' when it has files, or an earlier try failed (the base name is replaced all the same); 'invalid'
   * without a name, or when a file can't be made: those made before stay, and there is no second try.
   * @throws after close; or what `createBufFile` throws, which leaves what 'invalid' does.
   */
  lateSetupFiles(baseFilename: string | undefined, parent?: unknown): LateSetup {
    this.#mustBeOpen('lateSetupFiles')
    if (baseFilename === undefined) return 'invalid'
    this.#baseFilename = cutName(baseFilename)
    if (this.#hasBaseFilename) return 'exists'
    this.#hasBaseFilename = true
    this.#parent = parent
    const cpus = this.#isGlobal ? [0] : this.#machine.onlineCpus()
    for (const cpu of cpus) {
      const buffer = this.#slots[cpu]
      if (buffer === undefined) {
        this.#machine.log('fault', `relay: cpu ${cpu} has no buffer`)
        return 'invalid'
      }
      const file = this.#createFile(buffer, cpu)
      if (file === undefined) return 'invalid'
      buffer.setFile(file)
    }
    return 'done'
  }

  /**
   * Makes the buffer of a CPU, if it has none. {@link Relay} calls it when a channel is opened or a CPU prepared.
   *
   * @returns whether the CPU has a buffer now.
   * @throws what `createBufFile` throws, with nothing left behind.
   */
  openBuffer(cpu: number): boolean {
    if (this.#slots[cpu] !== undefined) return true
    const shared = this.#isGlobal ? this.#slots[0] : undefined
    if (shared !== undefined) {
      this.#slots[cpu] = shared
      return true
    }
    const memory = this.#machine.allocate(bufferBytes(this.geometry), this.geometry)
    if (memory === undefined) return false
    const buffer = new RelayBuffer(this.#owner, cpu, memory)
    let file: unknown
    if (this.#hasBaseFilename) {
      file = this.#createFile(buffer, cpu)
      if (file === undefined) return false
      buffer.setFile(file)
    } else {
      file = this.callbacks.createBufFile?.(undefined, undefined, FILE_MODE, buffer, this.#declareGlobal)
      if (file !== undefined) {
        this.#machine.log('fault', 'relay: createBufFile returned a file without a name')
        this.#removeFile(file)
        return false
      }
    }
    buffer.begin()
    this.#references += 1
    this.#slots[cpu] = buffer
    if (this.#isGlobal) {
      buffer.becomeGlobal()
      this.#slots[0] = buffer
    }
    return true
  }

  /** Undoes an open that failed half-way. */
  abandon(): void {
    this.#open = false
    this.#closeBuffers()
    this.#references -= 1
  }

  readonly #declareGlobal = (): void => {
    this.#isGlobal = true
  }

  #createFile(buffer: RelayBuffer, cpu: number): unknown {
    if (this.#machine.isShortFor?.('name') === true) return undefined
    const name = cutName(`${this.#baseFilename}${cpu}`)
    return this.callbacks.createBufFile?.(name, this.#parent, FILE_MODE, buffer, this.#declareGlobal)
  }

  #removeFile(file: unknown): void {
    try {
      this.callbacks.removeBufFile?.(file)
    } catch (error) {
      this.#owner.threw('removeBufFile', error)
    }
  }

  #closeBuffers(): void {
    for (const buffer of this.#buffers()) {
      buffer.finalize()
      this.#removeFile(buffer.file)
      buffer.letGo()
    }
  }

  /** Each buffer once, by CPU. */
  #buffers(): RelayBuffer[] {
    return [...new Set(this.#slots.filter((buffer) => buffer !== undefined))]
  }

  #freed(buffer: RelayBuffer): void {
    for (const [cpu, held] of this.#slots.entries()) if (held === buffer) this.#slots[cpu] = undefined
    this.#references -= 1
  }

  #bufferOf(cpu: number): RelayBuffer {
    const buffer = this.#slots[cpu]
    if (buffer === undefined || !this.#open) throw new RangeError(`cpu=${cpu} has no buffer in this channel`)
    return buffer
  }

  #mustBeOpen(operation: string): void {
    if (!this.#open) throw new Error(`${operation} on a relay channel that was closed`)
  }
}

/** The most bytes of a file's name. */
const MAX_NAME_BYTES = 254

/** Cuts a name at 254 bytes of UTF-8, between characters. */
function cutName(name: string): string {
  let bytes = 0
  let end = 0
  for (const character of name) {
    const point = character.codePointAt(0) ?? 0
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (bytes > MAX_NAME_BYTES) break
    end += character.length
  }
  return name.slice(0, end)
}
