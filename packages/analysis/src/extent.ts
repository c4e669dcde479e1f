/** From when to when a trace tells of each of its processes. */
import type { TraceItem, TraceProcess } from '@rchan/ctf/reader'

interface Range {
  from: bigint
  to: bigint
}

/** Follows the items of a trace. */
export class Extents {
  readonly #ofProcess = new Map<TraceProcess, Range>()
  #all: Range | undefined
  #process: TraceProcess | undefined
  #range: Range | undefined

  /** Notes the next item, in the order of time. */
  add(item: TraceItem): void {
    const { time } = item
    if (this.#all === undefined) this.#all = { from: time, to: time }
    else this.#all.to = time
    const thread = item.type === 'gap' ? undefined : item.thread
    if (thread === undefined) return
    const { process } = thread
    if (process !== this.#process) {
      this.#process = process
      this.#range = this.#ofProcess.get(process)
      if (this.#range === undefined) this.#ofProcess.set(process, (this.#range = { from: time, to: time }))
    }
    ;(this.#range as Range).to = time
  }

  /** The time of the first item; undefined without items. */
  get from(): bigint | undefined {
    return this.#all?.from
  }

  /** The time of the last item; undefined without items. */
  get to(): bigint | undefined {
    return this.#all?.to
  }

  /** The time of a process's first item; 0 if it has none. */
  fromOf(process: TraceProcess): bigint {
    return this.#ofProcess.get(process)?.from ?? 0n
  }

  /** The time of a process's last item so far; 0 if it has none. */
  toOf(process: TraceProcess): bigint {
    return this.#ofProcess.get(process)?.to ?? 0n
  }
}
