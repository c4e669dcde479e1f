/**
 * One read of a trace, for all that is made of it: numbers, a model, a page, files.
 *
 *   trace ── item ──┬─▶ Analysis ── task ──▶ Report
 *                   ├─▶ Report
 *                   └─▶ MadeFile, one for each file
 *
 *   at the end          Analysis ── model ──▶ Report ── page ──▶ MadeFile
 *
 * All take an item before the next one is read, so there is only as much in memory as they keep.
 */
import type { Analysis, Model } from '@rchan/analysis'
import type { ItemOptions, Trace, TraceItem, TraceSet } from '@rchan/ctf/reader'
import type { Conversion } from '@rchan/export'
import type { Report } from '@rchan/report'
import { MadeFile } from './made-file.js'
import type { Output } from './output.js'
import { CountedSource } from './progress.js'
import { madeText, type Target } from './targets.js'

/** Something that is made of a trace's items. */
export interface Taker {
  /**
   * Takes the next item, in the order of time. A promise is waited for before another item is read;
   * it says whether more items are wanted.
   */
  push(item: TraceItem): Promise<boolean> | undefined | void
}

/** How a trace is read, and what it is called. */
export interface ReadingOptions {
  /** Which items. */
  readonly selection?: ItemOptions
  /** What stands above a page. */
  readonly title?: string | undefined
}

/** A trace that is read once. */
export class Reading {
  readonly source: CountedSource
  readonly #selection: ItemOptions
  readonly #title: string | undefined
  #takers: readonly Taker[] = []
  #analysis: Analysis | undefined
  #model: Model | undefined
  #report: Report | undefined

  constructor(trace: Trace | TraceSet, { selection = {}, title }: ReadingOptions = {}) {
    this.source = new CountedSource(trace)
    this.#selection = selection
    this.#title = title
  }

  /** Reads the items for this one, too. */
  add(taker: Taker): void {
    this.#takers = [...this.#takers, taker]
  }

  /** Makes a model, too. */
  async analyse(): Promise<void> {
    if (this.#analysis !== undefined) return
    const { Analysis } = await import('@rchan/analysis')
    this.#analysis = new Analysis({ onTask: (task) => this.#report?.addTask(task) })
    this.add(this.#analysis)
  }

  /** Makes a file, too. If that can't begin, nothing of it is left. */
  async makeFile(target: Target, out: Output): Promise<MadeFile> {
    let conversion: Conversion
    try {
      conversion = await this.#conversionTo(target)
    } catch (error) {
      await out.discard()
      throw error
    }
    const file = new MadeFile(target, conversion, out)
    this.add(file)
    return file
  }

  /** Reads. Ends early when nobody wants more. */
  async read(): Promise<void> {
    const items = this.source.items(this.#selection)[Symbol.iterator]()
    try {
      while (this.#takers.length > 0) {
        const waits = this.#readOn(items)
        if (waits === undefined) return
        const done = await Promise.all(waits)
        this.#takers = this.#takers.filter((taker) => !done.includes(taker))
      }
    } finally {
      items.return?.()
    }
  }

  /**
   * Reads until takers need time.
   *
   * @returns what to wait for: each gives the taker if it wants no more. Undefined at the end.
   */
  #readOn(items: Iterator<TraceItem>): Promise<Taker | undefined>[] | undefined {
    const takers = this.#takers
    for (let next = items.next(); next.done !== true; next = items.next()) {
      let waits: Promise<Taker | undefined>[] | undefined
      for (const taker of takers) {
        const taken = taker.push(next.value)
        if (taken === undefined) continue
        waits = [...(waits ?? []), taken.then((wantsMore) => (wantsMore ? undefined : taker))]
      }
      if (waits !== undefined) return waits
    }
    return undefined
  }

  /** Ends a file. @returns what to say of it. */
  async finish(file: MadeFile): Promise<string> {
    const bytes = await file.finish()
    return madeText(file.out, file.target, this.source.count, bytes)
  }

  /** The model, once all has been read. */
  get model(): Model {
    if (this.#analysis === undefined) throw new TypeError('no model was asked for')
    return (this.#model ??= this.#analysis.result())
  }

  async #conversionTo(target: Target): Promise<Conversion> {
    if (target === 'html') return this.#conversionToPage()
    const { FORMATS } = await import('@rchan/export')
    return FORMATS[target].start(this.source, this.#selection)
  }

  /** Several files with the page have one {@link Report}. */
  async #conversionToPage(): Promise<Conversion> {
    await this.analyse()
    if (this.#report === undefined) {
      const { Report } = await import('@rchan/report')
      this.#report = new Report({ title: this.#title })
      this.add(this.#report)
    }
    const report = this.#report
    return { push: () => undefined, finish: () => [report.page(this.model, this.source)] }
  }
}
