import type { Command } from 'commander'
import { TRACE, type Say } from './options.js'

export function addRecover(program: Command, say: Say): void {
  program
    .command('recover')
    .description('Cuts the streams of a trace whose writing broke off back to whole packets.')
    .argument('<trace>', TRACE)
    .option('-f, --force', 'also if a process with the number of the recording one runs')
    .action(async (trace: string, { force = false }: { force?: boolean }) => {
      const { recover } = await import('../recover.js')
      await recover(trace, force, say)
    })
}
