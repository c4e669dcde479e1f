/** A file that is made of a trace, item by item. */
import type { Conversion } from '@rchan/export'
import type { TraceItem } from '@rchan/ctf/reader'
import type { Output } from './output.js'
import type { Target } from './targets.js'

/** So many bytes are written at once. */
const BATCH_BYTES = 2 ** 18

/** A file in the making. If it fails, it takes no more items, and {@link finish} says why. */
export class MadeFile {
  readonly target: Target
  readonly out: Output
  readonly #conversion: Conversion
  #batch: Uint8Array[] = []
  #size = 0
  #written = 0
  #failure: { readonly error: unknown } | undefined

  constructor(target: Target, conversion: Conversion, out: Output) {
    this.target = target
    this.#conversion = conversion
    this.out = out
  }

  /** Takes the next item. Gives a promise when something has to be written: whether that worked. */
  push(item: TraceItem): Promise<boolean> | undefined {
    try {
      const piece = this.#conversion.push(item)
      if (piece === undefined || !this.#add(piece)) return undefined
    } catch (error) {
      return Promise.resolve(this.#fail(error))
    }
    return this.#flush().then(
      () => true,
      (error: unknown) => this.#fail(error),
    )
  }

  /** Writes the rest, and gives the file its name. @returns its length in bytes. */
  async finish(): Promise<number> {
    try {
      if (this.#failure !== undefined) throw this.#failure.error
      for (const piece of this.#conversion.finish()) if (this.#add(piece)) await this.#flush()
      if (this.#size > 0) await this.#flush()
      await this.out.finish()
      return this.#written
    } catch (error) {
      await this.discard()
      throw error
    }
  }

  /** Leaves nothing of it behind. */
  async discard(): Promise<void> {
    await this.out.discard()
  }

  #fail(error: unknown): false {
    this.#failure = { error }
    return false
  }

  /** @returns whether there is enough to write. */
  #add(piece: Uint8Array | string): boolean {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    this.#batch.push(bytes)
    this.#size += bytes.length
    return this.#size >= BATCH_BYTES
  }

  async #flush(): Promise<void> {
    const bytes = this.#batch.length === 1 ? this.#batch[0] : Buffer.concat(this.#batch)
    this.#batch = []
    this.#size = 0
    await this.out.write(bytes)
    this.#written += bytes.length
  }
}
