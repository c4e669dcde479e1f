/**
 * The head of a buffer of a relay: one page before its ring, with the words that only the kernel's
 * face needs. The ring itself (see `BufferMemory`) knows nothing of it.
 *
 * ```text
 *    at  type    word           written by
 *     0  i32     owner          threads    member that may write; 0: none; negative: a thread that
 *                                          takes care of the buffer. By compare-and-exchange
 *     4  i32     asks           threads    what the owner is asked to do, and whether the channel
 *                                          is closed; set atomically
 *     8  i32     holders        threads    relay files and mappings of it, counted atomically
 *    12  i32     hasFile        locked     1: it has a file
 *    16  f64     earlyBytes     locked     bytes completed before it had one
 *    64  i32     fileLock       sync       the lock around `read` of a relay file
 *    80  u32     bytesConsumed  reader     bytes consumed of the first unconsumed sub-buffer
 *   128  i32[2]  waitQueue      sync       where threads sleep that wait for a sub-buffer
 *   136  u32     wakeups        owner      switches that found a thread waiting
 *   192  i32     reader         threads    member that drains the buffer with a `Reader`; 0: none. By
 *                                          compare-and-exchange
 *   196  i32     readerBell     its reader whose bell a switch rings: index of the reader's entry in
 *                                          the relay's `members`, plus 1
 *   200  i32     part           its reader which of the two that follow holds: 1 or 2; 0: none
 *   208  f64[4]  part1          its reader how far the open sub-buffer was drained: its sequence,
 *                                          `resets`, bytes, records
 *   240  f64[4]  part2          its reader the same, see reader-claim.ts
 *   320  i32     writeLock      sync       the lock around each write, where threads take turns
 *  4096  …       ring           ring       see ring/src/buffer.ts
 * ```
 *
 * `locked` is the thread that holds the list's lock; the reader holds `fileLock`, and so does an
 * owner that resets. The groups stand on cache lines of their own (64 bytes): the owner looks at
 * `asks` with each record, and at `waitQueue` with each switch.
 */
import { BufferMemory, bufferBytes, PAGE_BYTES, type Geometry } from '@rchan/ring'

/** Byte offsets of the words of a buffer's head. A test holds them to the picture above. */
export const HEAD = {
  owner: 0,
  asks: 4,
  holders: 8,
  hasFile: 12,
  earlyBytes: 16,
  fileLock: 64,
  bytesConsumed: 80,
  waitQueue: 128,
  wakeups: 136,
  reader: 192,
  readerBell: 196,
  part: 200,
  part1: 208,
  part2: 240,
  writeLock: 320,
  ring: 4096,
} as const

/** Bit of `asks`: end the open sub-buffer. The owner takes it back once it has done so. */
export const ASK_SWITCH = 1
/** Bit of `asks`: start anew. The owner takes it back once it has done so. */
export const ASK_RESET = 2
/** Bit of `asks`: the channel was closed; no more writes, ever. It stays. */
export const FINALIZED = 4

/** Pages of a buffer: its head, and its ring. */
export function pagesOfBuffer(geometry: Geometry): number {
  return (HEAD.ring + bufferBytes(geometry)) / PAGE_BYTES
}

/** Where the ring of the buffer at a page starts, in bytes. */
export function ringOffset(page: number): number {
  return page * PAGE_BYTES + HEAD.ring
}

/**
 * Zeroes the memory of a buffer that nobody has any more, as far as it was ever used. A page that
 * is none, in damaged memory, is ignored.
 */
export function clearBuffer(memory: SharedArrayBuffer, page: number, geometry: Geometry): void {
  if ((page + pagesOfBuffer(geometry)) * PAGE_BYTES > memory.byteLength) return
  BufferMemory.clear(memory, ringOffset(page), geometry)
  new Int32Array(memory, page * PAGE_BYTES, HEAD.ring / 4).fill(0)
}
