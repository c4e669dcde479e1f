/** What the sampler thread and whoever starts it agree on. */
import { isChosen, type ProbeChoice } from './choice.js'

/** The name of the thread in a trace. */
export const SAMPLER = 'rchan sampler'

/** What the thread is started with. */
export interface SamplerData {
  readonly threadList: SharedArrayBuffer
  /** Whether it samples the time of threads on CPUs. */
  readonly samplesCpu: boolean
  /** Whether it watches event loops. */
  readonly watchesLoops: boolean
  /** Where it writes how the process is doing, for a line of progress. */
  readonly statusFile: string | undefined
}

/** What the sampler has to do for a choice of probes; undefined if nothing. */
export function samplerFor(
  choice: ProbeChoice,
  threadList: SharedArrayBuffer,
  statusFile?: string,
): SamplerData | undefined {
  const samplesCpu = isChosen(choice, { name: 'cpu', byDefault: true })
  const watchesLoops = isChosen(choice, { name: 'loop', byDefault: true })
  if (!samplesCpu && !watchesLoops && statusFile === undefined) return undefined
  return { threadList, samplesCpu, watchesLoops, statusFile }
}
