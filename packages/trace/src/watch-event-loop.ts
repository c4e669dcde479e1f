/** The watch of a thread's event loop, for users. */
import type { EventLoopOptions } from '@rchan/runtime'
import { writingHalf } from './writing-half.js'

/**
 * Lets flight recordings watch the event loop of the calling thread: one that stands still for
 * longer than `stallMs` causes a snapshot, while it does. Call it once, on a thread that should
 * always return to its event loop; a worker that computes, or is parked, should not. (For the
 * thread that records there is the option `snapshotOn.stallMs`.) A thread is watched from its first
 * event in a recording on. The watch does not keep the thread alive.
 *
 * @returns a function that ends the watch.
 * @throws RangeError for a bad limit.
 */
export function watchEventLoop(options: EventLoopOptions): () => void {
  return writingHalf().watchEventLoop(options)
}
