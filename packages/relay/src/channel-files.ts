/**
 * The files of one channel's buffers: what the client's file callbacks are called for, and what
 * `createBufFile` returned.
 *
 * Each thread has one for each of its channels. The callbacks run on the file thread. On any other
 * thread the methods have the file thread make the call, and wait for it; the methods whose names
 * end in `Here` are the other end of such a call.
 */
import type { RelayCallbacks } from './callbacks.js'
import type { PlacedBuffer, RelayHost } from './host.js'
import { FLAG } from './layout.js'
import { cutName } from './options.js'
import type { Slot } from './slot.js'
import { CALL } from './upcall.js'

const FILE_MODE = 0o400

/** The files of a channel, seen from one thread. */
export class ChannelFiles {
  /** Whether the client is being told of a mapping of this thread's. */
  isTelling = false
  /** What `createBufFile` is given as the parent, in the thread that opened the channel. */
  parent: unknown
  readonly #relay: RelayHost
  readonly #slot: Slot
  /** The client's functions in this thread. */
  readonly #callbacks: RelayCallbacks
  /** A callback threw, and nobody can be told. */
  readonly #threw: (callback: string, error: unknown) => void
  /** File thread: by first page, what `createBufFile` returned. */
  readonly #files = new Map<number, { readonly file: unknown; isThere: boolean }>()

  constructor(
    relay: RelayHost,
    slot: Slot,
    callbacks: RelayCallbacks,
    parent: unknown,
    threw: (callback: string, error: unknown) => void,
  ) {
    this.#relay = relay
    this.#slot = slot
    this.#callbacks = callbacks
    this.parent = parent
    this.#threw = threw
  }

  /** What `createBufFile` returned for the buffer at a page, on the file thread. */
  at(page: number): unknown {
    return this.#files.get(page)?.file
  }

  /** Whether this thread has a file that was not removed yet. */
  get isAnyThere(): boolean {
    return [...this.#files.values()].some(({ isThere }) => isThere)
  }

  /** The pages of the buffers whose files were not removed yet. */
  get pages(): number[] {
    return [...this.#files].flatMap(([page, { isThere }]) => (isThere ? [page] : []))
  }

  /** Has the file of a buffer made. @throws what the callback throws. */
  create(buffer: PlacedBuffer, cpu: number, baseFilename: string): boolean {
    const { machine } = this.#relay
    if (machine.isShortFor?.('name', this.#slot.geometry) === true) return false
    const { page } = buffer
    const text = cutName(`${baseFilename}${cpu}`)
    if (this.#relay.isFileThread) return this.createHere(buffer, text, this.parent)
    const request = { call: CALL.createFile, slot: this.#slot.index, page, text }
    const { done, error } = this.#relay.upcall.call(request)
    if (error !== '') throw new Error(error)
    return done
  }

  /**
   * File thread: makes the file of a buffer. @returns whether there is one. @throws as the
   * callback.
   */
  createHere(buffer: PlacedBuffer, name: string, parent: unknown): boolean {
    const callbacks = this.#fileCallbacks
    const file = callbacks.createBufFile?.(name, parent, FILE_MODE, buffer, this.#declareGlobal)
    if (file !== undefined) this.#files.set(buffer.page, { file, isThere: true })
    return file !== undefined
  }

  /**
   * Asks the client of a channel that only buffers whether a new buffer is global. The thread that
   * opened it.
   *
   * @returns whether the buffer can be: the client made no file, for which there is no name.
   */
  askWhetherGlobal(buffer: PlacedBuffer): boolean {
    const callbacks = this.#callbacks
    const file = callbacks.createBufFile?.(undefined, undefined, FILE_MODE, buffer, this.#declareGlobal)
    if (file === undefined) return true
    this.#relay.machine.log('fault', 'relay: createBufFile returned a file without a name')
    this.#files.set(buffer.page, { file, isThere: true })
    this.removeHere(buffer.page)
    return false
  }

  /** Has the file of a buffer removed. */
  remove(buffer: PlacedBuffer): void {
    const { page } = buffer
    if (this.#relay.isFileThread) return this.removeHere(page)
    if (buffer.fileBytes === undefined) return
    try {
      this.#relay.upcall.call({ call: CALL.removeFile, slot: this.#slot.index, page, text: '' })
    } catch (error) {
      this.#threw('removeBufFile', error)
    }
  }

  /** File thread: removes the file of a buffer. */
  removeHere(page: number): void {
    const made = this.#files.get(page)
    if (made?.isThere === false) return
    if (made !== undefined) made.isThere = false
    try {
      this.#fileCallbacks.removeBufFile?.(made?.file)
    } catch (error) {
      this.#threw('removeBufFile', error)
    }
  }

  /** Tells the client that a buffer was mapped or unmapped by this thread. */
  tellOfMapping(buffer: PlacedBuffer, isMapped: boolean, file: unknown): void {
    if (this.#relay.isFileThread) return this.tellOfMappingHere(buffer, isMapped, file)
    if (!this.#slot.has(FLAG.wantsMappingCalls)) return
    const call = isMapped ? CALL.mapped : CALL.unmapped
    const request = { call, slot: this.#slot.index, page: buffer.page, text: '' }
    const { error } = this.#relay.locked(() => this.#relay.upcall.call(request))
    if (error !== '') throw new Error(error)
  }

  /** File thread: tells the client that a buffer was mapped or unmapped. */
  tellOfMappingHere(buffer: PlacedBuffer, isMapped: boolean, file: unknown): void {
    const wasTelling = this.isTelling
    this.isTelling = true
    try {
      if (isMapped) this.#fileCallbacks.bufMapped?.(buffer, file)
      else this.#fileCallbacks.bufUnmapped?.(buffer, file)
    } finally {
      this.isTelling = wasTelling
    }
  }

  /** Those that this thread has for this channel, or else those of the relay. */
  get #fileCallbacks(): RelayCallbacks {
    return this.#slot.opener === this.#relay.members.me ? this.#callbacks : this.#relay.fileCallbacks
  }

  readonly #declareGlobal = (): void => this.#slot.setFlag(FLAG.isGlobal)
}
