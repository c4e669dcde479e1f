/** The formats that a trace can be converted to. */
import type { FollowOptions, FollowSource, ItemOptions, ItemSource } from '@rchan/ctf/reader'
import { startChrome } from './chrome.js'
import { piecesOf, type Conversion } from './conversion.js'
import { followCsv, startCsv } from './csv.js'
import { followJsonLines, startJsonLines } from './jsonl.js'
import { startPerfetto } from './perfetto.js'
import { startSpeedscope } from './speedscope.js'
import { startSvg } from './svg.js'

/** The name of a format. */
export type Format = 'perfetto' | 'chrome' | 'speedscope' | 'jsonl' | 'csv' | 'svg'

/** A format. */
export interface FormatDescription {
  /** What a file of it is called: `.pftrace`. */
  readonly extension: string
  /** In a few words. */
  readonly description: string
  /** Converts a trace, piece by piece. Texts are to be written as UTF-8. */
  readonly convert: (source: ItemSource, options?: ItemOptions) => IterableIterator<Uint8Array | string>
  /**
   * Starts a conversion, for who reads the items anyway. They are those of `source`, read with
   * `options`.
   */
  readonly start: (source: ItemSource, options?: ItemOptions) => Conversion
  /**
   * Converts a recording that still runs. Only formats whose items stand one after the other have
   * it.
   */
  readonly follow?: (source: FollowSource, options?: FollowOptions) => AsyncIterableIterator<string>
}

/** All formats, by name. */
export const FORMATS: Readonly<Record<Format, FormatDescription>> = {
  perfetto: format('.pftrace', "Perfetto's format, for ui.perfetto.dev", startPerfetto),
  chrome: format('.json', "Chrome's trace events, for DevTools and Perfetto", startChrome),
  speedscope: format('.speedscope.json', 'spans by their names, for speedscope.app', startSpeedscope),
  jsonl: { ...format('.jsonl', 'JSON, an item a line', startJsonLines), follow: followJsonLines },
  csv: { ...format('.csv', 'a table, an item a row', startCsv), follow: followCsv },
  svg: format('.svg', 'a picture of the threads and their spans', startSvg),
}

function format(
  extension: string,
  description: string,
  start: FormatDescription['start'],
): FormatDescription {
  const convert: FormatDescription['convert'] = (source, options) => piecesOf(start, source, options)
  return { extension, description, convert, start }
}
