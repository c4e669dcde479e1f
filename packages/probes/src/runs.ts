/** Tasks as a worker runs them, by the envelopes that pass through its ports. */
import type { MessagePort } from 'node:worker_threads'
import { now } from '@rchan/trace'
import { asTask, callIn, numberIn, replyIn, taskName } from './envelope.js'
import { tellSums } from './gc.js'
import type { PortTap } from './ports.js'
import { guarded, type ProbeContext } from './probe.js'
import { kernelThreadId, Schedstat } from './schedstat.js'
import { replied, run, way } from './task-events.js'

/** A reading of the kernel's account. Times are ns. */
interface Reading {
  readonly time: bigint
  readonly onCpu: number
  readonly waitingForCpu: number
}

/** How long the reading at the end of a task counts for the start of the next one, in ns. */
const RECENT_NS = 500_000n
/**
 * Of shorter tasks nothing is read: a reading would cost them more than 0.3 %, and the kernel's
 * time on a CPU lags by a tick.
 */
const LONG_NS = 2_000_000n

/** A task that this thread runs. */
interface Run {
  readonly id: number
  readonly token: ReturnType<typeof run.begin>
  readonly name: string
  /** When it began, in ns. */
  readonly start: bigint
  readonly reading: Reading
}

/** Watches the tasks that the calling thread runs. */
export function watchRuns(context: ProbeContext): { tap: PortTap; end: () => void } {
  const byPort = new WeakMap<MessagePort, Map<unknown, Run>>()
  /** Replies between their posting and its end. */
  const leaving = new WeakMap<object, number>()
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
    return { time: now(), onCpu: account.onCpu, waitingForCpu: account.waitingForCpu }
  }
  /** Whether the last task was long enough for readings to tell something, and to cost nothing. */
  let areLong = true
  /**
   * The reading for the start of a task. The one at the end of the last task will do, if it is
   * recent: in between the worker has waited for a message, and nothing else.
   */
  const readingAtStart = (time: bigint): Reading => {
    if (!areLong) return NO_READING
    return last !== undefined && time - last.time < RECENT_NS ? last : readAccount()
  }
  const tap: PortTap = {
    receiving: guarded(context, (port: MessagePort, message: unknown) => {
      const id = numberIn(message)
      if (id === undefined) return
      const envelope = asTask(message)
      const call = envelope === undefined ? callIn(message) : undefined
      const name = envelope === undefined ? (call?.name ?? '') : taskName(envelope)
      const start = now()
      const reading = readingAtStart(start)
      const token = run.begin()
      // In the span, so that viewers bind the arrow to it.
      way.step(id)
      let runs = byPort.get(port)
      if (runs === undefined) byPort.set(port, (runs = new Map()))
      runs.set(envelope === undefined ? call?.key : envelope.taskId, { id, token, name, start, reading })
    }),
    posting: guarded(context, (port: MessagePort, message: unknown) => {
      const runs = byPort.get(port)
      if (runs === undefined || runs.size === 0) return
      const reply = replyIn(message)
      const one = reply === undefined ? undefined : runs.get(reply.key)
      if (reply === undefined || one === undefined) return
      runs.delete(reply.key)
      areLong = now() - one.start >= LONG_NS
      const isRead = areLong && one.reading !== NO_READING
      last = areLong ? readAccount() : undefined
      const fields = {
        id: one.id,
        name: one.name,
        onCpu: isRead && last !== undefined ? last.onCpu - one.reading.onCpu : 0,
        waitingForCpu: isRead && last !== undefined ? last.waitingForCpu - one.reading.waitingForCpu : 0,
      }
      if (reply.hasFailed) run.fail(one.token, fields)
      else run.end(one.token, fields)
      leaving.set(message as object, one.id)
      tellSums(context)
    }),
    posted: guarded(context, (_port: MessagePort, message: unknown, start: bigint, end: bigint) => {
      if (typeof message !== 'object' || message === null) return
      const id = leaving.get(message)
      if (id === undefined) return
      leaving.delete(message)
      replied({ id, serializeNs: end - start })
    }),
  }
  return {
    tap,
    end: () => account?.close(),
  }
}

const NO_READING: Reading = { time: 0n, onCpu: 0, waitingForCpu: 0 }
