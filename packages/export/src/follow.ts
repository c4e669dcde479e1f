/**
 * The text of a recording that still runs, as it comes: what a converter that writes items one by
 * one makes of `follow()`.
 */
import type { FollowOptions, FollowSource, TraceItem } from '@rchan/ctf/reader'
import type { Pieces } from './pieces.js'

/**
 * Converts the items of a recording that still runs.
 *
 * @param add puts an item into the pieces.
 * @returns a piece when one is full, and what there is when nothing more comes.
 */
export async function* followInPieces(
  source: FollowSource,
  { signal, ...options }: FollowOptions,
  pieces: Pieces,
  add: (item: TraceItem) => void,
): AsyncIterableIterator<string> {
  // Ends a wait for an item that may be long in coming.
  const ended = new AbortController()
  const either = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal])
  const followed = source.follow({ ...options, signal: either })
  const items = followed[Symbol.asyncIterator]()
  let next = items.next()
  let idle: Promise<undefined> | undefined
  try {
    for (;;) {
      // An item that is there comes before the event loop turns. One promise for each piece, so
      // that a long trace does not leave one for each item.
      if (!pieces.isEmpty) idle ??= nextTurn()
      const result = await (idle === undefined ? next : Promise.race([next, idle]))
      const isDone = result?.done === true
      if (result !== undefined && !isDone) {
        add(result.value)
        next = items.next()
      }
      if (result !== undefined && !isDone && !pieces.isFull) continue
      idle = undefined
      if (!pieces.isEmpty) yield pieces.take()
      if (isDone) return
    }
  } finally {
    ended.abort()
    await items.return?.()
  }
}

async function nextTurn(): Promise<undefined> {
  return await new Promise((resolve) => {
    setImmediate(() => {
      resolve(undefined)
    })
  })
}
