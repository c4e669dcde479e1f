/**
 * A trace for speedscope: Chrome's trace events, with spans only, sampled functions among them, and
 * without their fields.
 * speedscope takes the fields for a part of the name, so each call of a function would be another
 * function.
 */
import type { ItemOptions, ItemSource, TraceItem } from '@rchan/ctf/reader'
import { ChromeConversion } from './chrome.js'
import { piecesOf, type Conversion } from './conversion.js'

/**
 * Converts a trace for speedscope: the spans of each thread, by their names.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toSpeedscope(source: ItemSource, options?: ItemOptions): IterableIterator<string> {
  return piecesOf(startSpeedscope, source, options)
}

/** Starts a conversion for speedscope. */
export function startSpeedscope(source: ItemSource): Conversion<string> {
  return new ChromeConversion(source, { wants: isShown, hasArguments: false })
}

function isShown(item: TraceItem): boolean {
  return item.type === 'span'
}
