/** What the programs' workers do. Durations are ms. */
import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

/** Computes. */
export function spin(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
  return ms
}

/** Waits, without a CPU. */
export function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  return ms
}

/** Has a thread of libuv compute. */
export async function derive(rounds) {
  await promisify(pbkdf2)('word', 'salt', rounds, 32, 'sha512')
}

/** What garbage is made of. V8 would make literals of their own where old objects are. */
const piece = Array.from({ length: 8 }, (_, index) => index + 0.5)

/** Makes garbage for a part of some time, of which `kept` objects live for a while. */
export function garbage({ ms, kept, part = 1 }) {
  const end = performance.now() + ms * part
  const ring = Array.from({ length: kept })
  let count = 0
  while (performance.now() < end) {
    ring[count % kept] = [piece.slice(), piece.slice()]
    count += 1
  }
  spin(ms * (1 - part))
  return count
}

const results = new Map()

/** Returns a large value, made once. */
export function large({ length, ms }) {
  spin(ms)
  let result = results.get(length)
  if (result === undefined) {
    result = Array.from({ length }, (_, index) => ({ index, name: `item ${index}` }))
    results.set(length, result)
  }
  return result
}

/** Ends the worker. */
export function die() {
  process.exit(3)
}

/** Throws. */
export function fail() {
  throw new Error('refused')
}

const held = []

/** Keeps memory. */
export async function keep(megabytes) {
  for (let count = 0; count < megabytes; count += 1)
    held.push(Array.from({ length: 131_072 }, () => count + 0.5))
  await new Promise((resolve) => setTimeout(resolve, 1300 / 10))
  return held.length
}

/** Looks at a list. */
export function measure({ list, ms }) {
  spin(ms)
  return list.length
}
