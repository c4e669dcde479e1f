import { durationText } from '../quantity.js'
import {
  count,
  crewText,
  judgedCrews,
  MS,
  ns,
  percent,
  plural,
  whenOf,
  whenOfCrew,
  type Facts,
  type Finder,
  type Found,
} from './finder.js'
import { threadText, threadTextFirst } from '../thread-text.js'
import { messagesOf } from './serialization.js'

const LEAST_NS = 100 * MS
const LEAST_PART = 0.05

/** Results lay because the thread that waits for them was busy. */
export const mainStalled: Finder = {
  id: 'main-thread-stalled',
  judgesTime: true,
  find: (facts) => [...inPools(facts), ...inCrews(facts)],
}

function inPools(facts: Facts): Found[] {
  return facts.pools.flatMap((pool) => {
    const { lateReplies, activeNs, submitter, reply, name } = pool
    if (lateReplies.ns < LEAST_NS || lateReplies.ns < LEAST_PART * activeNs) return []
    // Then it reads them, and that takes so long.
    if (messagesOf(facts, pool) > 0 && lateReplies.longest < 10 * reply.p50) return []
    const stalls = facts.threads.find(({ thread }) => thread === submitter)?.stalls
    const who = threadText(submitter)
    return {
      about: pool,
      severity: 'problem',
      title:
        `${threadTextFirst(submitter)} was busy while ${plural(lateReplies.count, 'result')} of ${name} waited to be ` +
        `handled, up to ${durationText(lateReplies.longest)}.`,
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
      at: { ...whenOf(pool), ...lateReplies.at },
    }
  })
}

function inCrews(facts: Facts): Found[] {
  return judgedCrews(facts).flatMap((crew) => {
    const { back, activeNs, parent } = crew
    const { late, handle } = back
    if (late.ns < LEAST_NS || late.ns < LEAST_PART * activeNs) return []
    const stalls = facts.threads.find(({ thread }) => thread === parent)?.stalls
    const who = threadText(parent)
    return {
      about: crew,
      severity: 'problem',
      title:
        `${threadTextFirst(parent)} was busy while ${plural(late.count, 'message')} of ${crewText(crew)} waited to be ` +
        `handled, up to ${durationText(late.longest)}.`,
      evidence: [
        count('messages that waited 50 ms or more', late.count),
        ns('longest', late.longest),
        ns('time in which messages lay', late.ns),
        percent("part of the workers' time", late.ns / Math.max(1, activeNs)),
        ns('a message is on its way, median', back.wait.p50),
        ns('handling all messages of these workers', handle.sum),
        ...(stalls === undefined || stalls.count === 0
          ? []
          : [count('stalls of its event loop', stalls.count), ns('longest stall', stalls.longest)]),
      ],
      costNs: late.ns,
      advice:
        `Take long synchronous work off ${who}: into a worker, or cut it up with setImmediate. If handling the messages ` +
        'themselves takes the time, send fewer.',
      at: { ...whenOfCrew(crew), ...late.at },
    }
  })
}
