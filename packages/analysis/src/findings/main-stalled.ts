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
import type { IoUse, ThreadUse } from '../model.js'
import { threadText, threadTextFirst } from '../thread-text.js'
import { messagesOf } from './serialization.js'

const LEAST_NS = 100 * MS
const LEAST_PART = 0.05
const LEAST_REQUESTS = 10

/** Results lay because the thread that waits for them was busy. */
export const mainStalled: Finder = {
  id: 'main-thread-stalled',
  judgesTime: true,
  find(facts) {
    const found = [...inPools(facts), ...inCrews(facts)]
    const known = found.map(({ at }) => at?.thread)
    return [...found, ...inServers(facts).filter(({ at }) => !known.includes(at?.thread))]
  },
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

/** Threads that serve HTTP, and stand still meanwhile. */
function inServers(facts: Facts): Found[] {
  return facts.threads.flatMap((use): Found[] => {
    const { thread, waitingForCpuNs } = use
    const served = facts.io.filter((each) => each.kind === 'http:request' && each.thread === thread)
    const requests = served.reduce((sum, { duration }) => sum + duration.count, 0)
    if (requests < LEAST_REQUESTS) return []
    const { stalls, ns: stood, longest, time } = stalledWhile(facts, use, served)
    // With no CPU it stands still, too.
    const proven = stood - waitingForCpuNs
    if (proven < LEAST_NS || proven < LEAST_PART * time) return []
    const [slowest] = served.toSorted((a, b) => b.duration.p99 - a.duration.p99)
    return [
      {
        severity: 'problem',
        title:
          `${threadTextFirst(thread)} stood still ${stalls === 1 ? 'once' : `${stalls} times`}, up to ` +
          `${durationText(longest)}, while it served HTTP: meanwhile nobody is answered.`,
        evidence: [
          count('stalls of its event loop of 50 ms or more', stalls),
          ns('longest', longest),
          ns('all together', stood),
          percent('part of the time of the requests', stood / time),
          count('requests', requests),
          ns(`slowest: ${slowest.name}, p99`, slowest.duration.p99),
        ],
        costNs: stood,
        advice:
          'Move long synchronous work into workers (a pool: piscina, tinypool), or cut it up with setImmediate. ' +
          'rchan record --probe samples tells which functions it is.',
        at: { thread, ...longestOf(facts, use) },
      },
    ]
  })
}

/** How a thread stood still from its first request to its last. */
function stalledWhile(
  facts: Facts,
  { thread }: ThreadUse,
  served: readonly IoUse[],
): { stalls: number; ns: number; longest: number; time: number } {
  const begin = served.reduce((least, { from }) => (from < least ? from : least), served[0].from)
  const end = served.reduce((most, { to }) => (to > most ? to : most), served[0].to)
  const sums = { stalls: 0, ns: 0, longest: 0, time: Math.max(1, Number(end - begin)) }
  for (const { thread: whose, from, to } of facts.stalls) {
    if (whose !== thread || to <= begin || from >= end) continue
    const length = Number((to < end ? to : end) - (from > begin ? from : begin))
    sums.stalls += 1
    sums.ns += length
    sums.longest = Math.max(sums.longest, length)
  }
  return sums
}

function longestOf({ stalls }: Facts, { thread, from, to }: ThreadUse): { from: bigint; to: bigint } {
  const own = stalls.filter((stall) => stall.thread === thread)
  return own.toSorted((a, b) => Number(b.to - b.from) - Number(a.to - a.from))[0] ?? { from, to }
}
