/** `rchan convert`: a trace as other programs want it. */
import { dirname, isAbsolute, join, basename, relative, resolve, sep } from 'node:path'
import { readdirSync, realpathSync, statSync, type Stats } from 'node:fs'
import type { Format, FormatDescription } from '@rchan/export'
import { CommandError, UsageError } from './fault.js'
import { openFile, openGrowing, ReaderGone, standardOutput, type Output } from './output.js'
import { CountedSource } from './progress.js'
import { selectionOf, tellNothing, type SelectionOptions } from './selection.js'
import { commandOf } from './recording-file.js'
import { findTrace, openMeant, type Meant } from './trace-folder.js'

/** What a trace becomes: a format, or a page. */
export type Target = Format | 'html'

/** As the command line has them. */
export interface ConvertOptions extends SelectionOptions {
  readonly to?: Target
  readonly output?: string
  readonly force?: boolean
  readonly all?: boolean
  /** Whether to go on while the trace is recorded. */
  readonly follow?: boolean
}

/** Formats by the extensions of files. */
const EXTENSIONS: Readonly<Record<string, Target>> = {
  '.pftrace': 'perfetto',
  '.perfetto-trace': 'perfetto',
  '.speedscope.json': 'speedscope',
  '.json': 'chrome',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.svg': 'svg',
  '.html': 'html',
}
/** Formats that are not text. */
const BINARY: readonly Target[] = ['perfetto']
/** Formats that a recording that still runs can be converted to. */
const FOLLOWED = ['jsonl', 'csv'] as const
/** So many bytes are written at once. */
const BATCH_BYTES = 2 ** 18

const HINTS: Readonly<Record<Target, string>> = {
  perfetto: 'open it at https://ui.perfetto.dev',
  chrome: 'open it at https://ui.perfetto.dev, or in the Performance panel of DevTools',
  speedscope: 'open it at https://www.speedscope.app',
  jsonl: 'one item a line',
  csv: 'one item a row',
  svg: 'open it in a browser',
  html: 'open it in a browser',
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
  const format = to ?? formatOfFile(output)
  if (output === '-' && BINARY.includes(format) && process.stdout.isTTY) {
    throw new UsageError(`-o -: ${format} is no text, and standard output is a terminal: give a file with -o`)
  }
  const meant = await findTrace(path, all, say)
  const trace = await openMeant(meant, say)
  const { convert: pieces, extension } = await makerOf(format, meant)
  const ends = ('traces' in trace ? trace.traces : [trace]).map(({ facts }) => facts?.end)
  const source = new CountedSource(trace, ends.length === 1 ? ends[0] : undefined)
  const wanted = selectionOf(selection, trace)
  const target = output ?? `${meant.folder}${extension}`
  const out = target === '-' ? standardOutput() : await openOutside(target, meant, force)
  let bytes: number
  try {
    bytes = await writePieces(pieces(source, wanted), out)
    source.clear()
    await out.finish()
  } catch (error) {
    source.clear()
    await out.discard()
    if (error instanceof ReaderGone) return
    throw error
  }
  tellEnd(source, selection, out, bytes, HINTS[format], say)
}

/**
 * Converts a trace while it is recorded. Ends with the recording, or when nobody reads any more.
 */
async function convertLive(
  path: string,
  { to, output = '-', force = false, all = false, ...selection }: ConvertOptions,
  say: (text: string) => void,
): Promise<void> {
  const names = FOLLOWED.join(' or ')
  if (to === undefined && output === '-')
    throw new UsageError(`which format? With --follow say --to ${names}`)
  const format = to ?? formatOfFile(output)
  const { FORMATS } = await import('@rchan/export')
  const pieces = format === 'html' ? undefined : FORMATS[format].follow
  if (pieces === undefined) {
    throw new UsageError(
      `--follow: ${format} needs the whole trace: convert it when it has ended, or say --to ${names}`,
    )
  }
  const meant = await findTrace(path, all, say)
  const trace = await openMeant(meant)
  const source = new CountedSource(trace, undefined)
  const wanted = selectionOf(selection, trace)
  const out = output === '-' ? standardOutput() : await openOutside(output, meant, force, openGrowing)
  let bytes = 0
  try {
    for await (const piece of pieces(source, wanted)) {
      const text = Buffer.from(piece)
      await out.write(text)
      bytes += text.length
    }
    source.clear()
    await out.finish()
  } catch (error) {
    source.clear()
    await out.discard()
    if (error instanceof ReaderGone) return
    throw error
  }
  tellEnd(source, selection, out, bytes, HINTS[format], say)
}

