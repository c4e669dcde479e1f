/** What is drawn. */
import type { Colors } from './colors.js'
import type { Layout } from './layout.js'
import type { Range } from './range.js'
import type { Chosen, Search } from './selection.js'
import type { Timeline } from './timeline.js'
import type { View } from './view.js'

/** What is under the pointer. */
export interface Pointed {
  /** In pixels. */
  readonly x: number
  /** −1: none. */
  readonly slice: number
}

/** All that a drawing depends on. */
export interface Scene {
  readonly timeline: Timeline
  readonly layout: Layout
  readonly view: View
  readonly search: Search
  readonly chosen: Chosen
  /** A user has marked it, or a finding is about it. */
  readonly marked: Range | undefined
  readonly pointed: Pointed | undefined
  readonly colors: Colors
  /** How far the rows are scrolled, in pixels. */
  readonly scrolled: number
  readonly width: number
  readonly height: number
  /** The width of the labels, left of the plot. */
  readonly left: number
}
