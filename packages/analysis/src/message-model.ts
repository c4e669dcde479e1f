/**
 * The messages between the threads of one process, so far: what the probe `messages` tells. Of a
 * message there are four records, and each end of its way writes two: the flow starts, it is
 * posted (the span ends); the flow ends, it is handled (the span ends). The receiver may be faster
 * than the sender's second. All have the message's number in them, its _key_.
 *
 * Memory is bounded by the number of pairs of threads, and {@link MOST_OPEN}.
 */
import type { DecodedValue } from '@rchan/ctf/reader'
import { RouteModel } from './route-model.js'
import type { ThreadModel } from './thread-model.js'

/** How many messages can be on their way, and how many ends of channels can be known. */
const MOST_OPEN = 65_536
/** Late messages of a route whose receiver's account is not told. */
const MOST_UNSETTLED = 4096
/**
 * A key is the end that posted (twice the channel, and the side), and 31 bits of its number there.
 */
const END_UNIT = 2 ** 31

/** A message on its way. */
interface OpenMessage {
  readonly from: ThreadModel
  readonly start: number
  /** When it had been posted, and how long that took. */
  posted: number | undefined
  postNs: number
  /** Who has received it. Then it is kept until it is known that it was posted. */
  route: RouteModel | undefined
  isTaken: boolean
  /** How long its receiver had waited for a CPU when it was posted. */
  waitedBefore: number
}

/** Who posts at an end of a channel, and who receives that. */
interface End {
  from: ThreadModel | undefined
  to: ThreadModel | undefined
}

/** Follows one process. Times are ns, counted from wherever the caller likes. */
export class MessageModel {
  readonly #threads: ReadonlyMap<number, ThreadModel>
  readonly #open = new Map<number, OpenMessage>()
  readonly #ends = new Map<number, End>()
  readonly #routes = new Map<ThreadModel, Map<ThreadModel, RouteModel>>()
  /** Routes with late messages, by their receivers. */
  readonly #unsettled = new Map<ThreadModel, Set<RouteModel>>()

  /** @param threads those of the process, by their ids. */
  constructor(threads: ReadonlyMap<number, ThreadModel>) {
    this.#threads = threads
  }

  /** A thread begins to post a message. */
  posting(from: ThreadModel, key: number, time: number): void {
    const end = this.#end(key)
    end.from = from
    from.talk.posts(time)
    const waitedBefore = this.#receiver(key)?.waitingForCpu ?? 0
    const open = {
      from,
      start: time,
      posted: undefined,
      postNs: 0,
      route: undefined,
      isTaken: false,
      waitedBefore,
    }
    this.#open.set(key, open)
    if (this.#open.size > MOST_OPEN) dropOldest(this.#open, (each, message) => this.#lost(each, message))
  }

  /** A thread has posted a message, or failed to. */
  posted(from: ThreadModel, key: number, start: number, end: number, isFailed: boolean): void {
    const message = this.#open.get(key)
    if (isFailed) {
      if (message === undefined) return
      this.#open.delete(key)
      from.talk.failed()
      return
    }
    from.talk.messagingNs += end - start
    if (message === undefined) return
    message.posted = end
    message.postNs = end - start
    if (message.route === undefined) return
    message.route.post.add(message.postNs)
    this.#open.delete(key)
  }

  /** The program takes a message by itself: it will be received. */
  taken(key: number): void {
    const message = this.#open.get(key)
    if (message !== undefined) message.isTaken = true
  }

  /** A message has come. */
  received(to: ThreadModel, key: number, time: number): void {
    this.#end(key).to = to
    to.talk.receives(time, to.onCpu, to.waitingForCpu)
    const message = this.#open.get(key)
    if (message === undefined || message.route !== undefined) return
    const { from, start, posted = time, postNs, isTaken } = message
    const route = this.#route(from, to)
    const { freeFrom } = to.talk
    const { waitedBefore } = message
    to.talk.messagingNs += route.received({ posted, postNs, time, freeFrom, waitedBefore, isTaken })
    if (route.unsettled > MOST_UNSETTLED) route.settle(to.waitingForCpu)
    else if (route.unsettled > 0) this.#notSettled(to, route)
    const onWay = Math.max(start, to.talk.firstAt)
    from.talk.active.add(onWay, time)
    to.talk.active.add(onWay, time)
    message.route = route
    if (message.posted === undefined) return
    route.post.add(postNs)
    this.#open.delete(key)
  }

  /** Its listeners have returned. */
  handled(to: ThreadModel, key: number | undefined, start: number, end: number): void {
    to.talk.handled(start, end)
    if (key === undefined) return
    const from = this.#ends.get(Math.floor(key / END_UNIT))?.from
    if (from !== undefined) this.#route(from, to).handled(end - start)
  }

  /** The kernel's account of a thread was told. */
  accounted(to: ThreadModel): void {
    const routes = this.#unsettled.get(to)
    if (routes === undefined) return
    this.#unsettled.delete(to)
    for (const route of routes) route.settle(to.waitingForCpu)
  }

  #notSettled(to: ThreadModel, route: RouteModel): void {
    const routes = this.#unsettled.get(to)
    if (routes === undefined) this.#unsettled.set(to, new Set([route]))
    else routes.add(route)
  }

