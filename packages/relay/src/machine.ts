/**
 * The machine that a relay is on: its threads, its clock, its log. A relay knows nothing of Node,
 * so each thread brings its own.
 */
import { checkCount, type Geometry } from '@rchan/ring'
import { MAX_RELAY_CPUS } from './layout.js'

/** How bad it is: something failed, something was lost, or the client broke a rule. */
export type LogLevel = 'error' | 'warning' | 'fault'

/** What a relay is given of the machine, in each thread. */
export interface Machine {
  /**
   * The CPUs that get a buffer when a channel is opened, ascending. Default: those that threads
   * have come online as, see {@link Relay.comeOnline}.
   */
  onlineCpus?(): readonly number[]
  /**
   * The machine's name of the calling thread. Default: 1, which is enough for a program of one
   * thread.
   */
  readonly identity?: number
  /**
   * When the thread started, in a unit of the machine's: another thread may get the same `identity`
   * later. Default: 0.
   */
  readonly startTicks?: number
  /**
   * Whether a thread is dead: proven, for good, and not to run another instruction. Without this
   * function no thread ever is, and a dead thread keeps what it held.
   */
  isDead?(identity: number, startTicks: number): boolean
  /** Milliseconds on a clock that never goes back. Default: `performance.now`. */
  now?(): number
  /**
   * How long to wait for a lock that a living thread holds, in milliseconds, before it is an error;
   * and for the file thread to make a file, 10 s at most. Default: 60000.
   */
  readonly patienceMs?: number
  log(level: LogLevel, message: string): void
}

/** A machine that can run out of memory, as the conformance vectors need it. */
export interface LimitedMachine extends Machine {
  /** Whether there is no memory for a channel's own few bytes, a file's name, or a buffer. */
  isShortFor?(purpose: 'channel' | 'name' | 'buffer', geometry: Geometry): boolean
}

/**
 * A machine of `cpuCount` CPUs, all online and all played by one thread, that logs nothing.
 *
 * @throws RangeError below 1, or above 256.
 */
export function plainMachine(cpuCount: number): Machine {
  checkCount('cpuCount', cpuCount, 1, MAX_RELAY_CPUS)
  return {
    onlineCpus: () => Array.from({ length: cpuCount }, (_, cpu) => cpu),
    log: () => undefined,
  }
}
