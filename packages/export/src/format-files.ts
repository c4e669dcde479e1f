/**
 * The formats as files: what there is to know of one before anything is converted. Data alone, so
 * the command has it without loading the converters. To add a format, add it here, and to
 * `formats.ts` how it is made; nothing else knows the formats.
 */

/** The name of a format. */
export type Format = 'perfetto' | 'chrome' | 'speedscope' | 'jsonl' | 'csv' | 'svg'

/** A file of a format. */
export interface FormatFile {
  /** What it is called: `.pftrace`. */
  readonly extension: string
  /** What else it may be called. */
  readonly otherExtensions?: readonly string[]
  /** In a few words. */
  readonly description: string
  /** What can be done with it. */
  readonly hint: string
  /** Whether it is no text. */
  readonly isBinary?: true
}

/** All formats. */
export const FORMAT_FILES: Readonly<Record<Format, FormatFile>> = {
  perfetto: {
    extension: '.pftrace',
    otherExtensions: ['.perfetto-trace'],
    description: "Perfetto's format, for ui.perfetto.dev",
    hint: 'open it at https://ui.perfetto.dev',
    isBinary: true,
  },
  chrome: {
    extension: '.json',
    description: "Chrome's trace events, for DevTools and Perfetto",
    hint: 'open it at https://ui.perfetto.dev, or in the Performance panel of DevTools',
  },
  speedscope: {
    extension: '.speedscope.json',
    description: 'spans by their names, for speedscope.app',
    hint: 'open it at https://www.speedscope.app',
  },
  jsonl: {
    extension: '.jsonl',
    otherExtensions: ['.ndjson'],
    description: 'JSON, an item a line',
    hint: 'one item a line',
  },
  csv: { extension: '.csv', description: 'a table, an item a row', hint: 'one item a row' },
  svg: {
    extension: '.svg',
    description: 'a picture of the threads and their spans',
    hint: 'open it in a browser',
  },
}
