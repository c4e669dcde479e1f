import { Option, type Command } from 'commander'
import type { ConvertOptions } from '../convert.js'
import { TARGETS } from '../targets.js'
import { selecting, writing, type Say } from './options.js'

export function addConvert(program: Command, say: Say): void {
  selecting(
    writing(
      program
        .command('convert')
        .description('Converts a trace to the format of another program.')
        .addOption(
          new Option('--to <format>', 'format; without it, the extension of -o decides').choices(TARGETS),
        ),
    ).option(
      '--follow',
      'go on while it is recorded: each item as it comes; only jsonl and csv (default output: -)',
    ),
  ).action(async (trace: string, options: ConvertOptions) => {
    const { convert } = await import('../convert.js')
    await convert(trace, options, say)
  })
}
