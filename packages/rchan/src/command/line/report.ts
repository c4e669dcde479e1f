import type { Command } from 'commander'
import type { ConvertOptions } from '../convert.js'
import { selecting, writing, type Say } from './options.js'

export function addReport(program: Command, say: Say): void {
  selecting(
    writing(
      program
        .command('report')
        .description('Writes a page: what is wrong, what every thread did, the slowest tasks.'),
    ),
  ).action(async (trace: string, options: Omit<ConvertOptions, 'to'>) => {
    const { convert } = await import('../convert.js')
    await convert(trace, { ...options, to: 'html' }, say)
  })
}
