/**
 * The bytes of a metadata file become its text. LTTng writes the text in packets:
 *
 * ```text
 *    0  u32     magic 0x75D11D57           28  u32  packet_size, bits
 *    4  u8[16]  uuid of the trace          32  u8   compression, 0: none
 *   20  u32     checksum                   33  u8   encryption, 0: none
 *   24  u32     content_size, bits, with   34  u8   kind of checksum
 *               this header                35  u8   major, 36 minor version
 *                                          37       text
 * ```
 *
 * The byte order is that of the machine that wrote the trace; the magic tells it. Pure functions,
 * any thread. The bytes are untrusted.
 */
import { TraceError } from './trace-error.js'

const MAGIC = 0x75d11d57
const HEADER_BYTES = 37

/** Whether a metadata file is made of packets. */
export function isInPackets(bytes: Buffer): boolean {
  return bytes.length >= 4 && (bytes.readUInt32LE(0) === MAGIC || bytes.readUInt32BE(0) === MAGIC)
}

/** Returns the text in the packets. @throws TraceError with the byte. */
export function textOfPackets(bytes: Buffer, path: string): string {
  const isLittle = bytes.readUInt32LE(0) === MAGIC
  const u32 = (at: number): number => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
  const fail = (offset: number, what: string): never => {
    throw new TraceError(path, what, { offset })
  }
  const texts: Buffer[] = []
  let offset = 0
  while (offset < bytes.length) {
    if (bytes.length - offset < HEADER_BYTES) fail(offset, 'ends within the header of a packet')
    const magic = u32(offset)
    if (magic !== MAGIC) {
      fail(
        offset,
        `expected a packet of metadata, with magic=0x${MAGIC.toString(16)}, found 0x${magic.toString(16)}`,
      )
    }
    if (!bytes.subarray(offset + 4, offset + 20).equals(bytes.subarray(4, 20))) {
      fail(offset + 4, 'packet has another uuid than the first one')
    }
    const contentBits = u32(offset + 24)
    const packetBits = u32(offset + 28)
    if (contentBits % 8 !== 0 || contentBits < HEADER_BYTES * 8 || contentBits > packetBits) {
      fail(offset + 24, `packet has content_size=${contentBits} bits of packet_size=${packetBits}`)
    }
    if (packetBits % 8 !== 0 || packetBits / 8 > bytes.length - offset) {
      fail(
        offset + 28,
        `packet has packet_size=${packetBits} bits, and ${bytes.length - offset} bytes are left`,
      )
    }
    if (bytes[offset + 32] !== 0)
      fail(offset + 32, `packet has compression=${bytes[offset + 32]}: only 0 is read`)
    if (bytes[offset + 33] !== 0)
      fail(offset + 33, `packet has encryption=${bytes[offset + 33]}: only 0 is read`)
    const version = `${bytes[offset + 35]}.${bytes[offset + 36]}`
    if (version !== '1.8') fail(offset + 35, `packet is of CTF ${version}: only 1.8 is read`)
    texts.push(bytes.subarray(offset + HEADER_BYTES, offset + contentBits / 8))
    offset += packetBits / 8
  }
  return Buffer.concat(texts).toString()
}
