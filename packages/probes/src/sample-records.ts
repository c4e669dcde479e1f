/** Writes a slice of V8's CPU profile into the trace. */
import type { Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { t, tracepoint } from '@rchan/trace'
import type { ProfileSlice } from './cpu-profiler.js'
import { late } from './late.js'

/** Texts that a thread enters into the trace's table of strings, which others need, too. */
const MOST_NAMES = 4096
const MOST_FILES = 1024
const LONGEST_TEXT = 200
const ANOTHER = '…'

/**
 * A stack that samples of the same slice have: a function on top of another stack (0: of none).
 * Each slice tells its stacks anew, so a loss spoils no other one.
 */
const stack = late(() =>
  tracepoint('sample:stack', {
    slice: 'u32',
    id: 'u32',
    parent: 'u32',
    function: 'interned',
    file: 'interned',
    line: 'u32',
    column: 'u32',
  }),
)
/**
 * The thread had this stack when V8 looked, `count` times one after the other; with the time of the
 * first. `duration` is the time until the next one.
 */
const sample = late(() =>
  tracepoint('sample', {
    slice: 'u32',
    stack: 'u32',
    count: 'u32',
    duration: t.u64({ unit: 'ns' }),
  }),
)

/** Whether anybody wants samples. */
export function areSamplesWanted(): boolean {
  return sample().enabled
}

/** Texts of which only so many are kept. */
class Texts {
  readonly #known = new Set<string>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** Returns the text, or what stands for another one. */
  kept(text: string): string {
    const short = text.length > LONGEST_TEXT ? `…${text.slice(1 - LONGEST_TEXT)}` : text
    if (this.#known.has(short)) return short
    if (this.#known.size >= this.#most) return ANOTHER
    this.#known.add(short)
    return short
  }
}

/** Writes slices. */
export class SampleRecords {
  readonly #names = new Texts(MOST_NAMES)
  readonly #files = new Texts(MOST_FILES)
  /** The files of the URLs that V8 gives. */
  readonly #paths = new Map<string, string>()
  #slice = 0

  /** Writes the stacks of a slice, and then its samples. */
  tell({ profile, shift }: ProfileSlice): void {
    const { nodes, samples = [], timeDeltas = [], startTime, endTime } = profile
    this.#slice += 1
    const tree = new ProfileTree(nodes)
    let time = startTime
    let from = 0
    let current = 0
    let count = 0
    const tellOne = (until: number): void => {
      if (count === 0) return
      this.#tellStacks(tree, current)
      sample().at(BigInt(Math.round(from)) * 1000n + shift, {
        slice: this.#slice,
        stack: current,
        count,
        duration: BigInt(Math.max(0, Math.round(until - from))) * 1000n,
      })
      count = 0
    }
    for (let index = 0; index < samples.length; index += 1) {
      time += Math.max(0, timeDeltas[index] ?? 0)
      // The first one V8 takes by itself, of the call that starts the slice.
      if (index === 0) continue
      const id = samples[index]
      if (count > 0 && id === current) {
        count += 1
        continue
      }
      tellOne(time)
      if (!tree.has(id)) continue
      current = id
      from = time
      count = 1
    }
    tellOne(Math.max(time, endTime))
  }

  /** Tells a stack, and before it those that it stands on, if they are not told. */
  #tellStacks(tree: ProfileTree, id: number): void {
    for (const { node, parent } of tree.take(id)) {
      const { functionName, url, lineNumber, columnNumber } = node.callFrame
      stack()({
        slice: this.#slice,
        id: node.id,
        parent,
        function: this.#names.kept(functionName),
        file: this.#fileOf(url),
        // From 1; V8 counts from 0.
        line: (lineNumber + 1) >>> 0,
        column: (columnNumber + 1) >>> 0,
      })
    }
  }

  #fileOf(url: string): string {
    let path = this.#paths.get(url)
    if (path === undefined) {
      path = this.#files.kept(pathOf(url))
      if (this.#paths.size < MOST_FILES) this.#paths.set(url, path)
    }
    return path
  }
}

type Node = Profiler.ProfileNode

/** The tree of stacks of a profile. Its root, which is no function, has no stack. */
class ProfileTree {
  readonly #nodes = new Map<number, { readonly node: Node; parent: number; isTaken: boolean }>()

  constructor(nodes: readonly Node[]) {
    const [root] = nodes
    for (const node of nodes) this.#nodes.set(node.id, { node, parent: 0, isTaken: false })
    for (const { id, children = [] } of nodes) {
      for (const child of children) {
        const entry = this.#nodes.get(child)
        if (entry !== undefined) entry.parent = id === root.id ? 0 : id
      }
    }
    if (root !== undefined) this.#nodes.delete(root.id)
  }

  has(id: number): boolean {
    return this.#nodes.has(id)
  }

  /** Returns what has not been taken yet of a stack, the outermost first. */
  take(id: number): { readonly node: Node; readonly parent: number }[] {
    const path: { readonly node: Node; readonly parent: number }[] = []
    for (let entry = this.#nodes.get(id); entry?.isTaken === false; entry = this.#nodes.get(entry.parent)) {
      entry.isTaken = true
      path.push(entry)
    }
    return path.toReversed()
  }
}

function pathOf(url: string): string {
  if (!url.startsWith('file:')) return url
  try {
    return fileURLToPath(url)
  } catch {
    return url
  }
}
