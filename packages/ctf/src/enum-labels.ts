/**
 * The labels of enumerations in others' metadata, by number. Ranges of numbers may overlap, and may
 * be many: a text is untrusted. The first label of a number counts. Pure functions, any thread.
 */
import type { EnumType } from './type-tree.js'

/** The labels of the numbers from each point up to the next one. */
interface Segments {
  readonly points: readonly bigint[]
  /** Undefined where no label is. */
  readonly labels: readonly (string | undefined)[]
  /** What was asked for: most enumerations have few values. */
  readonly known: Map<number | bigint, string | undefined>
}

const MAX_KNOWN = 4096
const segments = new WeakMap<EnumType, Segments>()
const lists = new WeakMap<EnumType, readonly string[]>()

/** Returns all labels, each once. */
export function labelsOf(type: EnumType): readonly string[] {
  let labels = lists.get(type)
  if (labels === undefined) {
    labels = [...new Set(type.ranges.map(({ label }) => label))]
    lists.set(type, labels)
  }
  return labels
}

/** Returns the label of a number; undefined if it has none. */
export function labelOf(type: EnumType, value: number | bigint): string | undefined {
  let of = segments.get(type)
  if (of === undefined) segments.set(type, (of = segmentsOf(type)))
  const { known } = of
  let label = known.get(value)
  if (label === undefined && !known.has(value)) {
    label = find(of, BigInt(value))
    if (known.size < MAX_KNOWN) known.set(value, label)
  }
  return label
}

function find({ points, labels }: Segments, value: bigint): string | undefined {
  let from = 0
  let to = points.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (points[middle] <= value) from = middle + 1
    else to = middle
  }
  return from === 0 ? undefined : labels[from - 1]
}

function segmentsOf({ ranges }: EnumType): Segments {
  const all = new Set<bigint>()
  for (const { first, last } of ranges) all.add(first).add(last + 1n)
  const points = [...all].sort((a, b) => (a < b ? -1 : 1))
  const indexes = new Map(points.map((point, index) => [point, index]))
  const labels: (string | undefined)[] = points.map(() => undefined)
  // Which segment from here on has no label yet. So each segment is looked at once.
  const free = Int32Array.from({ length: points.length + 1 }, (_, index) => index)
  const nextFree = (from: number): number => {
    let end = from
    while (free[end] !== end) end = free[end]
    for (let at = from; at !== end;) {
      const next = free[at]
      free[at] = end
      at = next
    }
    return end
  }
  for (const { label, first, last } of ranges) {
    const end = indexes.get(last + 1n) as number
    for (let at = nextFree(indexes.get(first) as number); at < end; at = nextFree(at + 1)) {
      labels[at] = label
      free[at] = at + 1
    }
  }
  return { points, labels, known: new Map() }
}
