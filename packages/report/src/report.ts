/** A recording as one page: findings, a timeline, tables. No network, no other file. */
import { Analysis, type Model } from '@rchan/analysis'
import type { ItemOptions, ItemSource } from '@rchan/ctf/reader'
import { Buffer } from 'node:buffer'
import { deflateRawSync } from 'node:zlib'
import { pack } from './columns.js'
import { pageText } from './document.js'
import { Gatherer } from './gather.js'
import { script, style } from './page-source.js'

/** How a page is made. */
export interface ReportOptions extends ItemOptions {
  /** What stands above it; by default, the command that was recorded. */
  readonly title?: string
  /** The page becomes at most about so many bytes; shorter spans are left out then. */
  readonly mostBytes?: number
}

const MOST_BYTES = 10_000_000

/**
 * Makes a page of a recording.
 *
 * @param source a trace, or several that were opened together.
 * @returns HTML: one piece of text.
 * @throws RangeError if `mostBytes` is too small for a page.
 * @example
 * writeFileSync('report.html', toReport(openTrace('./trace')))
 */
export function toReport(source: ItemSource, options: ReportOptions = {}): string {
  const { title, mostBytes = MOST_BYTES, ...selection } = options
  if (!Number.isSafeInteger(mostBytes) || mostBytes < 1) {
    throw new RangeError(`mostBytes=${mostBytes}: has to be a whole number, at least 1`)
  }
  const gatherer = new Gatherer()
  const analysis = new Analysis({ onTask: (task) => gatherer.addTask(task) })
  for (const item of source.items(selection)) {
    analysis.push(item)
    gatherer.push(item)
  }
  const model = analysis.result()
  const head = {
    title: title ?? titleOf(model),
    recorded: new Date(Number(source.wallClock(model.from) / 1_000_000n)),
  }
  for (;;) {
    const data = gatherer.result(model)
    const packed = Buffer.from(deflateRawSync(pack(data), { level: 9 })).toString('base64')
    const text = pageText(head, model, data, packed, { script, style })
    const bytes = Buffer.byteLength(text)
    if (bytes <= mostBytes) return text
    if (!gatherer.shrink()) {
      throw new RangeError(`mostBytes=${mostBytes}: the page takes ${bytes} bytes even without spans`)
    }
  }
}

function titleOf({ processes }: Model): string {
  const commands = processes
    .map(({ command }) => command)
    .filter((command) => command !== undefined && command !== '')
  return commands[0] ?? 'Recording'
}
