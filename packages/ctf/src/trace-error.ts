/** The error for a bad trace on disk. Only the reader throws it, on any thread. */

/** Where in a file something is wrong. */
export interface TraceErrorPlace {
  /** Bytes from the start of a stream file. */
  readonly offset?: number
  /** The line of a metadata file, counted from 1. */
  readonly line?: number
  /** The character in that line, counted from 1. */
  readonly column?: number
  readonly cause?: unknown
}

/**
 * A trace can't be read. The message says which file, where in it, what is wrong, and what helps.
 */
export class TraceError extends Error {
  override readonly name = 'TraceError'
  /** The file or folder. */
  readonly path: string
  /** Bytes from the start of the stream file, if the fault is in one. */
  readonly offset: number | undefined
  /** The line of the metadata, counted from 1, if the fault is there. */
  readonly line: number | undefined
  /** The character in that line, counted from 1. */
  readonly column: number | undefined

  constructor(path: string, what: string, place: TraceErrorPlace = {}) {
    const at =
      place.offset !== undefined
        ? `, at byte ${place.offset}`
        : place.line !== undefined
          ? `, line ${place.line}${place.column === undefined ? '' : `, column ${place.column}`}`
          : ''
    super(`${path}${at}: ${what}`, place.cause === undefined ? undefined : { cause: place.cause })
    this.path = path
    this.offset = place.offset
    this.line = place.line
    this.column = place.column
  }
}
