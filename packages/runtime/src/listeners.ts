/** What a consumer calls of the thread that it runs on, and its answer to threads that ask. */
import type { Call } from './call.js'
import { now as clock } from './clock.js'
import { CONTROL } from './control-page.js'
import type { Control } from './control.js'

/** The consumer's calls to its thread. */
export interface Listeners {
  /** Posts the arena to the threads that asked for it. */
  postArena(): void
  /** Takes the calls of other threads that are new. */
  takeCalls(): readonly Call[]
  /** Reports the first error on the way to the sink. */
  trouble(message: string): void
}

/** Answers the threads that lack the arena. @returns whether there were any. */
export function sendArena(control: Control, listeners: Listeners): boolean {
  const { words } = control
  const asked = Atomics.load(words, CONTROL.asked >> 2)
  if (asked === Atomics.load(words, CONTROL.answered >> 2)) return false
  listeners.postArena()
  control.answer(asked, clock())
  return true
}
