/**
 * The task of the pool's workers: reads one file, hashes it and compresses it.
 *
 * Runs in the pool's threads. All calls are synchronous on purpose: asynchronous calls would move
 * the work to libuv's threads, and the worker would only wait. It never throws for a file that
 * can't be read: that is a result, too.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'
import * as trace from './tracepoints.js'

/** The input of a task. It crosses the thread boundary. */
export interface CompressOrder {
  /** The path as the user named it, for the trace. */
  readonly path: string
  /** The path to open. */
  readonly file: string
  /** Quality for brotli, 0 to 11. */
  readonly quality: number
}

/** The result of a task. */
export interface CompressResult {
  readonly bytesIn: number
  readonly bytesOut: number
  /** sha256 of the uncompressed bytes, in hex; empty if the file could not be read. */
  readonly sha256: string
  /** Why the file was skipped. */
  readonly error?: string
}

/** The task of the pool. */
export default function compress({ path, file, quality }: CompressOrder): CompressResult {
  const reading = trace.read.begin({ path })
  let input: Buffer
  try {
    input = readFileSync(file)
  } catch (error) {
    trace.read.fail(reading, { bytes: 0 })
    return { bytesIn: 0, bytesOut: 0, sha256: '', error: (error as Error).message }
  }
  trace.read.end(reading, { bytes: input.length })
  const sha256 = trace.hash.run({ path }, () => createHash('sha256').update(input).digest('hex'))
  const compressing = trace.compress.begin({ path })
  const { length } = brotliCompressSync(input, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_SIZE_HINT]: input.length,
    },
  })
  trace.compress.end(compressing, { bytes: length })
  return { bytesIn: input.length, bytesOut: length, sha256 }
}
