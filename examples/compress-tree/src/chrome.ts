/**
 * Writes trace.json: the tasks as Chrome trace events. Perfetto's and Chrome's viewers open it.
 *
 * It has a track for each thread with a slice for each task, an arrow from each submit to its run,
 * the waits in the queue as asynchronous slices, and a counter of waiting tasks. Slices of one kind
 * have one name, so viewers give them one colour and can add them up. The file's name is among the
 * arguments. The text is written as a stream and is never in memory as a whole. Times are
 * microseconds from the first record.
 */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  hasRun,
  hasSubmit,
  hasWaited,
  waitingOverTime,
  type Analysis,
  type Task,
  type Thread,
} from './analysis.js'

/** Viewers take the thread with the process's number for the main thread, and 0 for an idle one. */
const PID = 1
const MAIN_TID = PID
const PIECE_CHARS = 2 ** 16
/**
 * Length of a submit's slice. A submit is a moment, but arrows can only join slices. The slice is
 * shorter if the next one starts before its end.
 */
const SUBMIT_NS = 1000

/** One line of trace.json. */
export type ChromeEvent = Readonly<Record<string, unknown>>

/** Writes trace.json. @throws Error of the file system. */
export async function writeChromeTrace(path: string, analysis: Analysis): Promise<void> {
  await pipeline(Readable.from(jsonText(chromeEvents(analysis))), createWriteStream(path))
}

/** Returns the name of a thread for people. */
export function threadName({ cpu, generation, threadId }: Thread): string {
  if (cpu === 0) return 'CPU 0 · main thread'
  return `CPU ${cpu}.${generation} · thread ${threadId}`
}

/** All events of trace.json. */
export function* chromeEvents({ tasks, threads, phases }: Analysis): Generator<ChromeEvent> {
  const pid = PID
  yield { ph: 'M', name: 'process_name', pid, tid: MAIN_TID, args: { name: 'compress-tree' } }
  const tids = new Map(
    threads.map((thread, place) => [thread, thread.cpu === 0 ? MAIN_TID : PID + 1 + place]),
  )
  for (const [place, thread] of threads.entries()) {
    const tid = tids.get(thread)
    yield { ph: 'M', name: 'thread_name', pid, tid, args: { name: threadName(thread) } }
    yield { ph: 'M', name: 'thread_sort_index', pid, tid, args: { sort_index: place } }
    if (thread.cpu === 0) continue
    yield { ph: 'i', s: 't', name: 'online', cat: 'thread', pid, tid, ts: microseconds(thread.onlineNs) }
    yield { ph: 'i', s: 't', name: 'offline', cat: 'thread', pid, tid, ts: microseconds(thread.offlineNs) }
  }
  for (const [id, { name, startNs, endNs }] of phases.entries()) {
    const event = { name, cat: 'phase', id, pid, tid: MAIN_TID }
    yield { ph: 'b', ...event, ts: microseconds(startNs) }
    yield { ph: 'e', ...event, ts: microseconds(endNs) }
  }
  yield* submitEvents(tasks)
  for (const task of tasks) {
    const { kind, path, bytesIn, bytesOut, ok } = task
    if (hasWaited(task)) {
      const event = { name: 'wait', cat: 'queue', id: task.task, pid, tid: MAIN_TID }
      yield { ph: 'b', ...event, ts: microseconds(task.submitNs), args: { task: task.task, path } }
      yield { ph: 'e', ...event, ts: microseconds(task.startNs) }
    }
    if (hasRun(task)) {
      yield {
        ph: 'X',
        name: kind,
        cat: 'task',
        pid,
        tid: tids.get(task.thread),
        ts: microseconds(task.startNs),
        dur: microseconds(task.endNs - task.startNs),
        args: { task: task.task, path, bytesIn, bytesOut, ok },
      }
      if (hasWaited(task)) {
        // An arrow's end belongs to the slice that is open at its time: the slice above.
        const event = { name: 'submit to run', cat: 'flow', id: task.task, pid }
        yield { ph: 's', ...event, tid: MAIN_TID, ts: microseconds(task.submitNs) }
        yield { ph: 'f', bp: 'e', ...event, tid: tids.get(task.thread), ts: microseconds(task.startNs) }
      }
    }
  }
  for (const { atNs, count } of waitingOverTime(tasks)) {
    yield { ph: 'C', name: 'tasks waiting', pid, ts: microseconds(atNs), args: { tasks: count } }
  }
}

/** The submits as slices on the main thread. */
function* submitEvents(tasks: readonly Task[]): Generator<ChromeEvent> {
  const submitted = tasks.filter(hasSubmit).sort((a, b) => a.submitNs - b.submitNs)
  for (const [index, { task, path, submitNs }] of submitted.entries()) {
    const nextNs = submitted[index + 1]?.submitNs ?? Infinity
    yield {
      ph: 'X',
      name: 'submit',
      cat: 'submit',
      pid: PID,
      tid: MAIN_TID,
      ts: microseconds(submitNs),
      dur: microseconds(Math.min(SUBMIT_NS, nextNs - submitNs)),
      args: { task, path },
    }
  }
}

/** Yields one event per line, in chunks of many lines. */
function* jsonText(events: Iterable<ChromeEvent>): Generator<string> {
  let piece = '{"displayTimeUnit":"ms","traceEvents":['
  let separator = '\n'
  for (const event of events) {
    piece += separator + JSON.stringify(event)
    separator = ',\n'
    if (piece.length >= PIECE_CHARS) {
      yield piece
      piece = ''
    }
  }
  yield `${piece}\n]}\n`
}

/**
 * Converts to microseconds, exact to the nanosecond: a time of up to 100 days has at most 16
 * digits.
 */
function microseconds(ns: number): number {
  return ns / 1000
}
