/**
 * How a trace becomes a file: a conversion takes the items one by one, and gives the file piece by
 * piece. Who reads the items decides when, so one read can feed several conversions.
 */
import type { ItemOptions, ItemSource, TraceItem } from '@rchan/ctf/reader'

/** A file in the making. */
export interface Conversion<Piece extends Uint8Array | string = Uint8Array | string> {
  /** Takes the next item, in the order of time. @returns a piece of the file, once it is full. */
  push(item: TraceItem): Piece | undefined
  /** Ends the file, and returns the rest of it. No more can be pushed then. */
  finish(): Iterable<Piece>
}

/** Starts a conversion. @param options those that the items are read with. */
export type StartConversion<Piece extends Uint8Array | string> = (
  source: ItemSource,
  options?: ItemOptions,
) => Conversion<Piece>

/** Reads a trace for one conversion. */
export function piecesOf<Piece extends Uint8Array | string>(
  start: StartConversion<Piece>,
  source: ItemSource,
  options: ItemOptions = {},
): IterableIterator<Piece> {
  return new PiecesOf(start, source, options)
}

/** An iterator in the form of a class: of a generator V8 makes slower code. */
class PiecesOf<Piece extends Uint8Array | string> implements IterableIterator<Piece> {
  readonly #start: StartConversion<Piece>
  readonly #source: ItemSource
  readonly #options: ItemOptions
  #conversion: Conversion<Piece> | undefined
  #items: Iterator<TraceItem> | undefined
  /** What comes behind the last item. */
  #rest: Iterator<Piece> | undefined

  constructor(start: StartConversion<Piece>, source: ItemSource, options: ItemOptions) {
    this.#start = start
    this.#source = source
    this.#options = options
  }

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<Piece, undefined> {
    try {
      if (this.#rest === undefined) {
        const piece = this.#nextFull()
        if (piece !== undefined) return { done: false, value: piece }
      }
      const result = this.#rest?.next()
      return result === undefined || result.done === true ? { done: true, value: undefined } : result
    } catch (error) {
      this.return()
      throw error
    }
  }

  return(): IteratorReturnResult<undefined> {
    this.#rest = [][Symbol.iterator]()
    this.#items?.return?.()
    return { done: true, value: undefined }
  }

  /** Converts items until a piece is full. @returns undefined if that was the last item. */
  #nextFull(): Piece | undefined {
    const conversion = (this.#conversion ??= this.#start(this.#source, this.#options))
    const items = (this.#items ??= this.#source.items(this.#options)[Symbol.iterator]())
    for (let result = items.next(); result.done !== true; result = items.next()) {
      const piece = conversion.push(result.value)
      if (piece !== undefined) return piece
    }
    this.#rest = conversion.finish()[Symbol.iterator]()
    return undefined
  }
}

// It has what all iterators have, as a generator does.
Object.setPrototypeOf(
  PiecesOf.prototype,
  Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object,
)
