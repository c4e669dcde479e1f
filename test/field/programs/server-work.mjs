/** Takes some milliseconds of a CPU. */
export default function work(ms) {
  const end = performance.now() + ms
  let sum = 0
  while (performance.now() < end) sum += 1
  return sum > 0
}
