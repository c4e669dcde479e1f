/** Random numbers of the system, without `node:crypto`: to load it takes a thread 2 ms. */
import { readFileSync } from 'node:fs'
import { builtins } from './process.js'

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

/** Returns a random UUID, of version 4. Nobody can guess it. */
export function randomUuid(): string {
  try {
    const text = readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim()
    if (UUID.test(text)) return text
  } catch {
    // Not Linux, or it can't be read.
  }
  return builtins.crypto().randomUUID()
}

/** Returns 16 random digits of hexadecimal numbers. */
export function randomHex(): string {
  return randomUuid().replaceAll('-', '').slice(0, 16)
}
