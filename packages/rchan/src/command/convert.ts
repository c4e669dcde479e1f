/** `rchan convert` and `rchan report`: a trace as other programs want it, or as a page. */
import { UsageError } from './fault.js'
import { openGrowing, ReaderGone, standardOutput } from './output.js'
import { openOutside } from './outside.js'
import { CountedSource } from './progress.js'
import { Reading } from './reading.js'
import { commandOf } from './recording-file.js'
import { selectionOf, tellNothing, type SelectionOptions } from './selection.js'
import { extensionOf, isBinary, madeText, targetOfFile, type Target } from './targets.js'
import { findTrace, openMeant } from './trace-folder.js'

/** As the command line has them. */
export interface ConvertOptions extends SelectionOptions {
  readonly to?: Target
  readonly output?: string
  readonly force?: boolean
  readonly all?: boolean
  /** Whether to go on while the trace is recorded. */
  readonly follow?: boolean
}

/** Converts a trace, and says where it is. */
export async function convert(
  path: string,
  options: ConvertOptions,
  say: (text: string) => void,
): Promise<void> {
  const { to, output, force = false, all = false, follow = false, ...selection } = options
  if (output === '') throw new UsageError('-o: the name of the file is empty')
  if (follow) {
    await convertLive(path, options, say)
    return
  }
  const target = to ?? targetOfFile(output)
  if (output === '-' && isBinary(target) && process.stdout.isTTY) {
    throw new UsageError(`-o -: ${target} is no text, and standard output is a terminal: give a file with -o`)
  }
  const meant = await findTrace(path, all, say)
  const trace = await openMeant(meant, say)
  const reading = new Reading(trace, {
    selection: selectionOf(selection, trace),
    title: commandOf(meant.folder),
  })
  const place = output ?? `${meant.folder}${extensionOf(target)}`
  const out = place === '-' ? standardOutput() : await openOutside(place, meant.folders, force)
  const file = await reading.makeFile(target, out)
  try {
    await reading.read()
  } catch (error) {
    await file.discard()
    throw error
  }
  try {
    const made = await reading.finish(file)
    tellLacks(reading.source, selection, say)
    say(made)
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error
  }
}

/**
 * Converts a trace while it is recorded. Ends with the recording, or when nobody reads any more.
 */
async function convertLive(
  path: string,
  { to, output = '-', force = false, all = false, ...selection }: ConvertOptions,
  say: (text: string) => void,
): Promise<void> {
  const { FORMATS } = await import('@rchan/export')
  const followed = Object.entries(FORMATS).filter(([, { follow }]) => follow !== undefined)
  const names = followed.map(([name]) => name).join(' or ')
  if (to === undefined && output === '-')
    throw new UsageError(`which format? With --follow say --to ${names}`)
  const target = to ?? targetOfFile(output)
  const pieces = target === 'html' ? undefined : FORMATS[target].follow
  if (pieces === undefined) {
    throw new UsageError(
      `--follow: ${target} needs the whole trace: convert it when it has ended, or say --to ${names}`,
    )
  }
  const meant = await findTrace(path, all, say)
  const trace = await openMeant(meant)
  const source = new CountedSource(trace)
  const wanted = selectionOf(selection, trace)
  const out = output === '-' ? standardOutput() : await openOutside(output, meant.folders, force, openGrowing)
  let bytes = 0
  try {
    for await (const piece of pieces(source, wanted)) {
      const text = Buffer.from(piece)
      await out.write(text)
      bytes += text.length
    }
    await out.finish()
  } catch (error) {
    await out.discard()
    if (error instanceof ReaderGone) return
    throw error
  }
  tellLacks(source, selection, say)
  say(madeText(out, target, source.count, bytes))
}

/** Says what is not in what was written. */
function tellLacks(
  { lossText, hasEvents }: CountedSource,
  selection: SelectionOptions,
  say: (text: string) => void,
): void {
  if (lossText !== undefined) say(lossText)
  if (!hasEvents) tellNothing(selection, say)
}
