/** Reads the content of a picture from its text. */
import { expect } from 'vitest'

/** A line of text and the room that it takes. */
export interface PlacedText {
  readonly content: string
  readonly left: number
  readonly right: number
  readonly y: number
}

/** Of 11.5 pixels: an average that common fonts stay below. */
const CHARACTER = 6.3

/** Each element is closed, each entity known, and nothing stands outside of the one root. */
export function expectWellFormed(svg: string): void {
  expect(svg).toMatch(/^<svg [^>]*>[^]*<\/svg>\n$/)
  // oxlint-disable-next-line no-control-regex
  expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
  const open: string[] = []
  let rest = svg.trim()
  while (rest !== '') {
    const piece =
      /^(?:<(?<close>\/)?(?<name>[a-z]+)(?<attributes>(?: [\w:-]+="[^"<&]*")*)(?<empty>\/)?>|(?:[^<&]|&(?:amp|lt|gt);)+)/i.exec(
        rest,
      )
    expect(piece, `no XML: ${rest.slice(0, 80)}`).not.toBeNull()
    const { name, close, empty } = piece!.groups!
    if (name !== undefined) {
      if (close !== undefined) expect(open.pop()).toBe(name)
      else if (empty === undefined) open.push(name)
    }
    rest = rest.slice(piece![0].length)
    expect(open.length > 0 || rest === '', 'something follows the root').toBe(true)
  }
  expect(open).toEqual([])
}

/** How many slices are drawn: each is a stroke of its own. */
export function sliceCount(svg: string): number {
  return [...svg.matchAll(/class="slices"[^>]* d="([^"]*)"/g)].flatMap(([, d]) => d.match(/M/g) ?? []).length
}

/** All texts, with the room that they take. */
export function textsOf(svg: string): PlacedText[] {
  return [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" class="([^"]*)"[^>]*>([^<]*)</g)].map(
    ([, x, y, classes, content]) => {
      const width = content.length * CHARACTER
      const at = Number(x)
      const left = classes.includes('end') ? at - width : classes.includes('mid') ? at - width / 2 : at
      return { content, left, right: left + width, y: Number(y) }
    },
  )
}
