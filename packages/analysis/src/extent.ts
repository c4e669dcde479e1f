/** From when to when a trace tells of each of its processes. */
import type { TraceItem, TraceProcess } from '@rchan/ctf/reader'

interface Range {
  from: bigint
  to: bigint
}

/** Follows the items of a trace. */
export class Extents {
  readonly #ofProcess = new Map<TraceProcess, Range>()
  #from: bigint | undefined
  /** The time of the last item that was of no thread, or of another process than the one before. */
  #to: bigint | undefined
  #process: TraceProcess | undefined
  #range: Range | undefined

  /** Notes the next item, in the order of time. */
  add(item: TraceItem): void {
    const { time } = item
    if (this.#from === undefined) this.#from = time
    const thread = item.type === 'gap' ? undefined : item.thread
    if (thread === undefined) {
      this.#to = time
      return
    }
    const { process } = thread
    if (process !== this.#process) this.#switch(process, time)
    // One store: items are many, and what the collector must know of each store costs more than it.
    ;(this.#range as Range).to = time
  }

  #switch(process: TraceProcess, time: bigint): void {
    this.#to = time
    this.#process = process
    this.#range = this.#ofProcess.get(process)
    if (this.#range === undefined) this.#ofProcess.set(process, (this.#range = { from: time, to: time }))
  }

  /** The time of the first item; undefined without items. */
  get from(): bigint | undefined {
    return this.#from
  }

  /** The time of the last item; undefined without items. */
  get to(): bigint | undefined {
    const latest = this.#range?.to
    return latest !== undefined && latest > (this.#to as bigint) ? latest : this.#to
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
