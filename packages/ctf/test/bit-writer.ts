/** Writes numbers of any width at any bit, in both byte orders. Slow. For tests only. */
export class BitWriter {
  /** Bits so far. */
  at = 0
  #bytes = Buffer.alloc(1024)

  constructor(readonly order: 'le' | 'be') {}

  align(bits: number): this {
    this.at = Math.ceil(this.at / bits) * bits
    return this
  }

  /** Writes the low bits of a number. */
  put(value: bigint | number, width: number, alignBits = width % 8 === 0 ? 8 : 1): this {
    this.align(alignBits)
    while (this.at + width > this.#bytes.length * 8) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)])
    }
    const whole = BigInt.asUintN(width, BigInt(value))
    for (let bit = 0; bit < width; bit += 1) {
      // The first bit of a byte is its lowest in little endian, its highest in big endian.
      const from = this.order === 'le' ? bit : width - 1 - bit
      const at = this.at + bit
      const mask = this.order === 'le' ? 1 << (at & 7) : 0x80 >> (at & 7)
      if (((whole >> BigInt(from)) & 1n) === 1n) this.#bytes[at >> 3] |= mask
    }
    this.at += width
    return this
  }

  float(value: number, width: 32 | 64, alignBits = 8): this {
    const bytes = Buffer.alloc(8)
    if (width === 32) bytes.writeFloatBE(value)
    else bytes.writeDoubleBE(value)
    return this.put(width === 32 ? bytes.readUInt32BE() : bytes.readBigUInt64BE(), width, alignBits)
  }

  text(value: string): this {
    for (const byte of Buffer.from(`${value}\0`)) this.put(byte, 8, 8)
    return this
  }

  /** What was written, up to a whole byte. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, Math.ceil(this.at / 8))
  }
}
