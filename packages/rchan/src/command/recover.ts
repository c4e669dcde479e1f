/** `rchan recover`: a trace whose writing broke off becomes readable. */
import { join } from 'node:path'
import type { RecoveredStream } from '@rchan/ctf/reader'
import { CommandError } from './fault.js'
import { writeOut } from './output.js'
import { findTrace } from './trace-folder.js'

/** Repairs a trace, or each trace of a recording, and says what was cut off. */
export async function recover(path: string, force: boolean, say: (text: string) => void): Promise<void> {
  const { folders } = await findTrace(path, false, say)
  const { recoverTrace, TraceError } = await import('@rchan/ctf/reader')
  const failures: Error[] = []
  for (const folder of folders) {
    try {
      await writeOut(textOf(folder, recoverTrace(folder, { force })))
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
      failures.push(error)
    }
  }
  if (failures.length === 0) return
  const messages = failures.map(({ message }) => message.replace('use force', 'use --force'))
  throw new CommandError(messages.join('\n'), { cause: failures[0] })
}

function textOf(folder: string, streams: readonly RecoveredStream[]): string {
  if (streams.length === 0) return `${folder}: all packets are whole, nothing was cut off\n`
  const lines = streams.map(
    ({ file, packets, keptBytes, cutBytes }) =>
      `${join(folder, file)}: cut off ${cutBytes} bytes after the last whole packet; ${packets} ${packets === 1 ? 'packet is' : 'packets are'} left, ${keptBytes} bytes\n`,
  )
  return lines.join('')
}
