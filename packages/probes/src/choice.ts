/** Which probes are meant by a choice. Apart from the probes, because it is needed before them. */
import type { ProbeDescription } from './probe.js'

/**
 * Which probes to use beside the default ones: names; `-NAME` leaves one out; `all` is all
 * but those that tell what may be secret.
 */
export type ProbeChoice = readonly string[]

type Choosable = Pick<ProbeDescription, 'name' | 'byDefault' | 'isPrivate'>

/** Whether a choice has a probe. What comes later in it counts. */
export function isChosen(choice: ProbeChoice, { name, byDefault, isPrivate = false }: Choosable): boolean {
  return choice.reduce((isIn, text) => {
    const isOut = text.startsWith('-')
    const meant = isOut ? text.slice(1) : text
    if (meant !== name && (meant !== 'all' || (isPrivate && !isOut))) return isIn
    return !isOut
  }, byDefault)
}
