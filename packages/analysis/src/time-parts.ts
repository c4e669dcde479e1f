/** What a time of a thread is made of. */

/** The kernel's figures for a time. */
export interface KernelTime {
  readonly onCpu: number
  readonly waitingForCpu: number
}

/** The parts of a time, together all of it. */
export interface TimeParts extends KernelTime {
  readonly gc: number
  /** The rest. */
  readonly blocked: number
}

/**
 * Returns the parts of `ns`. `onCpu` of the kernel has the collections; in the result it has not.
 *
 * Collections are timed by the clock, so a part of their time may be a wait for a CPU: as large a
 * part as of all the time in which the thread could run. The kernel's time on a CPU lags a little,
 * so it may be more than `ns`, or less than the collections.
 */
export function timeParts(ns: number, { onCpu, waitingForCpu }: KernelTime, collections: number): TimeParts {
  const could = onCpu + waitingForCpu
  const gc = Math.min(ns, could === 0 ? collections : (collections * onCpu) / could)
  const worked = Math.min(Math.max(onCpu, gc), ns)
  const waited = Math.min(waitingForCpu, ns - worked)
  return { onCpu: worked - gc, waitingForCpu: waited, gc, blocked: ns - worked - waited }
}
