/** Tasks as a worker runs them, by the envelopes that pass through its ports. */
import { performance } from 'node:perf_hooks'
import type { MessagePort } from 'node:worker_threads'
import {
  callIn,
  numberIn,
  replyIn,
  SORT,
  taskName,
  type ReplyEnvelope,
  type Sort,
  type TaskEnvelope,
} from './envelope.js'
import { tellSums } from './gc.js'
import { tellMemoryIfDue } from './memory.js'
import { readSince, type PortTap } from './ports.js'
import type { ProbeContext } from './probe.js'
import { kernelThreadId, Schedstat } from './schedstat.js'
import { replied, run, way } from './task-events.js'

// As it is now: the program may replace it. It makes no bigint.
const nowMs = performance.now.bind(performance)

/** A reading of the kernel's account, in ns, and its time, in ms. */
interface Reading {
  readonly time: number
  readonly onCpu: number
  readonly waitingForCpu: number
}

/** How long the reading at the end of a task counts for the start of the next one, in ms. */
const RECENT_MS = 0.5
/**
 * Of shorter tasks nothing is read: a reading would cost them more than 0.3 %, and the kernel's
 * time on a CPU lags by a tick.
 */
const LONG_MS = 2
const NS_PER_MS = 1e6

/** A task that this thread runs. */
interface Run {
  readonly id: number
  /** Its port, and what its reply has, too. */
  readonly port: MessagePort
  readonly key: unknown
  readonly token: ReturnType<typeof run.begin>
  readonly name: string
  /** When it began, in ms. */
  readonly start: number
  /** How long reading its message took, in ns. */
  readonly read: number
  readonly reading: Reading
}

/** Watches the tasks that the calling thread runs. */
export function watchRuns(context: ProbeContext): { tap: PortTap; end: () => void } {
  /** The tasks that have begun: the newest, if it still runs, and those before it. */
  let newest: Run | undefined
  const others: Run[] = []
  /** The reply that is being posted: one at a time. */
  let leaving: { readonly message: unknown; readonly id: number; readonly start: number } | undefined
  let account: Schedstat | undefined
  let hasAccount = false
  let last: Reading | undefined
  /** Reads the kernel's account of this thread. A reading takes it 1 to 7 µs. */
  const readAccount = (): Reading => {
    if (!hasAccount) {
      hasAccount = true
      const tid = kernelThreadId()
      if (tid !== 0) account = Schedstat.open(tid)
    }
    if (account?.read() !== true) return NO_READING
    return { time: nowMs(), onCpu: account.onCpu, waitingForCpu: account.waitingForCpu }
  }
  /** Whether the last task was long enough for readings to tell something, and to cost nothing. */
  let areLong = true
  /**
   * The reading for the start of a task. The one at the end of the last task will do, if it is
   * recent: in between the worker has waited for a message, and nothing else.
   */
  const readingAtStart = (time: number): Reading => {
    if (!areLong) return NO_READING
    return last !== undefined && time - last.time < RECENT_MS ? last : readAccount()
  }
  const take = (port: MessagePort, key: unknown): Run | undefined => {
    const one = newest
    if (one !== undefined && one.port === port && one.key === key) {
      newest = undefined
      return one
    }
    if (others.length === 0) return undefined
    const index = others.findIndex((each) => each.port === port && each.key === key)
    return index < 0 ? undefined : others.splice(index, 1)[0]
  }
  const begin = (port: MessagePort, message: object, sort: Sort, isTaken: boolean): void => {
    const id = numberIn(message)
    if (id === undefined) return
    let name = ''
    let key: unknown
    if (sort === SORT.task) {
      const envelope = message as TaskEnvelope
      name = taskName(envelope.filename, envelope.name)
      key = envelope.taskId
    } else {
      const call = callIn(message)
      name = call?.name ?? ''
      key = call?.key
    }
    const start = nowMs()
    const read = isTaken ? Math.round((start - readSince()) * NS_PER_MS) : 0
    const reading = readingAtStart(start)
    const token = run.begin()
    // In the span, so that viewers bind the arrow to it.
    way.step(id)
    // One that never had its reply.
    take(port, key)
    if (newest !== undefined) others.push(newest)
    newest = { id, port, key, token, name, start, read, reading }
  }
  const finish = (port: MessagePort, message: object, sort: Sort): void => {
    let key: unknown
    let hasFailed: boolean
    if (sort === SORT.reply) {
      const { taskId, error } = message as ReplyEnvelope
      key = taskId
      hasFailed = error !== undefined && error !== null
    } else {
      const reply = replyIn(message)
      if (reply === undefined) return
      key = reply.key
      hasFailed = reply.hasFailed
    }
    const one = take(port, key)
    if (one === undefined) return
    const end = nowMs()
    areLong = end - one.start >= LONG_MS
    const isRead = areLong && one.reading !== NO_READING
    last = areLong ? readAccount() : undefined
    const fields = {
      id: one.id,
      name: one.name,
      onCpu: isRead && last !== undefined ? last.onCpu - one.reading.onCpu : 0,
      waitingForCpu: isRead && last !== undefined ? last.waitingForCpu - one.reading.waitingForCpu : 0,
      read: one.read,
    }
    if (hasFailed) run.fail(one.token, fields)
    else run.end(one.token, fields)
    tellSums(context, end)
    tellMemoryIfDue(end)
    leaving = { message, id: one.id, start: nowMs() }
  }
  const tap: PortTap = {
    receiving(port, message, sort, ports) {
      if (typeof message !== 'object' || message === null) return
      try {
        begin(port, message, sort, ports === undefined)
      } catch (error) {
        context.fail(error)
      }
    },
    posting(port, message, sort) {
      if (newest === undefined && others.length === 0) return
      if (typeof message !== 'object' || message === null) return
      try {
        finish(port, message, sort)
      } catch (error) {
        context.fail(error)
      }
    },
    posted(_port, message) {
      if (leaving === undefined || leaving.message !== message) return
      const { id, start } = leaving
      leaving = undefined
      replied({ id, serializeNs: Math.round((nowMs() - start) * NS_PER_MS) })
    },
    notPosted() {
      leaving = undefined
    },
  }
  return {
    tap,
    end: () => account?.close(),
  }
}

const NO_READING: Reading = { time: 0, onCpu: 0, waitingForCpu: 0 }
