/** Takes two milliseconds. Throws for n = 7. */
export default function task({ n }) {
  if (n === 7) throw new Error('seven')
  const end = performance.now() + 2
  while (performance.now() < end);
  return n
}

export function quick({ n }) {
  return n
}
