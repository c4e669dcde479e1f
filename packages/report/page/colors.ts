/** The colours of the page, of its style sheet: they differ in the dark. */

/** How many names have a colour of their own. */
export const PALETTE = 9

export interface Colors {
  readonly paper: string
  readonly band: string
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly bad: string
  readonly onCpu: string
  readonly waiting: string
  readonly gc: string
  readonly stall: string
  readonly other: string
  readonly onSlice: string
  readonly accent: string
  readonly palette: readonly string[]
}

/** Reads the colours of the style sheet. */
export function colorsOf(element: Element): Colors {
  const style = getComputedStyle(element)
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim()
  return {
    paper: of('paper'),
    band: of('band'),
    ink: of('ink'),
    faint: of('faint'),
    line: of('line'),
    bad: of('bad'),
    onCpu: of('on-cpu'),
    waiting: of('waiting'),
    gc: of('gc'),
    stall: of('stall'),
    other: of('other'),
    onSlice: of('on-slice'),
    accent: of('accent'),
    palette: Array.from({ length: PALETTE }, (_, index) => of(`c${index}`)),
  }
}
