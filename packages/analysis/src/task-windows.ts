/**
 * What the tasks of a thread had of its time on CPUs and of its waits for one, by the kernel's
 * account of the thread. It is told every 20 to 50 ms. A task is shorter than that: the tasks
 * between two readings, in a window, share what the thread had then, by their run times.
 *
 * What else the thread did is taken off first. It read messages and posted results: that needs a
 * CPU all the time. On the way of a task, from its dispatch to its start and from its end to its
 * result, the thread woke up and ran its event loop. How much of that time was work isn't known:
 * half of it is taken to be, and the error is the other half. When it had no task it was idle.
 */
import { Coverage } from './coverage.js'

/** Windows that wait for the end of a task, or for other tasks at the same time. */
const MOST_WINDOWS = 32
/** Tasks of a window. The others stay without an account. */
const MOST_RUNS = 8192
/** So much of the time on the way of a task is taken to be work, of what was no wait for a CPU. */
const WORK = 0.5
/** Where more of the time in tasks may be wrong, nothing is told of it. */
const MOST_ERROR = 0.5

/** What a run had in a part of its time, in ns. */
export interface AccountPart {
  /** How long the part is. */
  readonly ns: number
  /** Whether nothing else was in the time of which the account tells. */
  readonly isAlone: boolean
  readonly onCpu: number
  readonly waitingForCpu: number
  /** How wrong the two may be, together. */
  readonly error: number
}

/** A run that takes its parts. */
export interface Accounted {
  account(part: AccountPart): void
}

/** The time between two readings of the account. */
interface Window {
  readonly from: number
  to: number
  onCpu: number
  waitingForCpu: number
  readonly runs: { readonly run: Accounted; ns: number }[]
  /** Time in tasks; tasks at the same time count once. */
  readonly covered: Coverage
  /** Other work for tasks, and what lies between it and a task. */
  work: number
  around: number
  /** How long the task that ran at its begin had run by then. */
  before: number
}

/** Follows one thread. Times are ns, counted from wherever the caller likes. */
export class TaskWindows {
  /** In the order of time. The last one is open: the account at its end is not known yet. */
  readonly #windows: Window[] = []
  #onCpu = 0
  #waitingForCpu = 0
  #lastEnd = -Infinity
  #areConcurrent = false
  /** Time in tasks in the last window of which the kernel had not told. It may tell it late. */
  #untold = 0

  /** Notes the kernel's account at a time: sums since the thread's start. */
  account(time: number, onCpu: number, waitingForCpu: number): void {
    const open = this.#windows.at(-1)
    if (open !== undefined) {
      if (time <= open.from) return
      open.to = time
      open.onCpu = Math.max(0, onCpu - this.#onCpu)
      open.waitingForCpu = Math.max(0, waitingForCpu - this.#waitingForCpu)
    }
    this.#onCpu = onCpu
    this.#waitingForCpu = waitingForCpu
    this.#windows.push(windowFrom(time))
    if (this.#windows.length <= MOST_WINDOWS) return
    if (this.#areConcurrent) this.#settle(1)
    else this.#coarsen()
  }

  /** Notes a run that has ended. */
  ran(start: number, end: number, run: Accounted): void {
    if (start < this.#lastEnd) this.#areConcurrent = true
    this.#lastEnd = Math.max(this.#lastEnd, end)
    this.#each(start, end, (window, from, to) => {
      window.covered.add(from, to)
      if (window.runs.length < MOST_RUNS) window.runs.push({ run, ns: to - from })
      if (from === window.from) window.before = Math.max(window.before, from - start)
    })
    // Tasks one after the other: no other one was in a window that ended before this one did.
    if (this.#areConcurrent) return
    let count = 0
    while (this.#windows[count]?.to <= end) count += 1
    this.#settle(count)
  }

  /** Notes other work for tasks: reading a message, posting a result. */
  worked(start: number, end: number): void {
    this.#each(start, end, (window, from, to) => {
      window.work += to - from
    })
  }

  /** Notes time on the way of a task: some of it may be work. */
  around(start: number, end: number): void {
    this.#each(start, end, (window, from, to) => {
      window.around += to - from
    })
  }

  /** No more comes. What the account does not reach stays without. */
  finish(): void {
    this.#settle(this.#windows.length - 1)
    this.#windows.length = 0
  }

  #each(start: number, end: number, take: (window: Window, from: number, to: number) => void): void {
    for (let index = this.#windows.length - 1; index >= 0; index -= 1) {
      const window = this.#windows[index]
      if (window.to <= start) return
      const from = Math.max(start, window.from)
      const to = Math.min(end, window.to)
      if (to > from) take(window, from, to)
    }
  }

