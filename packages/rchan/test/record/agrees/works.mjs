/** Keeps a CPU busy. */
export default function work(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
  return ms
}

/** The same for as long on a CPU, as this thread's own account has it. Returns ms. */
export function onCpu(ms) {
  const start = used()
  while (used() - start < ms);
  return used() - start
}

/** Allocates, and lets go so soon that nothing grows old. */
export function allocate(rounds) {
  let last
  for (let round = 0; round < rounds; round += 1) {
    last = Array.from({ length: 500 }, (_, n) => ({ n, text: `${n}` }))
  }
  return last.length
}

function used() {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
