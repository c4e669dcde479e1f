import type { ThreadUse } from '../model.js'
import { threadText } from '../thread-text.js'
import { count, diedOfMemory, percent, percentText, plural, type Finder } from './finder.js'

const NEAR = 0.75
const VERY_NEAR = 0.9

/** A thread with a limit of its heap that is known. */
type Limited = ThreadUse & { readonly heap: NonNullable<ThreadUse['heap']> }

/** A thread's heap comes near its limit. */
export const memoryLimit: Finder = {
  id: 'memory-limit',
  judgesTime: false,
  find({ threads }) {
    // Of one that died of it another finding tells.
    const near = threads
      .filter((thread): thread is Limited => thread.heap !== undefined && !diedOfMemory(thread))
      .filter((thread) => partOf(thread) >= NEAR)
      .toSorted((a, b) => partOf(b) - partOf(a))
    if (near.length === 0) return []
    const [fullest, ...others] = near
    const { thread, heap, from, to } = fullest
    const part = partOf(fullest)
    const isOnce = near.every(({ heap: { usedTwice, limit } }) => usedTwice < NEAR * limit)
    return [
      {
        severity: part >= VERY_NEAR && !isOnce ? 'problem' : 'hint',
        title:
          `The heap of ${threadText(thread)} was ${percentText(part)} full: at its limit the thread dies.` +
          (others.length === 0
            ? ''
            : ` So were the heaps of ${plural(others.length, 'other thread')}, nearly.`),
        evidence: [
          { label: 'heap used', value: heap.used, unit: 'bytes' },
          { label: 'heap limit', value: heap.limit, unit: 'bytes' },
          percent('part', part),
          ...(others.length === 0 ? [] : [count('threads with 75 % or more', near.length)]),
        ],
        costNs: 0,
        advice:
          thread.threadId === 0
            ? 'See what it keeps, or raise --max-old-space-size.'
            : 'See what it keeps, or raise resourceLimits.maxOldGenerationSizeMb of the worker.',
        at: { thread, from, to },
        ...(isOnce ? { thin: 'It was so full only once: some of it may have been garbage.' } : {}),
      },
    ]
  },
}

function partOf({ heap: { used, limit } }: Limited): number {
  return used / Math.max(1, limit)
}
