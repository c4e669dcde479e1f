/** A task that computes, and makes no garbage. */
export default function work(iterations: number): number {
  let x = 1
  for (let i = 0; i < iterations; i += 1) x = (Math.imul(x, 31) + i) | 0
  return x
}
