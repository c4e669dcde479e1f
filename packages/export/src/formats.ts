/** The formats that a trace can be converted to. */
import type { FollowOptions, FollowSource, ItemOptions, ItemSource } from '@rchan/ctf/reader'
import { toChrome } from './chrome.js'
import { followCsv, toCsv } from './csv.js'
import { followJsonLines, toJsonLines } from './jsonl.js'
import { toPerfetto } from './perfetto.js'
import { toSpeedscope } from './speedscope.js'
import { toSvg } from './svg.js'

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
   * Converts a recording that still runs. Only formats whose items stand one after the other have
   * it.
   */
  readonly follow?: (source: FollowSource, options?: FollowOptions) => AsyncIterableIterator<string>
}

/** All formats, by name. */
export const FORMATS: Readonly<Record<Format, FormatDescription>> = {
  perfetto: {
    extension: '.pftrace',
    description: "Perfetto's format, for ui.perfetto.dev",
    convert: toPerfetto,
  },
  chrome: {
    extension: '.json',
    description: "Chrome's trace events, for DevTools and Perfetto",
    convert: toChrome,
  },
  speedscope: {
    extension: '.speedscope.json',
    description: 'spans by their names, for speedscope.app',
    convert: toSpeedscope,
  },
  jsonl: {
    extension: '.jsonl',
    description: 'JSON, an item a line',
    convert: toJsonLines,
    follow: followJsonLines,
  },
  csv: {
    extension: '.csv',
    description: 'a table, an item a row',
    convert: toCsv,
    follow: followCsv,
  },
  svg: { extension: '.svg', description: 'a picture of the threads and their spans', convert: toSvg },
}
