/** What a trace can become: the formats, and the page. */
import type { Format } from '@rchan/export'
import { UsageError } from './fault.js'
import type { Output } from './output.js'

/** What a trace becomes: a format, or a page. */
export type Target = Format | 'html'

/** Targets by the extensions of files. */
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

/** What can be done with a file. */
const HINTS: Readonly<Record<Target, string>> = {
  perfetto: 'open it at https://ui.perfetto.dev',
  chrome: 'open it at https://ui.perfetto.dev, or in the Performance panel of DevTools',
  speedscope: 'open it at https://www.speedscope.app',
  jsonl: 'one item a line',
  csv: 'one item a row',
  svg: 'open it in a browser',
  html: 'open it in a browser',
}

/** All targets. */
export const TARGETS = Object.keys(HINTS) as readonly Target[]

/** Returns what the name of a file tells. @throws UsageError if it tells nothing. */
export function targetOfFile(output: string | undefined): Target {
  const names = `${TARGETS.slice(0, -1).join(', ')} or ${TARGETS.at(-1)}`
  if (output === undefined || output === '-') throw new UsageError(`which format? Say --to ${names}`)
  const target = targetNamed(output)
  if (target === undefined) {
    throw new UsageError(`-o ${output}: its name does not tell the format: say --to ${names}`)
  }
  return target
}

/** Returns what the name of a report tells. @throws UsageError if it tells nothing. */
export function targetOfReport(file: string): Target {
  const target = targetNamed(file)
  if (target === undefined) {
    const endings = Object.keys(EXTENSIONS).join(' ')
    throw new UsageError(
      `--report ${file}: its name does not tell the format: let it end in one of ${endings}`,
    )
  }
  return target
}

function targetNamed(file: string): Target | undefined {
  return Object.entries(EXTENSIONS).find(([ending]) => file.endsWith(ending))?.[1]
}

/** Returns what files are called: `.pftrace`. */
export async function extensionOf(target: Target): Promise<string> {
  if (target === 'html') return '.html'
  const { FORMATS } = await import('@rchan/export')
  return FORMATS[target].extension
}

/** Returns what to say of a file that was made. @param items of how many. */
export function madeText({ path }: Output, target: Target, items: number, bytes: number): string {
  const place = path ?? 'standard output'
  return `${place}: ${items} ${items === 1 ? 'item' : 'items'}, ${sizeText(bytes)}; ${HINTS[target]}`
}

function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
