import { BroadcastChannel } from 'node:worker_threads'

export default async (what) => {
  const channel = new BroadcastChannel('rchan examples')
  channel.postMessage(`hello ${what}`)
  // It is sent when the event loop turns.
  await new Promise((done) => setTimeout(done, 5))
  channel.close()
}
