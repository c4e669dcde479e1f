/**
 * Where a trace has losses, so far: for a thread, for a CPU, and at all. In bounded memory: of each
 * the last {@link MOST} are known, and older ones as one that reaches from the first to the last.
 */
import type { GapItem, LossItem, TraceThread } from '@rchan/ctf/reader'

const MOST = 64

interface Marks {
  readonly froms: bigint[]
  readonly tos: bigint[]
}

/** Collects losses, and tells what they touch. */
export class LossMarks {
  readonly #ofThread = new Map<TraceThread, Marks>()
  readonly #ofCpu = new Map<number, Marks>()
  #latest: bigint | undefined

  /** Where the latest loss ends: from there on the trace is whole. Undefined without losses. */
  get latest(): bigint | undefined {
    return this.#latest
  }

  add(item: LossItem | GapItem): void {
    const { from, to, cpu } = item
    if (this.#latest === undefined || to > this.#latest) this.#latest = to
    const thread = item.type === 'loss' ? item.thread : undefined
    const marks = thread === undefined ? entry(this.#ofCpu, cpu) : entry(this.#ofThread, thread)
    marks.froms.push(from)
    marks.tos.push(to)
    if (marks.froms.length > MOST) {
      const [from1, from2] = marks.froms
      const [to1, to2] = marks.tos
      marks.froms.splice(0, 2, from1 < from2 ? from1 : from2)
      marks.tos.splice(0, 2, to1 > to2 ? to1 : to2)
    }
  }

  /** Tells whether a loss of a thread, or of its CPU, lies between two times. */
  touches(thread: TraceThread, start: bigint, end: bigint): boolean {
    if (this.#latest === undefined || this.#latest < start) return false
    return within(this.#ofThread.get(thread), start, end) || within(this.#ofCpu.get(thread.cpu), start, end)
  }
}

function entry<K>(map: Map<K, Marks>, key: K): Marks {
  let marks = map.get(key)
  if (marks === undefined) map.set(key, (marks = { froms: [], tos: [] }))
  return marks
}

function within(marks: Marks | undefined, start: bigint, end: bigint): boolean {
  if (marks === undefined) return false
  for (let index = marks.froms.length - 1; index >= 0; index -= 1) {
    if (marks.froms[index] <= end && marks.tos[index] >= start) return true
  }
  return false
}
