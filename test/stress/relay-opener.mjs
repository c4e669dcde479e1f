/**
 * A thread that opens channels with and without files, writes to them, gives them files, prepares
 * CPUs, and closes them, until it is told to stop or is terminated. When it is terminated it may
 * hold the lock of the list, or wait for a file from the file thread.
 */
import { Relay } from '@rchan/relay'
import { threadMachine } from '@rchan/relay-node'
import { workerData } from 'node:worker_threads'
import { Random } from './random.mjs'

const { memory, stop, cpus, seed } = workerData
const random = new Random(seed)
const relay = Relay.attach(memory, threadMachine())
const mine = []
const bytes = new Uint8Array(8)

const acts = [
  () => {
    if (mine.length > 3) return
    const named = random.chance(0.5) ? { baseFilename: `of ${seed} ` } : {}
    mine.push(relay.open({ subbufSize: 64, subbufCount: random.whole(1, 5), ...named }))
  },
  () => mine.length > 0 && mine.splice(random.whole(0, mine.length - 1), 1)[0].close(),
  () => mine.length > 0 && random.pick(mine).lateSetupFiles('late ', 'parent'),
  () => relay.prepareCpu(random.whole(0, cpus - 1)),
  () => {
    const channel = mine.at(-1)
    for (const cpu of relay.onlineCpus) {
      const buffer = channel?.buffer(cpu)
      for (let records = 0; records < 20; records += 1) buffer?.write(bytes)
      buffer?.switch(0)
    }
  },
  () => mine.at(-1)?.flush(),
  () => mine.at(-1)?.reset(),
]
while (Atomics.load(stop, 0) === 0) random.pick(acts)()
for (const channel of mine) channel.close()
relay.goOffline()