/** Says what was written, and what it lacks. */
function tellEnd(
  source: CountedSource,
  selection: SelectionOptions,
  { path }: Output,
  bytes: number,
  hint: string,
  say: (text: string) => void,
): void {
  if (source.lost > 0)
    say(`${source.lost} ${source.lost === 1 ? 'event was' : 'events were'} lost while this was recorded`)
  if (!source.hasEvents) tellNothing(selection, say)
  say(
    `${path ?? 'standard output'}: ${source.count} ${source.count === 1 ? 'item' : 'items'}, ${sizeText(bytes)}; ${hint}`,
  )
}

type Maker = Pick<FormatDescription, 'convert' | 'extension'>

async function makerOf(target: Target, { folder }: Meant): Promise<Maker> {
  if (target !== 'html') {
    const { FORMATS } = await import('@rchan/export')
    return FORMATS[target]
  }
  const { toReport } = await import('@rchan/report')
  const title = commandOf(folder)
  return {
    extension: '.html',
    *convert(source, options) {
      yield toReport(source, { ...options, ...(title === undefined ? {} : { title }) })
    },
  }
}

/** Returns the format that the name of a file tells. @throws UsageError if it tells none. */
function formatOfFile(output: string | undefined): Target {
  const names = Object.keys(HINTS)
    .join(', ')
    .replace(/, (\w+)$/, ' or $1')
  if (output === undefined || output === '-') throw new UsageError(`which format? Say --to ${names}`)
  const format = formatNamed(output)
  if (format === undefined) {
    throw new UsageError(`-o ${output}: its name does not tell the format: say --to ${names}`)
  }
  return format
}

/** Checks the name of a report. @throws UsageError if it does not tell the format. */
export function checkReport(file: string): void {
  if (formatNamed(file) !== undefined) return
  const endings = Object.keys(EXTENSIONS).join(' ')
  throw new UsageError(`--report ${file}: its name does not tell the format: let it end in one of ${endings}`)
}

function formatNamed(file: string): Target | undefined {
  return Object.entries(EXTENSIONS).find(([ending]) => file.endsWith(ending))?.[1]
}

/** Opens a file that does not lie in a trace: no reader would take that trace then. */
async function openOutside(
  target: string,
  { folders }: Meant,
  force: boolean,
  open = openFile,
): Promise<Output> {
  const place = resolve(target)
  // A link is looked at, and where it leads to.
  const places = [join(realOf(dirname(place)), basename(place)), realOf(place)]
  for (const folder of folders) {
    if (places.some((each) => isWithin(each, realOf(folder))) || hasFile(folder, place)) {
      throw new CommandError(
        `${target}: is in the folder of the trace, which could not be read any more: choose another place with -o`,
      )
    }
  }
  return await open(target, force)
}

function isWithin(path: string, folder: string): boolean {
  const within = relative(folder, path)
  return within.split(sep)[0] !== '..' && !isAbsolute(within)
}

/** Whether a file is one of a folder's, under another name. */
function hasFile(folder: string, path: string): boolean {
  const wanted = statOf(path)
  if (wanted?.isFile() !== true || wanted.nlink < 2) return false
  return readdirSync(folder).some((name) => {
    const there = statOf(join(folder, name))
    return there?.ino === wanted.ino && there.dev === wanted.dev
  })
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

/** Writes the pieces, many at once. @returns the number of bytes. */
async function writePieces(pieces: Iterable<Uint8Array | string>, out: Output): Promise<number> {
  let batch: Uint8Array[] = []
  let size = 0
  let total = 0
  const flush = async (): Promise<void> => {
    await out.write(batch.length === 1 ? batch[0] : Buffer.concat(batch))
    total += size
    batch = []
    size = 0
  }
  for (const piece of pieces) {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    batch.push(bytes)
    size += bytes.length
    if (size >= BATCH_BYTES) await flush()
  }
  if (size > 0) await flush()
  return total
}

function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
