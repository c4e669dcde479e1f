/** Installs probes on the calling thread, and on the main thread starts the sampler. */
import { isMainThread, threadId } from 'node:worker_threads'
import { choose, type ProbeChoice } from './catalog.js'
import { install } from './probe.js'
import { ThreadList } from './thread-list.js'
import { kernelThreadId } from './schedstat.js'
import { viewOfProcess } from './shared-memory.js'
import { startSampler } from './start-sampler.js'

export { choose }

const KEY = 'rchan:probes'
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
  return setUp(choice)
}

/** What `rchan/auto` knows of the process beside. */
export interface ProcessSetup {
  /** Where the sampler writes how the process is doing, if it should. */
  readonly statusFile?: string | undefined
  /** The recorded process that has started this one; 0: none. */
  readonly parent?: number | undefined
}

export function setUp(choice: ProbeChoice = [], { statusFile, parent = 0 }: ProcessSetup = {}): () => void {
  const chosen = choose(choice)
  if (ON in process) return () => undefined
  Reflect.defineProperty(process, ON, { value: true, configurable: true })
  const threadList = viewOfProcess(KEY, ThreadList)
  threadList.enter(threadId, kernelThreadId())
  const leave = (): void => threadList.leave()
  process.once('exit', leave)
  const isChosen = (name: string): boolean => chosen.some((probe) => probe.name === name)
  let endSampler = (): void => undefined
  // Before the probes, which would take it for a worker of the program.
  if (isMainThread && (isChosen('cpu') || isChosen('loop') || statusFile !== undefined)) {
    endSampler = startSampler({
      threadList: threadList.memory,
      samplesCpu: isChosen('cpu'),
      watchesLoops: isChosen('loop'),
      statusFile,
    })
  }
  const end = install(chosen, { isMainThread, threadId, threadList, parent })
  let isOn = true
  return () => {
    if (!isOn) return
    isOn = false
    end()
    endSampler()
    process.off('exit', leave)
    threadList.leave()
    Reflect.deleteProperty(process, ON)
  }
}
