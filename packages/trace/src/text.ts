/**
 * Texts in records: their size in bytes, and how they are stored. On every thread that traces, on
 * the hot path.
 */
import { byteLength, encodeInto } from '@rchan/runtime'

/** Longer texts are encoded by the engine. For shorter ones its call costs more than our loop. */
const LONG_TEXT = 96

/**
 * Returns the bytes of a text without its final NUL: its UTF-8, with each NUL character as the 3
 * bytes of U+2400.
 */
export function textBytes(text: string): number {
  let bytes = byteLength(text)
  for (let at = text.indexOf('\0'); at >= 0; at = text.indexOf('\0', at + 1)) bytes += 2
  return bytes
}

/**
 * Stores a text as UTF-8 with a final NUL. A NUL character in the text becomes U+2400 (␀), half a
 * surrogate pair becomes U+FFFD. The format's strings can hold neither.
 *
 * @param at the first byte. There must be room.
 * @returns the first byte behind it.
 */
export function writeText(u8: Uint8Array, at: number, text: string): number {
  const { length } = text
  let q = at
  if (length > LONG_TEXT && !text.includes('\0')) {
    q += encodeInto(text, u8.subarray(at, at + length * 3)).written
    u8[q] = 0
    return q + 1
  }
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === 0 || code > 127) return writeWideText(u8, q, text, i)
    u8[q] = code
    q += 1
  }
  u8[q] = 0
  return q + 1
}

/** Stores the rest of a text from its first character that is not plain ASCII. */
function writeWideText(u8: Uint8Array, at: number, text: string, from: number): number {
  let q = at
  for (let i = from; i < text.length; i += 1) {
    let code = text.codePointAt(i) as number
    if (code === 0) code = 0x2400
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
    if (code < 0x80) {
      u8[q] = code
      q += 1
    } else if (code < 0x800) {
      u8[q] = 0xc0 | (code >> 6)
      u8[q + 1] = 0x80 | (code & 63)
      q += 2
    } else if (code < 0x10000) {
      u8[q] = 0xe0 | (code >> 12)
      u8[q + 1] = 0x80 | ((code >> 6) & 63)
      u8[q + 2] = 0x80 | (code & 63)
      q += 3
    } else {
      u8[q] = 0xf0 | (code >> 18)
      u8[q + 1] = 0x80 | ((code >> 12) & 63)
      u8[q + 2] = 0x80 | ((code >> 6) & 63)
      u8[q + 3] = 0x80 | (code & 63)
      q += 4
      i += 1
    }
  }
  u8[q] = 0
  return q + 1
}

/** The mark of a text that was cut, U+2026, as UTF-8. */
const CUT_MARK_BYTES = 3

/**
 * Returns a text whose UTF-8 has at most `max` bytes: itself, or its start and `…`. It is cut
 * between two characters.
 *
 * @param cut called when the text is cut.
 */
export function limitText(text: string, max: number, cut: () => void): string {
  // A text of more characters is too long whatever they are. So no more are looked at.
  if (text.length <= max && textBytes(text) <= max) return text
  cut()
  let bytes = CUT_MARK_BYTES
  let end = 0
  while (end < text.length) {
    const code = text.codePointAt(end) as number
    bytes += code === 0 ? 3 : code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (bytes > max) break
    end += code < 0x10000 ? 1 : 2
  }
  return max < CUT_MARK_BYTES ? '' : `${text.slice(0, end)}…`
}