  /** Shares out the oldest windows. */
  #settle(count: number): void {
    if (count <= 0) return
    for (const window of this.#windows.splice(0, count)) this.#share(window)
  }

  #share({ from, to, onCpu, waitingForCpu, runs, covered, work, around, before }: Window): void {
    const inTasks = Math.min(to - from, covered.length)
    if (inTasks === 0) {
      this.#untold = 0
      return
    }
    // Of a thread that runs, the kernel tells the last moments late: in the next window.
    const room = inTasks + Math.min(this.#untold, before)
    const atWork = Math.min(work, to - from - inTasks)
    const other = Math.min(around, to - from - inTasks - atWork)
    // What needs a CPU all the time had one or waited for it, as the thread did altogether.
    const had = onCpu + waitingForCpu
    const workOnCpu = had === 0 ? 0 : (atWork * onCpu) / had
    const ran = Math.max(0, onCpu - workOnCpu)
    const waited = Math.max(0, waitingForCpu - (atWork - workOnCpu))
    const otherWaited = partOf(waited, other, Math.max(0, room - ran))
    const otherRan = Math.min(ran, WORK * (other - otherWaited))
    const tasksRan = Math.min(room, ran - otherRan)
    const left = room - tasksRan
    const tasksWaited = partOf(waited, left, other - otherRan)
    this.#untold = left - tasksWaited
    const leastWaited = Math.max(0, waited - (other - otherRan))
    const mostWaited = Math.min(left, waited)
    const error = Math.min(otherRan, room) + Math.max(mostWaited - tasksWaited, tasksWaited - leastWaited)
    if (error > MOST_ERROR * inTasks) return
    for (const { run, ns } of runs) {
      const part = ns / inTasks
      run.account({
        ns,
        isAlone: ns === to - from,
        onCpu: tasksRan * part,
        waitingForCpu: tasksWaited * part,
        error: Math.min(ns, error * part),
      })
    }
  }

  /** Makes one of each two neighbours. The open one stays as it is. */
  #coarsen(): void {
    const open = this.#windows.pop() as Window
    const windows = this.#windows.splice(0)
    for (let index = 0; index < windows.length; index += 2) {
      const next = windows[index + 1] as Window | undefined
      this.#windows.push(next === undefined ? windows[index] : joined(windows[index], next))
    }
    this.#windows.push(open)
  }
}

/** What `one` has of a sum that it shares with another by their lengths: its own at most. */
function partOf(sum: number, one: number, other: number): number {
  return one <= 0 ? 0 : Math.min(one, (sum * one) / (one + other))
}

function windowFrom(from: number): Window {
  return {
    from,
    to: Infinity,
    onCpu: 0,
    waitingForCpu: 0,
    runs: [],
    covered: new Coverage(),
    work: 0,
    around: 0,
    before: 0,
  }
}

function joined(one: Window, next: Window): Window {
  one.covered.addAll(next.covered)
  one.runs.push(...next.runs)
  return {
    ...one,
    to: next.to,
    onCpu: one.onCpu + next.onCpu,
    waitingForCpu: one.waitingForCpu + next.waitingForCpu,
    work: one.work + next.work,
    around: one.around + next.around,
  }
}
