/**
 * Installs probes on the calling thread, with what its process shares: the main thread makes the
 * roster, and workers find it in their environment data.
 */
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads'
import { choose, type ProbeChoice } from './catalog.js'
import { install } from './probe.js'
import { Roster } from './roster.js'
import { kernelThreadId } from './schedstat.js'
import { startSampler } from './start-sampler.js'

const KEY = 'rchan:probes'

/**
 * Records what the program does with its threads, on the calling thread, as long as a recording
 * runs. Call it on each thread, before the modules are loaded that it shall watch. Only the first
 * call on a thread counts.
 *
 * @param choice names of probes; `-NAME` leaves one out of the default set.
 * @returns a function that takes everything back.
 * @throws RangeError for a name that no probe has.
 * @example
 * import { probes } from 'rchan/probes'
 * probes()
 */
export function probes(choice: ProbeChoice = []): () => void {
  return setUp(choice)
}

/** @param statusFile where the sampler writes how the process is doing, if it should. */
export function setUp(choice: ProbeChoice, statusFile?: string): () => void {
  const chosen = choose(choice)
  const roster = rosterOfProcess()
  roster.enter(threadId, kernelThreadId())
  const leave = (): void => roster.leave()
  process.once('exit', leave)
  const isChosen = (name: string): boolean => chosen.some((probe) => probe.name === name)
  let endSampler = (): void => undefined
  // Before the probes, which would take it for a worker of the program.
  if (isMainThread && (isChosen('cpu') || isChosen('loop') || statusFile !== undefined)) {
    endSampler = startSampler({
      roster: roster.memory,
      samplesCpu: isChosen('cpu'),
      watchesLoops: isChosen('loop'),
      statusFile,
    })
  }
  const end = install(chosen, { isMainThread, threadId, roster })
  return () => {
    end()
    endSampler()
    process.off('exit', leave)
    roster.leave()
  }
}

function rosterOfProcess(): Roster {
  const found: unknown = getEnvironmentData(KEY)
  if (found instanceof SharedArrayBuffer) {
    try {
      return new Roster(found)
    } catch {
      // Another version of rchan, with another layout.
    }
  }
  const roster = new Roster()
  setEnvironmentData(KEY, roster.memory)
  return roster
}
