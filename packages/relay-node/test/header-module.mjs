/**
 * A `subbufStart` as a module: a header of 8 bytes (0, a mark, the sequence), refused while the
 * buffer is full.
 */
export const HEADER_BYTES = 8
export const HEADER_MARK = 0x5a5a

export function subbufStart(buffer, subbuf) {
  if (buffer.isFull) return false
  buffer.subbufStartReserve(HEADER_BYTES)
  const at = buffer.memory.dataByteOffset + subbuf
  const header = new DataView(buffer.memory.memory, at, HEADER_BYTES)
  header.setUint16(0, 0, true)
  header.setUint16(2, HEADER_MARK, true)
  header.setUint32(4, buffer.produced, true)
  return true
}
