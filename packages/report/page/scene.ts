/** What is drawn. */
import type { Colors } from './colors.js'
import type { Layout } from './layout.js'
import type { Chosen, Search } from './selection.js'
import type { Timeline } from './timeline.js'
import type { View } from './view.js'

/** A part of the time that a finding is about, in ns. */
export interface Marked {
  readonly from: number
  readonly to: number
}

/** All that a drawing depends on. */
export interface Scene {
  readonly timeline: Timeline
  readonly layout: Layout
  readonly view: View
  readonly search: Search
  readonly chosen: Chosen
  readonly marked: Marked | undefined
  readonly colors: Colors
  /** How far the rows are scrolled, in pixels. */
  readonly scrolled: number
  readonly width: number
  readonly height: number
  /** The width of the labels, left of the plot. */
  readonly left: number
}
