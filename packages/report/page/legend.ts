/** Which name has which colour, under the timeline. */
import { PALETTE } from './colors.js'
import type { Timeline } from './timeline.js'

/** Puts the names that took most time before what stands in the legend. */
export function showNames(place: HTMLElement, { data, ranked }: Timeline): void {
  const entry = (color: string, name: string): HTMLElement => {
    const made = document.createElement('span')
    const mark = document.createElement('i')
    mark.style.background = `var(--${color})`
    made.className = 'name'
    made.title = name
    made.append(mark, name)
    return made
  }
  const named = ranked.slice(0, PALETTE).map((name, rank) => entry(`c${rank}`, data.names[name]))
  const others = ranked.length - PALETTE
  if (others > 0) named.push(entry('other', others === 1 ? '1 other name' : `${others} other names`))
  place.prepend(...named.flatMap((each) => [each, ' ']))
}
