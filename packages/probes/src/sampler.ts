/**
 * The sampler thread. It looks at the listed threads every 20 ms for two seconds, then every 50 ms,
 * as long as a recording runs: at the kernel's account of their time, and at the heartbeats of
 * their event loops. So it sees a loop that stands still while it does, and threads that never
 * return to theirs.
 *
 * It traces as any thread does. Analysis leaves it out of what it shows.
 */
import { workerData } from 'node:worker_threads'
import { currentRecording, nameThread, now, type CurrentRecording } from '@rchan/trace'
import { tellProcess, tellThread } from './cpu-events.js'
import { MachineIdle } from './machine-idle.js'
import { ThreadList, type ListedThread } from './thread-list.js'
import { Schedstat } from './schedstat.js'
import { stalled } from './stalls.js'
import { SAMPLER, type SamplerData } from './sampler-data.js'
import { writeStatus } from './status.js'

/** How often it looks: a program that runs on is known, and each look costs it 50 to 150 µs. */
const FIRST_LOOKS_MS = 20
const FIRST_LOOKS = 100
const LATER_LOOKS_MS = 50
const STATUS_MS = 500
const NS_PER_MS = 1e6

/** What the sampler knows of a thread. */
interface Watched {
  readonly account: Schedstat | undefined
  readonly tid: number
  onCpu: number
  waitingForCpu: number
  beats: number
  /** When its event loop was last seen to turn, in ns. */
  turnedAt: bigint
  isStalled: boolean
  seenAt: number
}

class Sampler {
  readonly #data: SamplerData
  readonly #threadList: ThreadList
  readonly #threads = new Map<number, Watched>()
  readonly #machine: MachineIdle | undefined
  #round = 0
  #lookedAt: bigint = now()

  constructor(data: SamplerData) {
    this.#data = data
    this.#threadList = new ThreadList(data.threadList)
    this.#machine = data.samplesCpu ? MachineIdle.open() : undefined
  }

  /** When to look again, in ms. */
  get pauseMs(): number {
    return this.#round < FIRST_LOOKS ? FIRST_LOOKS_MS : LATER_LOOKS_MS
  }

  /** Looks at all threads once. */
  look(): void {
    const pauseMs = this.pauseMs
    this.#round += 1
    const time = now()
    // This thread may have stood still itself: the machine slept, or is overloaded. Nobody's event
    // loop is blamed for that.
    const ownDelay = time - this.#lookedAt - BigInt(pauseMs * NS_PER_MS)
    this.#lookedAt = time
    for (const entry of this.#threadList.entries()) {
      const thread = this.#threadOf(entry, time)
      thread.seenAt = this.#round
      if (this.#data.samplesCpu) this.#sampleCpu(thread, entry)
      if (!this.#data.watchesLoops) continue
      if (ownDelay > 0n) thread.turnedAt += ownDelay
      this.#watchLoop(thread, entry, time)
    }
    this.#sampleAll()
    for (const [slot, thread] of this.#threads) {
      if (thread.seenAt === this.#round) continue
      thread.account?.close()
      this.#threads.delete(slot)
    }
  }

  /** Closes the accounts. */
  close(): void {
    for (const thread of this.#threads.values()) thread.account?.close()
    this.#threads.clear()
    this.#machine?.close()
  }

  #threadOf(entry: ListedThread, time: bigint): Watched {
    const known = this.#threads.get(entry.slot)
    if (known !== undefined && known.tid === entry.tid) return known
    known?.account?.close()
    const thread: Watched = {
      account: entry.tid === 0 || !this.#data.samplesCpu ? undefined : Schedstat.open(entry.tid),
      tid: entry.tid,
      onCpu: -1,
      waitingForCpu: -1,
      beats: entry.beats,
      turnedAt: time,
      isStalled: false,
      seenAt: this.#round,
    }
    this.#threads.set(entry.slot, thread)
    return thread
  }

  #sampleCpu(thread: Watched, entry: ListedThread): void {
    const { account } = thread
    if (account === undefined) return
    if (!account.read()) {
      // It has ended without leaving: terminated.
      this.#threadList.remove(entry)
      return
    }
    const { onCpu, waitingForCpu } = account
    if (onCpu === thread.onCpu && waitingForCpu === thread.waitingForCpu) return
    thread.onCpu = onCpu
    thread.waitingForCpu = waitingForCpu
    tellThread(entry.threadId, account)
  }

  #sampleAll(): void {
    if (this.#machine?.read() === true) tellProcess(this.#machine)
  }

  #watchLoop(thread: Watched, { threadId, beats, limitMs }: ListedThread, time: bigint): void {
    if (limitMs === 0) return
    if (beats === thread.beats) {
      if (thread.isStalled || time - thread.turnedAt < BigInt(limitMs * NS_PER_MS)) return
      thread.isStalled = true
      stalled()({ threadId, limitMs, since: thread.turnedAt })
      return
    }
    thread.isStalled = false
    thread.beats = beats
    thread.turnedAt = time
  }
}

/** Writes the status file, some time later. */
function tellStatus(threadList: ThreadList, file: string): void {
  void currentRecording()
    ?.losses()
    .then(({ delivered, attempted, pending }) => {
      const { handled, failed } = threadList.tasks
      writeStatus(file, {
        threads: threadList.entries().length,
        tasks: handled,
        failedTasks: failed,
        events: delivered,
        lost: attempted - delivered - pending,
      })
    })
    // The folder may be gone. Only the line of progress lacks it.
    .catch(() => undefined)
}

/** Looks at the threads in the recording that runs, and again after each pause. */
function lookFor(data: SamplerData): void {
  let seen: CurrentRecording | undefined
  let sampler: Sampler | undefined
  // One timer is for all: each time that it wakes this thread costs as much as a look.
  const turn = (): void => {
    const recording = currentRecording()
    if (recording === seen) {
      sampler?.look()
    } else {
      seen = recording
      sampler?.close()
      sampler = recording === undefined ? undefined : new Sampler(data)
    }
    setTimeout(turn, sampler?.pauseMs ?? LATER_LOOKS_MS)
  }
  turn()
}

const data = workerData as SamplerData
nameThread(SAMPLER)
lookFor(data)
const { statusFile } = data
if (statusFile !== undefined) {
  const threadList = new ThreadList(data.threadList)
  setInterval(() => tellStatus(threadList, statusFile), STATUS_MS)
}
