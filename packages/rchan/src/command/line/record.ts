import { join } from 'node:path'
import type { Command } from 'commander'
import type { RecordOptions } from '../record.js'
import { collectOver, collectPattern, positive, type Say } from './options.js'

/** As the command line has them. `probe` is true if none is given. */
type GivenOptions = Omit<RecordOptions, 'probe'> & { readonly probe?: boolean | string[] }

const PROBES_HELP = `
Probes: threads, tasks, messages, gc, loop, cpu, io, samples, arguments.
\`all\` leaves out arguments: those of tasks, which may be secret.

The exit code is that of the command.
`

/** @param exitWith is told the exit code of the program that was recorded. */
export function addRecord(program: Command, say: Say, exitWith: (code: number) => void): void {
  program
    .command('record')
    .description('Runs a command, and records each Node process of it, as it is.')
    .argument('<command...>', 'the program and its arguments: node app.js')
    .passThroughOptions()
    .option('--dir <folder>', 'folder of the recording (default: rchan-TIME)')
    .option('--probe <name>', 'record this, too; `all` for all (repeatable)', collectOver)
    .option('--no-probe <name>', 'leave this out (repeatable)', (name: string, before: unknown) =>
      collectOver(`-${name}`, before),
    )
    .option('--events <pattern>', 'only events of this name; see rchan convert (repeatable)', collectPattern)
    .option('--buffer-size <MiB>', 'buffer of each thread (default: 4)', positive('MiB, at most 256', 256))
    .option('--flight', 'keep only the last moments, and write them when rchan snapshot asks')
    .option(
      '--report <file>',
      'at the end, write a page (.html), a picture (.svg), or what else the extension says (repeatable; default: report.html in the folder)',
      collectOver,
    )
    .option('--no-report', 'write no page')
    .option('-f, --force', 'replace a recording that is in the folder')
    .option('-q, --quiet', 'no line of progress')
    .addHelpText('after', PROBES_HELP)
    .action(async (command: string[], { bufferSize, probe, ...options }: GivenOptions) => {
      const { record } = await import('../record.js')
      const given: RecordOptions = {
        ...options,
        probe: Array.isArray(probe) ? probe : [],
        ...(bufferSize === undefined ? {} : { bufferSize: Math.round(bufferSize * 2 ** 20) }),
      }
      exitWith(await record(command, given, join(__dirname, '../cjs/auto.js'), say))
    })
}
