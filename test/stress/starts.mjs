/**
 * A client's `subbufStart`, as a module: a header of 4 bytes that says which sub-buffer it is, none
 * while it is full.
 */
export function subbufStart(buffer, subbuf) {
  if (buffer.isFull) return false
  buffer.subbufStartReserve(4)
  buffer.memory.data.fill(0xa5, subbuf, subbuf + 4)
  return true
}
