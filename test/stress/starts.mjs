/**
 * A client's `subbufStart`, as a module. It reserves a header of 4 bytes 0xa5, and refuses while
 * the buffer is full.
 */
export function subbufStart(buffer, subbuf) {
  if (buffer.isFull) return false
  buffer.subbufStartReserve(4)
  buffer.memory.data.fill(0xa5, subbuf, subbuf + 4)
  return true
}
