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
export function* piecesOf<Piece extends Uint8Array | string>(
  start: StartConversion<Piece>,
  source: ItemSource,
  options: ItemOptions = {},
): IterableIterator<Piece> {
  const conversion = start(source, options)
  for (const item of source.items(options)) {
    const piece = conversion.push(item)
    if (piece !== undefined) yield piece
  }
  yield* conversion.finish()
}
