/**
 * A sink that takes everything and keeps nothing: for a recording that has no files, or none yet.
 * Runs on the consumer thread.
 */
import type { Sink, SinkStream } from './sink.js'

const NO_STREAM: SinkStream = {
  bytes: 0,
  isEnded: false,
  append: () => undefined,
  end: () => undefined,
  close: () => ({ problem: undefined, lostEvents: 0 }),
}

export const NOWHERE: Sink = {
  stream: () => NO_STREAM,
  document: () => undefined,
  problem: () => undefined,
  close: () => undefined,
}
