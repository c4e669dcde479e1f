/**
 * Captures the work of some CPUs through a relay channel. Each CPU is a thread. Runs on the main
 * thread, which is the relay's file thread and the reader.
 *
 * The reader pauses now and then. The buffers fill, and records are refused until it goes on. The
 * reader alone decides when it pauses, by the counts of the CPUs, so the result is the same on
 * every machine.
 */
import { setTimeout } from 'node:timers/promises'
import { Relay, threadMachine } from 'rchan/relay'
import { BlktraceFiles } from './files.js'
import { CpuThread, sharedWord } from './thread.js'
import type { Ledger } from './workload.js'

/** Options of a capture. */
export interface CaptureOptions {
  readonly cpus: number
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Number of sub-buffers of a CPU. */
  readonly subbufCount: number
  /** How often the reader pauses. Each pause lasts until every CPU has lost records. */
  readonly pauses: number
  /**
   * The least number of records that every CPU writes before the first pause, between two pauses,
   * and after the last.
   */
  readonly records: number
  /** The same seed makes the same requests. */
  readonly seed: number
  /** The CPU whose thread is terminated half-way, if any. */
  readonly killed?: number
}

/** The result of a CPU. */
export interface CpuReport {
  readonly cpu: number
  /** Records that the channel accepted, as the CPU counted them. */
  readonly written: number
  /** Records that it refused. */
  readonly refused: number
  /** The fate of its records. Absent for a thread that was terminated. */
  readonly ledger?: Ledger
}

/** How long the reader sleeps between two reads, in milliseconds. */
const LOOK_MS = 1
/** Milliseconds after which another thread's bytes have aged for sure. */
const AGED_MS = 20

/**
 * Writes `NAME.blktrace.0` and so on.
 *
 * @throws the error of the file system, or of a CPU.
 */
export async function capture(name: string, options: CaptureOptions): Promise<CpuReport[]> {
  const { cpus, subbufSize, subbufCount, pauses, records, seed, killed } = options
  const files = new BlktraceFiles(name)
  const threads: CpuThread[] = []
  const running = (): CpuThread[] => threads.filter(({ isRunning }) => isRunning)

  /** Calls `meanwhile` again and again until every running CPU has counted `more`. */
  const until = async (what: 'written' | 'refused', more: number, meanwhile: () => void): Promise<void> => {
    const goals = new Map(threads.map((thread) => [thread, thread[what] + more]))
    while (running().some((thread) => thread[what] < (goals.get(thread) ?? 0))) {
      meanwhile()
      await setTimeout(LOOK_MS)
    }
  }
  const drain = (): void => void files.drain()

  try {
    const relay = new Relay(threadMachine(), { possibleCpus: cpus })
    // The CPUs bring themselves online. Their files are made here.
    relay.serveFromEventLoop()
    const channel = relay.open({ ...files.names, callbacks: files.callbacks, subbufSize, subbufCount })
    const stop = sharedWord()
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const task = { relay: relay.memory, channel: channel.id, cpu, seed, stop }
      const wallNs = BigInt(Date.now()) * 1_000_000n
      threads.push(new CpuThread(cpu === 0 ? { ...task, wallNs } : task))
    }
    for (let pause = 0; pause < pauses; pause += 1) {
      await until('written', records, drain)
      if (pause === Math.floor(pauses / 2) && killed !== undefined) await threads[killed].terminate()
      // Two records, because a lost notice leaves no gap: the second one is an event.
      await until('refused', 2, () => undefined)
    }
    await until('written', records, drain)
    Atomics.store(stop, 0, 1)
    Atomics.notify(stop, 0)
    while (running().length > 0) {
      drain()
      await setTimeout(LOOK_MS)
    }
    // No thread writes any more. Where a death can't be proven, the bytes of a terminated thread
    // have to age.
    drain()
    await setTimeout(AGED_MS)
    drain()
    channel.close()
    return threads.map(({ cpu, written, refused, ledger }) => ({
      cpu,
      written,
      refused,
      ...(ledger !== undefined && { ledger }),
    }))
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()))
    files.close()
  }
}
