/** `rchan recover`: a trace whose process was killed while it wrote becomes readable. */
import { join } from 'node:path'
import { CommandError } from './fault.js'
import { writeOut } from './output.js'
import { findTrace } from './trace-folder.js'

/** Repairs a trace, and says what was cut off. */
export async function recover(path: string, force: boolean, say: (text: string) => void): Promise<void> {
  const [folder] = (await findTrace(path, false, say)).folders
  const { recoverTrace, TraceError } = await import('@rchan/ctf/reader')
  let streams
  try {
    streams = recoverTrace(folder, { force })
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    throw new CommandError(error.message.replace('use force', 'use --force'), { cause: error })
  }
  const lines = streams.map(
    ({ file, packets, keptBytes, cutBytes }) =>
      `${join(folder, file)}: cut off ${cutBytes} bytes after the last whole packet; ${packets} ${packets === 1 ? 'packet is' : 'packets are'} left, ${keptBytes} bytes\n`,
  )
  await writeOut(
    lines.length === 0 ? `${folder}: all packets are whole, nothing was cut off\n` : lines.join(''),
  )
}
