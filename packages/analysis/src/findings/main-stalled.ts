import { count, MS, ns, percent, plural, threadText, whenOf, type Finder } from './finder.js'
import { messagesOf } from './serialization.js'

const LEAST_NS = 100 * MS
const LEAST_PART = 0.05

/** Results lay because the thread that waits for them was busy. */
export const mainStalled: Finder = {
  id: 'main-thread-stalled',
  find: (facts) =>
    facts.pools.flatMap((pool) => {
      const { lateReplies, activeNs, submitter, reply, name } = pool
      if (lateReplies.ns < LEAST_NS || lateReplies.ns < LEAST_PART * activeNs) return []
      // Then it reads them, and that takes so long.
      if (messagesOf(facts, pool) > 0 && lateReplies.longest < 10 * reply.p50) return []
      const stalls = facts.threads.find(({ thread }) => thread === submitter)?.stalls
      const who = threadText(submitter)
      return {
        severity: 'problem',
        title:
          `${who[0].toUpperCase()}${who.slice(1)} was busy while ${plural(lateReplies.count, 'result')} of ${name} waited to be ` +
          `handled, up to ${Math.round(lateReplies.longest / MS)} ms.`,
        evidence: [
          count('results that waited 50 ms or more', lateReplies.count),
          ns('longest', lateReplies.longest),
          ns('time in which results lay', lateReplies.ns),
          percent("part of the pool's time", lateReplies.ns / Math.max(1, activeNs)),
          ns('result to handler, median', reply.p50),
          ...(stalls === undefined || stalls.count === 0
            ? []
            : [count('stalls of its event loop', stalls.count), ns('longest stall', stalls.longest)]),
        ],
        costNs: lateReplies.ns,
        advice:
          `Meanwhile workers got no new tasks. Take long synchronous work off ${who}: into tasks, or cut it up ` +
          'with setImmediate.',
        at: whenOf(pool),
      }
    }),
}