  /** Calls `each` with all routes. What has not been received by now is no more. */
  routes(each: (from: ThreadModel, to: ThreadModel, route: RouteModel) => void): void {
    for (const [key, message] of this.#open) this.#lost(key, message)
    this.#open.clear()
    for (const to of this.#unsettled.keys()) this.accounted(to)
    for (const [from, routes] of this.#routes) {
      for (const [to, route] of routes) each(from, to, route)
    }
  }

  #lost(key: number, { from, route, postNs }: OpenMessage): void {
    const to = this.#receiver(key)
    if (route !== undefined || to === undefined) return
    const known = this.#route(from, to)
    known.neverReceived()
    known.post.add(postNs)
  }

  /** Who will receive a message. Channels with even numbers are those of the threads themselves. */
  #receiver(key: number): ThreadModel | undefined {
    const end = Math.floor(key / END_UNIT)
    const known = this.#ends.get(end)?.to
    if (known !== undefined) return known
    const [channel, side] = [Math.floor(end / 2), end % 2]
    if (channel % 2 === 1) return undefined
    const worker = this.#threads.get(channel / 2)
    if (side === 0) return worker
    return worker?.parent === undefined ? undefined : this.#threads.get(worker.parent.threadId)
  }

  #end(key: number): End {
    const number = Math.floor(key / END_UNIT)
    let end = this.#ends.get(number)
    if (end !== undefined) return end
    if (this.#ends.size >= MOST_OPEN) dropOldest(this.#ends)
    this.#ends.set(number, (end = { from: undefined, to: undefined }))
    return end
  }

  #route(from: ThreadModel, to: ThreadModel): RouteModel {
    let routes = this.#routes.get(from)
    if (routes === undefined) this.#routes.set(from, (routes = new Map()))
    let route = routes.get(to)
    if (route === undefined) routes.set(to, (route = new RouteModel()))
    return route
  }
}

/** Drops a quarter of a map. One by one it would search for the oldest again and again. */
function dropOldest<K, V>(map: Map<K, V>, dropped?: (key: K, value: V) => void): void {
  let left = map.size / 4
  for (const [key, value] of map) {
    if (left <= 0) return
    left -= 1
    map.delete(key)
    dropped?.(key, value)
  }
}

/** Returns the key of a message that a record has in its fields; undefined if it has none. */
export function keyOf({ channel, side, seq }: Readonly<Record<string, DecodedValue>>): number | undefined {
  if (typeof channel !== 'number' || typeof side !== 'number' || typeof seq !== 'number') return undefined
  return (channel * 2 + side) * END_UNIT + (seq % END_UNIT)
}
