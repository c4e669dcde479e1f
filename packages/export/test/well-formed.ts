/** Checks that a text is XML: each element is closed, each entity known, with one root. */
import { expect } from 'vitest'

const PIECE =
  /^(?:<(?<close>\/)?(?<name>[a-z]+)(?<attributes>(?: [\w:-]+="[^"<&]*")*)(?<empty>\/)?>|(?:[^<&]|&(?:amp|lt|gt);)+)/i

export function expectWellFormed(svg: string): void {
  expect(svg).toMatch(/^<svg [^>]*>[^]*<\/svg>\n$/)
  // oxlint-disable-next-line no-control-regex
  expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
  const open: string[] = []
  let rest = svg.trim()
  while (rest !== '') {
    const piece = PIECE.exec(rest)
    expect(piece, `no XML: ${rest.slice(0, 80)}`).not.toBeNull()
    const { name, close, empty } = piece?.groups ?? {}
    if (name !== undefined) {
      if (close !== undefined) expect(open.pop()).toBe(name)
      else if (empty === undefined) open.push(name)
    }
    rest = rest.slice(piece?.[0].length)
    expect(open.length > 0 || rest === '', 'something follows the root').toBe(true)
  }
  expect(open).toEqual([])
}
