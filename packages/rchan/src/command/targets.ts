/** What a trace can become: the formats, and the page. */
import { FORMAT_FILES, type Format, type FormatFile } from '@rchan/export/format-files'
import { UsageError } from './fault.js'
import type { Output } from './output.js'

/** What a trace becomes: a format, or a page. */
export type Target = Format | 'html'

const FILES: Readonly<Record<Target, FormatFile>> = {
  ...FORMAT_FILES,
  html: { extension: '.html', description: 'a page', hint: 'open it in a browser' },
}

/** All targets. */
export const TARGETS = Object.keys(FILES) as readonly Target[]

/** The ends of names that tell a target. */
const ENDINGS = TARGETS.flatMap((target) =>
  [FILES[target].extension, ...(FILES[target].otherExtensions ?? [])].map((ending) => ({ ending, target })),
)

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
    const endings = ENDINGS.map(({ ending }) => ending).join(' ')
    throw new UsageError(
      `--report ${file}: its name does not tell the format: let it end in one of ${endings}`,
    )
  }
  return target
}

/** `.speedscope.json` is no `.json`. */
function targetNamed(file: string): Target | undefined {
  const found = ENDINGS.filter(({ ending }) => file.endsWith(ending))
  return found.toSorted((a, b) => b.ending.length - a.ending.length)[0]?.target
}

/** Returns what files are called: `.pftrace`. */
export function extensionOf(target: Target): string {
  return FILES[target].extension
}

/** Whether it is no text. */
export function isBinary(target: Target): boolean {
  return FILES[target].isBinary === true
}

/** Returns what to say of a file that was made. @param items of how many. */
export function madeText({ path }: Output, target: Target, items: number, bytes: number): string {
  const place = path ?? 'standard output'
  return `${place}: ${items} ${items === 1 ? 'item' : 'items'}, ${sizeText(bytes)}; ${FILES[target].hint}`
}

function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
