/**
 * V8's CPU profile of the calling thread, in slices, so that neither V8's memory nor the work at
 * the end grows with the run.
 *
 * To start V8's profiler takes it 5 to 25 ms, for it looks at all code that is there. So it is kept
 * running: the next slice begins before the last one ends. Only `console.profile` of the inspector
 * can do that. Where somebody else may be connected to the inspector (`--inspect`) he would get
 * these profiles, too; then a slice is stopped before the next one is started.
 */
import type { console as InspectorConsole, Profiler, Session } from 'node:inspector'
import { now } from '@rchan/trace'
import { reasonOf } from './reason.js'

/** How often V8 looks at the stack, in µs. */
export const INTERVAL_US = 2000

/** The parts of `node:inspector` that are used. A Node may be built without it. */
interface Inspector {
  readonly Session: new () => Session
  readonly console: Pick<typeof InspectorConsole, 'profile' | 'profileEnd'>
  url(): string | undefined
}

/** A slice of the profile. */
export interface ProfileSlice {
  readonly profile: Profiler.Profile
  /** What the trace's clock is ahead of V8's, in ns. */
  readonly shift: bigint
}

/** A slice that is being taken. */
interface OpenSlice {
  /** Of its console profile; undefined: it was started for this session alone. */
  readonly title: string | undefined
  /** When it was started, and when that was done. */
  readonly from: bigint
  readonly until: bigint
}

/** Profiles the calling thread. */
export class CpuProfiler {
  readonly #inspector: Inspector
  readonly #session: Session
  readonly #console: Inspector['console']
  #open: OpenSlice
  #count = 0
  /** The console profile that has just ended. */
  #ended: { readonly title: unknown; readonly profile: Profiler.Profile } | undefined

  /** Starts it. @throws Error if this Node has no inspector, or may not use it. */
  constructor() {
    const inspector = process.getBuiltinModule('node:inspector') as Inspector | undefined
    if (inspector === undefined) throw new Error('this Node has no inspector')
    this.#inspector = inspector
    this.#console = inspector.console
    this.#session = new inspector.Session()
    try {
      this.#session.connect()
    } catch (error) {
      throw new Error(`V8's inspector can't be used: ${reasonOf(error)}`, { cause: error })
    }
    try {
      this.#session.on('Profiler.consoleProfileFinished', ({ params }) => {
        const { title, profile } = params
        this.#ended = { title, profile }
      })
      this.#post('Profiler.enable')
      this.#post('Profiler.setSamplingInterval', { interval: INTERVAL_US })
      this.#open = this.#begin()
    } catch (error) {
      this.#session.disconnect()
      throw error
    }
  }

  /** Whether the next slice costs much. */
  get isDear(): boolean {
    return this.#isShared
  }

  /** Ends a slice, and begins the next one. @returns undefined if somebody else has ended it. */
  next(): ProfileSlice | undefined {
    const last = this.#open
    if (last.title === undefined || this.#isShared) {
      const slice = this.#end(last)
      this.#open = this.#begin()
      return slice
    }
    this.#open = this.#begin()
    return this.#end(last)
  }

  /** Ends the profile. @returns its last slice. */
  close(): ProfileSlice | undefined {
    try {
      return this.#end(this.#open)
    } finally {
      this.#session.disconnect()
    }
  }

  get #isShared(): boolean {
    return this.#inspector.url() !== undefined
  }

  #begin(): OpenSlice {
    const title = this.#isShared ? undefined : `rchan ${(this.#count += 1)}`
    const from = now()
    if (title === undefined) this.#post('Profiler.start')
    else this.#console.profile(title)
    return { title, from, until: now() }
  }

  #end({ title, from, until }: OpenSlice): ProfileSlice | undefined {
    this.#ended = undefined
    const profile = title === undefined ? this.#stopped() : this.#consoleProfile(title)
    return profile === undefined ? undefined : { profile, shift: shiftOf(profile, from, until) }
  }

  #stopped(): Profiler.Profile | undefined {
    const { profile } = this.#post('Profiler.stop') as { profile?: Profiler.Profile }
    return profile
  }

  #consoleProfile(title: string): Profiler.Profile | undefined {
    this.#console.profileEnd(title)
    const ended = this.#ended
    this.#ended = undefined
    return ended?.title === title ? ended.profile : undefined
  }

  /** Calls the inspector, which answers at once: it is this thread's own. */
  #post(method: string, params: object = {}): object {
    let answer: object | undefined
    let why: string | undefined
    this.#session.post(method, params, (error, result) => {
      why = error?.message
      answer = result
    })
    if (answer === undefined) throw new Error(`V8's inspector: ${method}: ${why ?? 'no answer'}`)
    return answer
  }
}

/**
 * V8 has the clock of the trace, where that is the system's monotonic clock. It may be another one,
 * or count otherwise while the machine sleeps: then its start tells how far they are apart.
 */
function shiftOf({ startTime }: Profiler.Profile, from: bigint, until: bigint): bigint {
  const start = BigInt(Math.round(startTime)) * 1000n
  return start >= from - 1000n && start <= until + 1000n ? 0n : from - start
}
