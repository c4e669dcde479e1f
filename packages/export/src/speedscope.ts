/**
 * A trace for speedscope: Chrome's trace events, with spans only, sampled functions among them, and
 * without their fields.
 * speedscope takes the fields for a part of the name, so each call of a function would be another
 * function.
 */
import type { ItemOptions, ItemSource, TraceItem } from '@rchan/ctf/reader'
import { CalledFunctions } from './called-functions.js'
import { chromePieces } from './chrome.js'

/**
 * Converts a trace for speedscope: the spans of each thread, by their names.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toSpeedscope(source: ItemSource, options: ItemOptions = {}): IterableIterator<string> {
  return chromePieces(new Spans(new CalledFunctions(source)), options, false)
}

/** The spans of a trace, and its threads. */
class Spans implements ItemSource {
  readonly #source: ItemSource

  constructor(source: ItemSource) {
    this.#source = source
  }

  wallClock(time: bigint): bigint {
    return this.#source.wallClock(time)
  }

  *items(options?: ItemOptions): Iterable<TraceItem> {
    for (const item of this.#source.items(options)) if (item.type === 'span' || isName(item)) yield item
  }
}

function isName(item: TraceItem): boolean {
  return item.type === 'thread' && item.phase === 'named'
}
