export default ({ port }) => {
  port.postMessage('hello from the worker')
  return 'done'
}

export async function progress({ port, steps }) {
  for (let step = 1; step <= steps; step += 1) {
    await new Promise((done) => setTimeout(done, 1))
    port.postMessage(step)
  }
}
