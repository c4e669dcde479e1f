/** How durations are distributed, as SVG: a bar for each bin, on a logarithmic axis. */
import { durationText, numberText, type Bin } from '@rchan/analysis'
import { scaleLinear, scaleLog } from 'd3-scale'
import { html, type Markup } from './markup.js'

// Pixels.
const WIDTH = 420
const HEIGHT = 130
const TOP = 18
const BOTTOM = 22

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
  const isAtEnd = (value: number): boolean => x(value) > WIDTH - 30
  const powers = x.ticks().filter((value) => Number.isInteger(Math.log10(value)))
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
      (value) =>
        html`<text x="${round(x(value))}" y="${HEIGHT - 6}" text-anchor="middle"
          >${durationText(value)}</text
        >`,
    )}
    ${marks
      .filter(({ at }) => at > 0)
      .map(
        ({ label: name, at }, index) =>
          html`<path class="mark" d="M${round(x(at))} ${TOP - 6}V${HEIGHT - BOTTOM}" /><text
              class="mark"
              x="${round(x(at)) + (isAtEnd(at) ? -3 : 3)}"
              text-anchor="${isAtEnd(at) ? 'end' : 'start'}"
              y="${TOP - 7 + (index % 2) * 9}"
              >${name}</text
            >`,
      )}
  </svg>`
}
