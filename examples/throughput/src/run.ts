/**
 * A run: a relay in this process, a consumer thread, and workers that are spawned and retired while
 * the others write.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Relay, startConsumer, threadMachine, type RelayChannel } from 'rchan/relay'
import { COUNT, countsOf, createCounts } from './counts.js'
import type { Order } from './worker.js'

export interface RunOptions {
  readonly workers: number
  readonly seconds: number
  /** Bytes of a record. */
  readonly recordBytes: number
  /** Records a second of each worker; 0: as many as it can. */
  readonly rate: number
  /** How often a worker is retired and spawned again, in seconds; 0: never. */
  readonly respawnSeconds: number
  readonly mode: 'discard' | 'overwrite'
  readonly signal: AbortSignal
  /** Told what was delivered since the last time, once a second. */
  readonly tell: (progress: {
    readonly seconds: number
    readonly records: number
    readonly bytes: number
  }) => void
}

/** What a CPU did. `attempted = delivered + discarded + overwritten` holds exactly. */
export interface CpuResult {
  readonly cpu: number
  /** Workers that were this CPU, one after the other. */
  readonly generations: number
  readonly attempted: number
  readonly delivered: number
  readonly discarded: number
  readonly overwritten: number
  readonly bytes: number
}

export interface Result {
  readonly seconds: number
  readonly cpus: readonly CpuResult[]
}

const SUBBUF = { subbufSize: 65536, subbufCount: 16 }
/** How long a worker may take to retire before it is terminated, in milliseconds. */
const RETIRE_MS = 5000

interface Spawned {
  readonly worker: Worker
  readonly exited: Promise<unknown>
}

export async function run(options: RunOptions): Promise<Result> {
  const { workers, signal, tell, respawnSeconds, recordBytes, rate, mode } = options
  const bytes = workers * (SUBBUF.subbufSize * SUBBUF.subbufCount + 65536)
  using relay = new Relay(threadMachine(), { possibleCpus: workers, memoryBytes: bytes })
  const channel = relay.open({ ...SUBBUF, mode })
  const counts = createCounts(workers)
  const consumer = await startConsumer(relay, {
    channels: [channel],
    sink: new URL('./sink.js', import.meta.url),
    init: counts,
  })
  const order = { relay: relay.memory, channel: channel.id, counts, recordBytes, rate }
  const generations = Array.from({ length: workers }, () => 0)
  const spawnCpu = async (cpu: number): Promise<Spawned> => {
    generations[cpu] += 1
    return spawn({ ...order, cpu })
  }
  const spawned = await Promise.all(generations.map((_, cpu) => spawnCpu(cpu)))

  const startedAt = performance.now()
  const seconds = (): number => (performance.now() - startedAt) / 1000
  const before = { seconds: 0, records: 0, bytes: 0 }
  let nextRespawn = respawnSeconds > 0 ? respawnSeconds : Infinity
  let turn = 0
  while (seconds() < options.seconds && !signal.aborted) {
    const untilMs = Math.min(options.seconds, nextRespawn, before.seconds + 1) - seconds()
    await sleep(Math.max(1, untilMs * 1000), undefined, { signal }).catch(() => undefined)
    if (seconds() >= nextRespawn && !signal.aborted) {
      nextRespawn += respawnSeconds
      const cpu = turn % workers
      turn += 1
      await retire(spawned[cpu], counts, cpu)
      spawned[cpu] = await spawnCpu(cpu)
    }
    if (seconds() < before.seconds + 1) continue
    const now = { seconds: seconds(), ...delivered(counts, workers) }
    tell({
      seconds: now.seconds - before.seconds,
      records: now.records - before.records,
      bytes: now.bytes - before.bytes,
    })
    Object.assign(before, now)
  }
  await Promise.all(spawned.map((each, cpu) => retire(each, counts, cpu)))
  const ranSeconds = seconds()
  const discarded = generations.map((_, cpu) => discardedOf(channel, cpu))
  channel.close()
  // It has ended, or is about to: `ended` by itself would not keep the process alive.
  const totals = await consumer.stop()
  const cpus = totals.map(({ cpu, records, overwritten, bytes: taken }) => ({
    cpu,
    generations: generations[cpu],
    attempted: Number(Atomics.load(countsOf(counts, cpu), COUNT.attempted)),
    delivered: records,
    discarded: discarded[cpu],
    overwritten,
    bytes: taken,
  }))
  return { seconds: ranSeconds, cpus: cpus.sort((a, b) => a.cpu - b.cpu) }
}

/** Starts a worker, and waits until it has come online as its CPU. */
async function spawn(order: Order): Promise<Spawned> {
  Atomics.store(countsOf(order.counts, order.cpu), COUNT.retire, 0n)
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: order })
  const exited = once(worker, 'exit')
  // An error rejects `exited`, and with it the retirement.
  exited.catch(() => undefined)
  await Promise.race([once(worker, 'message'), exited])
  return { worker, exited }
}

/** Asks a worker to end, and waits until it has. Its buffer stays, for the next one. */
async function retire({ worker, exited }: Spawned, counts: SharedArrayBuffer, cpu: number): Promise<void> {
  Atomics.store(countsOf(counts, cpu), COUNT.retire, 1n)
  const late = new AbortController()
  const terminate = async (): Promise<void> => {
    await sleep(RETIRE_MS, undefined, { signal: late.signal })
    await worker.terminate()
    throw new Error(
      `cpu=${cpu} did not retire within ${RETIRE_MS} ms, and was terminated: its counts are lost`,
    )
  }
  try {
    await Promise.race([exited, terminate()])
  } finally {
    late.abort()
  }
}

/** What was refused. The worker has ended, so it is exact. */
function discardedOf(channel: RelayChannel, cpu: number): number {
  const discarded = channel.buffer(cpu)?.memory.discarded()
  return discarded === undefined ? 0 : discarded.full + discarded.tooBig + discarded.bad
}

function delivered(counts: SharedArrayBuffer, cpus: number): { records: number; bytes: number } {
  let records = 0
  let bytes = 0
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    const words = countsOf(counts, cpu)
    records += Number(Atomics.load(words, COUNT.delivered))
    bytes += Number(Atomics.load(words, COUNT.bytes))
  }
  return { records, bytes }
}
