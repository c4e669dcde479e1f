/** The colours of the style sheet, in the light and in the dark: all can be told and read. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

type Colors = Readonly<Record<string, string>>

const style = readFileSync(new URL('../page/style.css', import.meta.url), 'utf8')

function colorsIn(text: string): Colors {
  return Object.fromEntries(
    [...text.matchAll(/--([\w-]+): (#[\da-f]{6});/g)].map(([, name, color]) => [name, color]),
  )
}

const [, ofLight] = /:root \{([^}]+)\}/.exec(style) ?? []
const [, ofDark] = /:root:not\(\.printing\) \{([^}]+)\}/.exec(style) ?? []
const light = colorsIn(ofLight)
const dark = { ...light, ...colorsIn(ofDark) }

/** The contrast of two colours, as WCAG 2 defines it. */
function contrast(a: string, b: string): number {
  const luminance = (color: string): number => {
    const [r, g, b_] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(color.slice(at, at + 2), 16) / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b_
  }
  const [more, less] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (more + 0.05) / (less + 0.05)
}

describe.each([
  ['light', light],
  ['dark', dark],
])('%s', (_theme, colors) => {
  const slices = [...Array.from({ length: 9 }, (_, index) => `c${index}`), 'gc', 'other']

  test('text can be read: 4.5 to 1', () => {
    for (const text of ['ink', 'faint', 'bad', 'accent']) {
      for (const ground of ['paper', 'band']) {
        const found = contrast(colors[text], colors[ground])
        expect(found, `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5)
      }
    }
    for (const slice of slices) {
      const found = contrast(colors['on-slice'], colors[slice])
      expect(found, `a name on ${slice}`).toBeGreaterThanOrEqual(4.5)
    }
  })

  test('what is drawn can be seen: 3 to 1', () => {
    for (const mark of [...slices, 'on-cpu', 'waiting', 'stall', 'blocked', 'bad']) {
      expect(contrast(colors[mark], colors.paper), mark).toBeGreaterThanOrEqual(3)
    }
  })

  test('no two colours are the same', () => {
    const marks = [...slices, 'on-cpu', 'waiting', 'stall', 'blocked', 'bad'].map((name) => colors[name])
    expect(new Set(marks).size).toBe(marks.length)
  })
})
