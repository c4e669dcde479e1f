/** How durations are distributed, as SVG: a bar for each bin, on a logarithmic axis. */
import { durationText, numberText, type Bin } from '@rchan/analysis'
import { scaleLinear, scaleLog } from 'd3-scale'
import { html, type Markup } from './markup.js'

// Pixels.
const WIDTH = 420
const HEIGHT = 136
const TOP = 28
const BOTTOM = 22
/** A letter, and a line of text. */
const LETTER = 6.5
const LINE = 12

/** A mark on the axis. */
export interface Mark {
  readonly label: string
  readonly at: number
}

/**
 * Draws a histogram.
 *
 * @param label what it shows, for who can't see it.
 * @param bins in ns.
 * @param marks quantiles.
 */
export function histogram(label: string, bins: readonly Bin[], marks: readonly Mark[]): Markup {
  // A logarithm has no 0.
  const shown = bins.map(({ from, to, count }) => ({
    from: Math.max(1, from),
    to: Math.max(1.25, to),
    count,
  }))
  if (shown.length === 0) return html``
  const least = Math.min(...shown.map(({ from }) => from))
  const most = Math.max(...shown.map(({ to }) => to))
  const middle = Math.sqrt(least * most)
  // At least a power of ten, so that equal durations are not a single broad bar.
  const x = scaleLog([Math.min(least, middle / 3.2), Math.max(most, middle * 3.2)], [1, WIDTH - 1])
  const highest = Math.max(...shown.map(({ count }) => count))
  const y = scaleLinear([0, highest], [HEIGHT - BOTTOM, TOP])
  const round = (value: number): number => Math.round(value * 10) / 10
  const powers = x
    .ticks()
    .filter((value) => Number.isInteger(Math.log10(value)))
    .map((value) => ({ at: x(value), text: durationText(value) }))
  const named = placed(marks.filter(({ at }) => at > 0).map(({ label: name, at }) => ({ name, at: x(at) })))
  return html`<svg class="histogram" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
    ${shown.map(
      ({ from, to, count }) =>
        html`<rect
          class="bin"
          x="${round(x(from))}"
          y="${round(y(count))}"
          width="${round(Math.max(1, x(to) - x(from) - 1))}"
          height="${round(HEIGHT - BOTTOM - y(count))}"
          ><title>${durationText(from)} to ${durationText(to)}: ${numberText(count)}</title></rect
        >`,
    )}
    <path class="axis" d="M0 ${HEIGHT - BOTTOM}H${WIDTH}" />
    ${powers.map(
      ({ at, text }) =>
        html`<text x="${round(within(at, text))}" y="${HEIGHT - 6}" text-anchor="middle">${text}</text>`,
    )}
    ${named.map(({ at, line }) => html`<path class="mark" d="M${round(at)} ${line * LINE + 3}V${HEIGHT - BOTTOM}" />`)}
    ${named.map(({ name, left, line }) => html`<text class="mark" x="${round(left)}" y="${line * LINE + LINE - 1}">${name}</text>`)}
  </svg>`
}

/** The middle of a text that has to stay in the picture. */
function within(at: number, text: string): number {
  const half = (text.length * LETTER) / 2
  return Math.max(half, Math.min(WIDTH - half, at))
}

interface Placed {
  readonly name: string
  readonly at: number
  /** Where its name begins, and on which line. */
  readonly left: number
  readonly line: number
}

/**
 * Puts the name of the last mark right of it, the others left, where there is room; on a second
 * line rather than over another.
 */
function placed(marks: readonly { readonly name: string; readonly at: number }[]): Placed[] {
  const done: Placed[] = []
  for (const { name, at } of marks.toReversed().sort((a, b) => b.at - a.at)) {
    const wide = name.length * LETTER
    const [before, after] = [at - 3 - wide, at + 3]
    const isAfter = done.length === 0 ? after + wide <= WIDTH : before < 0
    const left = isAfter ? after : before
    const inWay = done.filter(
      (other) => other.left < Math.max(at, left + wide) + 3 && other.left + wide > left - 3,
    )
    done.push({ name, at, left, line: inWay.length })
  }
  return done
}
