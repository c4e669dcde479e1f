/** What the programs share: a pool of piscina's, and how strong the fault is. */
import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'

export const cpus = availableParallelism()
/** `strong`, `weak`, or `healthy`: near the fault, without it. */
export const variant = process.argv[2] ?? 'strong'

/** Returns what belongs to the variant. */
export function pick(choices) {
  return choices[variant]
}

export function poolOf(threads, options = {}) {
  return new Piscina({
    filename: new URL('./work.mjs', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    ...options,
  })
}

/** Submits all at once. */
export async function batch(pool, count, name, value) {
  await Promise.all(Array.from({ length: count }, () => pool.run(value, { name })))
}

/** Submits one after the other, so many at a time. */
export async function stream(pool, count, atOnce, name, value) {
  let left = count
  const one = async () => {
    while (left > 0) {
      left -= 1
      await pool.run(value, { name })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}
