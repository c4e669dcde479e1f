/**
 * Packets of a trivial format, and their reader, which refuses everything that a real reader
 * refuses. For tests only.
 *
 * A header is 4 words: bytes of the packet, bytes of its content (header included), kind, value.
 * Nothing may follow the last packet, and no packet may reach over the end of the file.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Packet } from '@rchan/runtime'

export const HEADER_BYTES = 16

/** The content of a file. */
export interface Read {
  readonly kind: number
  readonly value: number
  readonly content: Uint8Array
}

/** A packet with these bytes in it, which are a multiple of 8. */
export function packet(kind: number, value: number, pieces: readonly Uint8Array[] = []): Packet {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, HEADER_BYTES)
  const scratch = new Uint32Array(4)
  const header = (...words: number[]): Uint8Array => {
    scratch.set(words)
    return new Uint8Array(scratch.buffer)
  }
  return {
    headerBytes: HEADER_BYTES,
    bytes,
    pieces,
    header: (size) => header(size, bytes, kind, value),
    following: (size) => header(size, HEADER_BYTES, 0, 0),
  }
}

/**
 * The packets of one file, empty ones of kind 0 left out. @throws when it isn't whole packets from
 * end to end.
 */
export function packetsOf(path: string): Read[] {
  const file = readFileSync(path)
  const found: Read[] = []
  let at = 0
  while (at < file.length) {
    if (file.length - at < HEADER_BYTES)
      throw new Error(`${path}: ${file.length - at} bytes at ${at} are no packet`)
    const [size, contentBytes, kind, value] = [0, 4, 8, 12].map((offset) => file.readUInt32LE(at + offset))
    if (size < contentBytes || contentBytes < HEADER_BYTES || at + size > file.length) {
      throw new Error(
        `${path}: a packet of ${size} bytes at ${at}, ${contentBytes} of them content, of ${file.length}`,
      )
    }
    if (kind !== 0) found.push({ kind, value, content: file.subarray(at + HEADER_BYTES, at + contentBytes) })
    at += size
  }
  return found
}

/**
 * The files of a stream, in order. Other names than those that readers pass over are not allowed.
 */
export function filesOf(folder: string, name: string): string[] {
  const names = readdirSync(folder).filter((each) => each === name || each.startsWith(`${name}_`))
  const index = (each: string): number => (each === name ? 0 : Number(each.slice(name.length + 1)))
  return names.sort((a, b) => index(a) - index(b)).map((each) => join(folder, each))
}

/** The packets of all files of a stream. */
export function streamOf(folder: string, name: string): Read[] {
  return filesOf(folder, name).flatMap((path) => packetsOf(path))
}
