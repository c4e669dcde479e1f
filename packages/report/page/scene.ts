/** What is drawn. */
import type { Colors } from './colors.js'
import type { Layout } from './layout.js'
import type { Chosen, Search } from './selection.js'
import type { Timeline } from './timeline.js'
import type { View } from './view.js'

const LABELS = 190
const LABELS_NARROW = 104
const NARROW = 640

/** All that a drawing depends on. */
export interface Scene {
  readonly timeline: Timeline
  readonly layout: Layout
  readonly view: View
  readonly search: Search
  readonly chosen: Chosen
  readonly colors: Colors
  /** How far the rows are scrolled, in pixels. */
  readonly scrolled: number
  readonly width: number
  readonly height: number
}

/** The width of the labels. */
export function labelsWidth(width: number): number {
  return width < NARROW ? LABELS_NARROW : LABELS
}
