/** A recording as one page: findings, a timeline, tables. No network, no other file. */
import { Analysis, type Model, type Task } from '@rchan/analysis'
import type { ItemOptions, ItemSource, TraceItem } from '@rchan/ctf/reader'
import { Buffer } from 'node:buffer'
import { deflateRawSync } from 'node:zlib'
import { pack } from './columns.js'
import { pageText } from './document.js'
import { Gatherer } from './gather.js'
import { script, style } from './page-source.js'

/** How a page is made. */
export interface ReportOptions extends ItemOptions {
  /** What stands above it; by default, the command that was recorded. */
  readonly title?: string | undefined
  /** The page becomes at most about so many bytes; shorter spans are left out then. */
  readonly mostBytes?: number | undefined
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
  const { title, mostBytes, ...selection } = options
  const report = new Report({ title, mostBytes })
  const analysis = new Analysis({ onTask: (task) => report.addTask(task) })
  for (const item of source.items(selection)) {
    analysis.push(item)
    report.push(item)
  }
  return report.page(analysis.result(), source)
}

/**
 * A page in the making, for who reads the items anyway, and has an analysis of them.
 *
 * @internal
 */
export class Report {
  readonly #gatherer = new Gatherer()
  readonly #title: string | undefined
  readonly #mostBytes: number

  constructor({ title, mostBytes = MOST_BYTES }: Pick<ReportOptions, 'title' | 'mostBytes'> = {}) {
    if (!Number.isSafeInteger(mostBytes) || mostBytes < 1) {
      throw new RangeError(`mostBytes=${mostBytes}: has to be a whole number, at least 1`)
    }
    this.#title = title
    this.#mostBytes = mostBytes
  }

  /** Takes the next item, in the order of time. */
  push(item: TraceItem): void {
    this.#gatherer.push(item)
  }

  /** Takes a task that the analysis tells of. */
  addTask(task: Task): void {
    this.#gatherer.addTask(task)
  }

  /**
   * Returns the page. No more can be pushed then.
   *
   * @param model that the analysis has made of the same items.
   */
  page(model: Model, source: Pick<ItemSource, 'wallClock'>): string {
    const head = {
      title: this.#title ?? titleOf(model),
      recorded: new Date(Number(source.wallClock(model.from) / 1_000_000n)),
    }
    for (;;) {
      const data = this.#gatherer.result(model)
      const packed = Buffer.from(deflateRawSync(pack(data), { level: 9 })).toString('base64')
      const text = pageText(head, model, data, packed, { script, style })
      const bytes = Buffer.byteLength(text)
      if (bytes <= this.#mostBytes) return text
      if (!this.#gatherer.shrink()) {
        throw new RangeError(`mostBytes=${this.#mostBytes}: the page takes ${bytes} bytes even without spans`)
      }
    }
  }
}

function titleOf({ processes }: Model): string {
  const commands = processes
    .map(({ command }) => command)
    .filter((command) => command !== undefined && command !== '')
  return commands[0] ?? 'Recording'
}
