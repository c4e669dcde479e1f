/** The formats that a trace can be converted to. */
import type { FollowOptions, FollowSource, ItemOptions, ItemSource } from '@rchan/ctf/reader'
import { startChrome } from './chrome.js'
import { piecesOf, type Conversion } from './conversion.js'
import { followCsv, startCsv } from './csv.js'
import { FORMAT_FILES, type Format } from './format-files.js'
import { followJsonLines, startJsonLines } from './jsonl.js'
import { startPerfetto } from './perfetto.js'
import { startSpeedscope } from './speedscope.js'
import { startSvg } from './svg.js'

export type { Format }

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
  perfetto: format('perfetto', startPerfetto),
  chrome: format('chrome', startChrome),
  speedscope: format('speedscope', startSpeedscope),
  jsonl: { ...format('jsonl', startJsonLines), follow: followJsonLines },
  csv: { ...format('csv', startCsv), follow: followCsv },
  svg: format('svg', startSvg),
}

function format(name: Format, start: FormatDescription['start']): FormatDescription {
  const { extension, description } = FORMAT_FILES[name]
  const convert: FormatDescription['convert'] = (source, options) => piecesOf(start, source, options)
  return { extension, description, convert, start }
}
