/** Computes for so long, not counting the time in which it has no CPU. */
function spin(ms) {
  const start = process.cpuUsage()
  let sum = 0
  while (process.cpuUsage(start).user < ms * 1000) for (let i = 0; i < 300_000; i += 1) sum += Math.sqrt(i)
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
