/**
 * A run: a runtime in this process, a consumer thread, and workers that are spawned and retired
 * while the others write.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startRuntime, type RuntimeChannel, type SpawnedCpu } from 'rchan/runtime'
import { COUNT, countsOf, createCounts } from './counts.js'

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
  readonly workers: number
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
const WORKER = new URL('./worker.js', import.meta.url)
const SINK = new URL('./sink.js', import.meta.url)

export async function run(options: RunOptions): Promise<Result> {
  const { workers, signal, tell, respawnSeconds, recordBytes, rate, mode } = options
  // This thread is CPU 0, and writes nothing.
  const possibleCpus = workers + 1
  const memoryBytes = possibleCpus * (SUBBUF.subbufSize * SUBBUF.subbufCount + 65536)
  await using runtime = await startRuntime({ possibleCpus, memoryBytes })
  const channel = runtime.open({ ...SUBBUF, name: 'records', mode })
  const counts = createCounts(possibleCpus)
  const consumer = await runtime.startConsumer({ channels: [channel], sink: SINK, init: counts })
  const workerData = { counts, recordBytes, rate }
  const spawned: SpawnedCpu[] = await Promise.all(
    Array.from({ length: workers }, () => runtime.spawn(WORKER, { workerData })),
  )

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
      const index = turn % workers
      const cpu = spawned[index].number
      turn += 1
      await runtime.retire(cpu)
      spawned[index] = await runtime.spawn(WORKER, { workerData, cpu })
    }
    if (seconds() < before.seconds + 1) continue
    const now = { seconds: seconds(), ...delivered(counts, possibleCpus) }
    tell({
      seconds: now.seconds - before.seconds,
      records: now.records - before.records,
      bytes: now.bytes - before.bytes,
    })
    Object.assign(before, now)
  }
  await Promise.all(spawned.map(({ number }) => runtime.retire(number)))
  const ranSeconds = seconds()
  // The workers have ended, so all counts are exact.
  const totals = await consumer.stop()
  const cpus = spawned.map(({ number: cpu, generation }): CpuResult => {
    const { records = 0, overwritten = 0, bytes = 0 } = totals.find((each) => each.cpu === cpu) ?? {}
    return {
      cpu,
      workers: generation,
      attempted: Number(Atomics.load(countsOf(counts, cpu), COUNT.attempted)),
      delivered: records,
      discarded: discardedOf(channel, cpu),
      overwritten,
      bytes,
    }
  })
  return { seconds: ranSeconds, cpus: cpus.sort((a, b) => a.cpu - b.cpu) }
}

function discardedOf(channel: RuntimeChannel, cpu: number): number {
  const { full, tooBig, bad } = channel.discarded(cpu)
  return full + tooBig + bad
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
