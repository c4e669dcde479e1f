import type { Command } from 'commander'
import type { SummaryOptions } from '../summary.js'
import { selecting, TRACE, type Say } from './options.js'

export function addSummary(program: Command, say: Say): void {
  selecting(
    program
      .command('summary')
      .description('Prints what a trace says in numbers: each tracepoint, each thread, losses.')
      .argument('<trace>', TRACE)
      .option('--json', 'as JSON'),
  ).action(async (trace: string, options: SummaryOptions) => {
    const { printSummary } = await import('../summary.js')
    await printSummary(trace, options, say)
  })
}
