/** Installs probes on the calling thread, and on the main thread starts the sampler. */
import { isMainThread, threadId } from 'node:worker_threads'
import { atExit } from './at-exit.js'
import { choose } from './catalog.js'
import type { ProbeChoice } from './choice.js'
import { declareAll } from './late.js'
import { install } from './probe.js'
import { samplerFor } from './sampler-data.js'
import { kernelThreadId } from './schedstat.js'
import { startSampler } from './start-sampler.js'
import { listOfProcess } from './thread-list.js'

export { choose }

/** On the process object of a thread that has probes: copies of this module share it. */
const ON = Symbol.for('rchan.probes')

/**
 * Records what the program does with its threads, on the calling thread, as long as a recording
 * runs. Call it on each thread, before the modules are loaded that it shall watch. A thread that
 * has probes already, by an earlier call or from `rchan record`, keeps them as they are.
 *
 * @param choice names of probes; `-NAME` leaves one out of the default set.
 * @returns a function that takes everything back.
 * @throws RangeError for a name that no probe has.
 * @example
 * probes()
 */
export function probes(choice: ProbeChoice = []): () => void {
  const end = setUp(choice)
  declareAll()
  return end
}

/** What `rchan/auto` knows of the process beside. */
export interface ProcessSetup {
  /** The recorded process that has started this one; 0: none. */
  readonly parent?: number | undefined
  /** Whether the sampler is seen to already. */
  readonly hasSampler?: boolean
}

export function setUp(
  choice: ProbeChoice = [],
  { parent = 0, hasSampler = false }: ProcessSetup = {},
): () => void {
  const chosen = choose(choice)
  if (ON in process) return () => undefined
  Reflect.defineProperty(process, ON, { value: true, configurable: true })
  const threadList = listOfProcess()
  threadList.enter(threadId, kernelThreadId())
  const forget = atExit(() => threadList.leave())
  let endSampler = (): void => undefined
  // Before the probes, which would take it for a worker of the program.
  if (isMainThread && !hasSampler) {
    const data = samplerFor(choice, threadList.memory)
    if (data !== undefined) endSampler = startSampler(data)
  }
  const end = install(chosen, { isMainThread, threadId, threadList, parent })
  let isOn = true
  return () => {
    if (!isOn) return
    isOn = false
    end()
    endSampler()
    forget()
    threadList.leave()
    Reflect.deleteProperty(process, ON)
  }
}
