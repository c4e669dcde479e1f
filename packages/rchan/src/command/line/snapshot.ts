import type { Command } from 'commander'
import { writeOut } from '../output.js'
import { positive } from './options.js'

export function addSnapshot(program: Command): void {
  program
    .command('snapshot')
    .description('Asks a process with a flight recording for a snapshot, and prints its folder.')
    .argument('<pid>', 'number of the process', positive('the number of a process', 2 ** 31, /^\d+$/))
    .option('--reason <text>', 'why; it stands in the trace')
    .option(
      '--timeout <seconds>',
      'how long to wait for it (default: 10)',
      positive('seconds, at most 3600', 3600),
    )
    .action(async (pid: number, { reason, timeout }: { reason?: string; timeout?: number }) => {
      const { requestSnapshot } = await import('@rchan/trace/recording')
      const { path } = await requestSnapshot(pid, {
        ...(reason === undefined ? {} : { reason }),
        ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
      })
      await writeOut(`${path}\n`)
    })
}
