function spin(ms) {
  const end = performance.now() + ms
  let sum = 0
  while (performance.now() < end) for (let i = 0; i < 5000; i += 1) sum += Math.sqrt(i)
  return sum
}

function hotInTask(ms) {
  return spin(ms)
}

function hotInOther(ms) {
  return spin(ms)
}

export default (ms) => hotInTask(ms)
export const other = (ms) => hotInOther(ms)
