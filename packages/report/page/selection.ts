/** What is chosen, and what is searched for. */
import type { Timeline } from './timeline.js'

/**
 * What is chosen: nothing, a slice, a task, an event, or a thread. Numbers are places; −1: none.
 */
export interface Chosen {
  readonly slice: number
  readonly task: number
  readonly event: number
  readonly thread: number
}

export const NOTHING: Chosen = { slice: -1, task: -1, event: -1, thread: -1 }

/** Slices, events and threads whose name or fields contain a text. */
export class Search {
  readonly #timeline: Timeline
  #names = new Uint8Array()
  #texts = new Uint8Array()
  #threads = new Uint8Array()
  /** Grows with each search. */
  version = 0
  isActive = false
  slices = 0
  events = 0
  threads = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  set(text: string): void {
    const sought = text.trim().toLowerCase()
    this.isActive = sought !== ''
    this.version += 1
    const { names, texts, threads, slices, events } = this.#timeline.data
    const found = (all: readonly string[]): Uint8Array<ArrayBuffer> =>
      Uint8Array.from(all, (each) => Number(this.isActive && each.toLowerCase().includes(sought)))
    this.#names = found(names)
    this.#texts = found(texts)
    this.#threads = found(threads.map(({ label }) => label))
    const countOf = (count: number, has: (index: number) => boolean): number => {
      let sum = 0
      for (let index = 0; index < count; index += 1) if (has(index)) sum += 1
      return sum
    }
    this.slices = this.isActive ? countOf(slices.start.length, (slice) => this.hasSlice(slice)) : 0
    this.events = this.isActive ? countOf(events.time.length, (event) => this.hasEvent(event)) : 0
    this.threads = this.isActive ? countOf(threads.length, (thread) => this.hasThread(thread)) : 0
  }

  hasSlice(slice: number): boolean {
    const { name, text } = this.#timeline.data.slices
    return this.#names[name[slice]] === 1 || (text[slice] >= 0 && this.#texts[text[slice]] === 1)
  }

  hasEvent(event: number): boolean {
    const { name, text } = this.#timeline.data.events
    return this.#names[name[event]] === 1 || (text[event] >= 0 && this.#texts[text[event]] === 1)
  }

  hasThread(thread: number): boolean {
    return this.#threads[thread] === 1
  }

  /** How many found slices begin before one, and it; 0 if it was not found. */
  placeOf(slice: number): number {
    if (slice < 0 || !this.hasSlice(slice)) return 0
    const { start } = this.#timeline.data.slices
    let place = 1
    for (let other = 0; other < start.length; other += 1) {
      const order = start[other] - start[slice] || other - slice
      if (order < 0 && this.hasSlice(other)) place += 1
    }
    return place
  }

  /** The next event of its row, or of the next row. */
  nextEvent(from: number, isForward: boolean): number {
    return nextOf(this.#timeline.data.events.time.length, from, isForward, (event) => this.hasEvent(event))
  }

  /** The thread of the next row. */
  nextThread(from: number, isForward: boolean): number {
    return nextOf(this.#timeline.data.threads.length, from, isForward, (thread) => this.hasThread(thread))
  }

  /**
   * The next slice in the order of time, or the one before; from the start again after the last.
   */
  nextSlice(from: number, isForward: boolean): number {
    const { start } = this.#timeline.data.slices
    const isAfter = (a: number, b: number): boolean => {
      const order = start[a] - start[b] || a - b
      return isForward ? order > 0 : order < 0
    }
    let next = -1
    let first = -1
    for (let slice = 0; slice < start.length; slice += 1) {
      if (!this.hasSlice(slice)) continue
      if (first < 0 || isAfter(first, slice)) first = slice
      if (from >= 0 && isAfter(slice, from) && (next < 0 || isAfter(next, slice))) next = slice
    }
    return next < 0 ? first : next
  }
}

/** The next of `count` places that has something; round after the last. −1 if none has. */
function nextOf(count: number, from: number, isForward: boolean, has: (place: number) => boolean): number {
  const step = isForward ? 1 : -1
  let place = from < 0 && !isForward ? 0 : from
  for (let looked = 0; looked < count; looked += 1) {
    place = (place + step + count) % count
    if (has(place)) return place
  }
  return -1
}
