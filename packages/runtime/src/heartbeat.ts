/**
 * The heartbeat of a thread's event loop: a timer that counts up a word of the thread's place, so
 * that the consumer thread sees a loop that stands still, while it does (`stall-watch.ts`).
 *
 * ```text
 *   this thread                                    consumer
 *   stallMs := limit, at each beat, if it is not   watches the places with a limit
 *   beats += 1, at each beat                       the same for longer than the limit: a stall
 *   stallMs := 0, when it is not watched any more
 * ```
 *
 * The words are hints, and no other store depends on their order. The timer does not keep the
 * thread alive. A thread without a place has none of these words, so it is watched from its first
 * record on.
 */
import { PLACE } from './arena.js'
import { thisCpu, type Cpu } from './cpu.js'
import { clearInterval, setInterval } from './process.js'

/** The range of a limit, in milliseconds. */
export const MIN_STALL_MS = 50
export const MAX_STALL_MS = 3_600_000
/** Beats within a limit. The loop of a busy program comes late, and that is no stall. */
const BEATS = 4
const MIN_BEAT_MS = 10
/** The longest time between two beats. Also that of a heartbeat without a limit. */
const MAX_BEAT_MS = 250

/** Options of {@link watchEventLoop}. */
export interface EventLoopOptions {
  /** How long the event loop may stand still, in milliseconds; from 50 to 3600000. */
  readonly stallMs: number
}

/** See trace's function of this name, for users. @throws RangeError for a bad limit. */
export function watchEventLoop(options: EventLoopOptions): () => void {
  const { stallMs } = (options ?? {}) as Partial<Record<keyof EventLoopOptions, unknown>>
  if (
    typeof stallMs !== 'number' ||
    !Number.isInteger(stallMs) ||
    stallMs < MIN_STALL_MS ||
    stallMs > MAX_STALL_MS
  ) {
    throw new RangeError(
      `watchEventLoop: stallMs=${String(stallMs)} is not a whole number from ${MIN_STALL_MS} to ${MAX_STALL_MS}`,
    )
  }
  const heartbeat = new Heartbeat(thisCpu, stallMs)
  return () => heartbeat.end()
}

export class Heartbeat {
  readonly #cpu: Cpu
  readonly #stallMs: number
  readonly #heap: (() => number) | undefined
  readonly #timer: NodeJS.Timeout

  /**
   * Starts to beat.
   *
   * @param stallMs how long the loop may stand still; 0 when it is not watched for that.
   * @param heap tells the heap in use as a share of its limit, if that is watched.
   */
  constructor(cpu: Cpu, stallMs: number, heap?: () => number) {
    this.#cpu = cpu
    this.#stallMs = stallMs
    this.#heap = heap
    const everyMs = stallMs === 0 ? MAX_BEAT_MS : stallMs / BEATS
    this.#timer = setInterval(() => this.#beat(), Math.min(MAX_BEAT_MS, Math.max(MIN_BEAT_MS, everyMs)))
    this.#timer.unref()
    this.#beat()
  }

  /** Ends it. The loop may stand still from here on. */
  end(): void {
    clearInterval(this.#timer)
    const place = this.#place()
    if (place !== undefined) Atomics.store(place.words, place.at(PLACE.stallMs), 0)
  }

  #beat(): void {
    const place = this.#place()
    if (place === undefined) return
    const { words, at } = place
    if (this.#heap !== undefined) Atomics.store(words, at(PLACE.heap), Math.floor(this.#heap() * 1000))
    // Pairs with: StallWatch.look, Atomics.load of `beats`.
    Atomics.add(words, at(PLACE.beats), 1)
    // With several heartbeats the shortest limit counts.
    const limit = Atomics.load(words, at(PLACE.stallMs))
    if (this.#stallMs > 0 && (limit === 0 || limit > this.#stallMs))
      Atomics.store(words, at(PLACE.stallMs), this.#stallMs)
  }

  /**
   * This thread's place in the recording that runs. The memory of a recording that is over may
   * belong to another one.
   */
  #place(): { words: Int32Array<SharedArrayBuffer>; at: (word: number) => number } | undefined {
    const { arena, number, control } = this.#cpu
    if (arena === undefined || arena.generation !== control.generation) return undefined
    return { words: arena.words, at: (word) => arena.placeWord(number, word) }
  }
}
