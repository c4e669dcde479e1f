/** What the sampler thread and whoever starts it agree on. */

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
