/**
 * Captures the work of some CPUs through a relay channel. Here one thread plays all CPUs and the reader in turn.
 *
 * The reader pauses now and then: the buffers fill, and records are refused until it goes on.
 */
import { plainMachine, Relay } from 'rchan/relay'
import { BlktraceFiles } from './files.js'
import { workload, type Ledger, type WorkloadOptions } from './workload.js'

/** What is captured, and how. */
export interface CaptureOptions extends WorkloadOptions {
  readonly cpus: number
  /** Bytes in a sub-buffer. */
  readonly subbufSize: number
  /** Sub-buffers of a CPU. */
  readonly subbufCount: number
  /** The reader pauses this many batches after each stretch of as many; 0 if it never does. */
  readonly pauseBatches: number
}

/**
 * Writes `NAME.blktrace.0` and so on.
 *
 * @returns the ledgers of the CPUs.
 * @throws the error of the file system.
 */
export function capture(name: string, options: CaptureOptions): Ledger[] {
  const { cpus, subbufSize, subbufCount, pauseBatches, wallNs, ...work } = options
  const files = new BlktraceFiles(name)
  try {
    const channel = new Relay(plainMachine(cpus)).open({
      ...files.names,
      callbacks: files.callbacks,
      subbufSize,
      subbufCount,
    })
    const running = Array.from({ length: cpus }, (_, cpu) =>
      workload((record) => channel.write(cpu, record), cpu, {
        ...work,
        ...(cpu === 0 && wallNs !== undefined && { wallNs }),
      }),
    )
    const ledgers: Ledger[] = []
    for (let batch = 0; ledgers.length < cpus; batch += 1) {
      for (const [cpu, steps] of running.entries()) {
        const step = steps.next()
        if (step.done === true && step.value !== undefined) ledgers[cpu] = step.value
      }
      const isPaused = pauseBatches > 0 && batch % (2 * pauseBatches) >= pauseBatches
      if (!isPaused) files.drain()
    }
    files.drain()
    channel.close()
    return ledgers
  } finally {
    files.close()
  }
}
