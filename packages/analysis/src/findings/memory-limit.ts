import { percent, percentText, type Finder } from './finder.js'
import { threadText } from '../thread-text.js'

const NEAR = 0.75
const VERY_NEAR = 0.9

/** A thread's heap comes near its limit. */
export const memoryLimit: Finder = {
  id: 'memory-limit',
  find: ({ threads }) =>
    threads.flatMap(({ thread, heap, from, to }) => {
      if (heap === undefined || heap.limit <= 0 || heap.used < NEAR * heap.limit) return []
      const part = heap.used / heap.limit
      const who = threadText(thread)
      return {
        severity: part >= VERY_NEAR ? 'problem' : 'hint',
        title: `The heap of ${who} was ${percentText(part)} full: at its limit the thread dies.`,
        evidence: [
          { label: 'heap used', value: heap.used, unit: 'bytes' },
          { label: 'heap limit', value: heap.limit, unit: 'bytes' },
          percent('part', part),
        ],
        costNs: 0,
        advice:
          thread.threadId === 0
            ? 'See what it keeps, or raise --max-old-space-size.'
            : 'See what it keeps, or raise resourceLimits.maxOldGenerationSizeMb of the worker.',
        at: { thread, from, to },
      }
    }),
}
