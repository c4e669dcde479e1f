/** From lane to lane: what a user without a mouse goes through, from above to below. */
import type { Lane } from '../src/page-data.js'
import { eventAt, sliceAt } from './hit.js'
import { NOTHING, type Chosen } from './selection.js'
import type { Timeline } from './timeline.js'

/** A lane of slices, the events of a thread, or a thread that has neither. */
interface Stop {
  readonly thread: number
  readonly lane?: Lane
  readonly hasEvents: boolean
}

/** The lanes of all rows. */
export class LaneSteps {
  readonly #timeline: Timeline
  readonly #stops: readonly Stop[]

  constructor(timeline: Timeline) {
    this.#timeline = timeline
    this.#stops = timeline.parts.flatMap(({ lanes, events }, thread): Stop[] => {
      const stops: Stop[] = lanes.map((lane) => ({ thread, lane, hasEvents: false }))
      if (events[1] > events[0]) stops.push({ thread, hasEvents: true })
      return stops.length > 0 ? stops : [{ thread, hasEvents: false }]
    })
  }

  /** What is nearest to a time in the lane below, or above. The same if there is no such lane. */
  next(chosen: Chosen, isDown: boolean, time: number): Chosen {
    const stop = this.#stops[this.#from(chosen, isDown) + (isDown ? 1 : -1)]
    return stop === undefined ? chosen : this.#in(stop, time)
  }

  /** What is nearest to a time in the first lane of a thread. */
  first(thread: number, time: number): Chosen {
    const stop = this.#stops.find((each) => each.thread === thread)
    return stop === undefined ? NOTHING : this.#in(stop, time)
  }

  /** The stop that is chosen; with a thread alone, the one before its first or after its last. */
  #from({ slice, event, thread }: Chosen, isDown: boolean): number {
    const lane = slice < 0 ? undefined : this.#timeline.laneOf(slice)
    if (lane !== undefined) return this.#stops.findIndex((stop) => stop.lane === lane)
    if (event >= 0) return this.#stops.findIndex((stop) => stop.hasEvents && stop.thread === thread)
    if (thread < 0) return isDown ? -1 : this.#stops.length
    const first = this.#stops.findIndex((stop) => stop.thread === thread)
    const isEmpty = first >= 0 && this.#stops[first].lane === undefined && !this.#stops[first].hasEvents
    return isDown && !isEmpty ? first - 1 : first
  }

  #in({ thread, lane, hasEvents }: Stop, time: number): Chosen {
    if (hasEvents)
      return { ...NOTHING, thread, event: eventAt(this.#timeline, this.#timeline.parts[thread].events, time) }
    const slice = lane === undefined ? -1 : sliceAt(this.#timeline, lane, time, Infinity)
    return { ...NOTHING, thread, slice, task: slice < 0 ? -1 : this.#timeline.data.slices.task[slice] }
  }
}
