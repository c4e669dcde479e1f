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
  readonly task: number
  /** The name of its kind in the trace. */
  readonly kind: string
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

trace.online()

/** The task of the pool. */
export default function compress({ task, kind, path, file, quality }: CompressOrder): CompressResult {
  trace.start({ task, kind, path })
  let bytesIn = 0
  let bytesOut = 0
  let ok = false
  try {
    const input = readFileSync(file)
    bytesIn = input.length
    const sha256 = createHash('sha256').update(input).digest('hex')
    bytesOut = brotliCompressSync(input, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytesIn,
      },
    }).length
    ok = true
    return { bytesIn, bytesOut, sha256 }
  } catch (error) {
    return { bytesIn: 0, bytesOut: 0, sha256: '', error: (error as Error).message }
  } finally {
    trace.end({ task, path, bytesIn, bytesOut, ok })
  }
}
