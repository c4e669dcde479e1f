/**
 * A consumer of relay channels: it hands out what is written to the buffers of one or several
 * channels, each byte once and in order, or counts it as lost. It runs on the thread that made it,
 * any thread of the relay.
 *
 * It claims each buffer that it drains (see {@link ReaderClaim}), so a buffer has one consumer at a
 * time. It takes turns between the buffers, so that none waits for a busy one. No writer ever
 * waits for it: a full buffer discards or overwrites, as its mode says.
 *
 * It sleeps on the thread's bell (bells.ts). Three things ring no bell, and it looks for them now
 * and then: a thread that died, a record that is to be flushed, and a buffer that another consumer
 * gave up.
 */
import { checkCount } from '@rchan/ring'
import { Patience } from '@rchan/sync/waiting'
import { BufferDrain, type Taken } from './buffer-drain.js'
import type { ThreadBuffer } from './buffer.js'
import type { ThreadChannel } from './channel.js'
import type { RelayChannel } from './relay-channel.js'

/** A sub-buffer that a consumer hands out, or a part of one. */
export interface Subbuf {
  /** The channel. */
  readonly channel: RelayChannel
  /** Whose buffer it is; 0 in a global channel. */
  readonly cpu: number
  /** Its number in its buffer, counted from 0 since the last reset. */
  readonly sequence: number
  /**
   * The bytes, without padding: the whole sub-buffer, or the part that comes next. Without bytes,
   * it only accounts for {@link records}.
   */
  readonly bytes: Uint8Array
  /** Whether this is all that is left of a completed sub-buffer. Else more of it may follow. */
  readonly isComplete: boolean
  /**
   * Records that are accounted for by this part. A part of a sub-buffer that its thread goes on
   * writing accounts for none of them: they come with its last part.
   */
  readonly records: number
  /**
   * Records of this buffer that were overwritten before they could be handed out, since the last.
   */
  readonly overwritten: number
}

/** Options of a consumer. */
export interface ConsumerOptions {
  /** Consumes the buffer of this CPU only. Default: the buffers of all CPUs, also of later ones. */
  readonly cpu?: number | undefined
  /**
   * At this interval in milliseconds, what stands in a sub-buffer that is not complete yet is
   * handed out as well, 10 ms old. Default: never, only when the buffer's thread has gone or the
   * channel is closed.
   */
  readonly flushIntervalMs?: number | undefined
}

/** What a consumer handed out of one buffer, and what was lost. */
export interface ConsumerTotals {
  /** The id of the channel. */
  readonly channel: number
  readonly cpu: number
  /** Sub-buffers, or parts of them. */
  readonly parts: number
  readonly bytes: number
  readonly records: number
  /** Records that were overwritten, or reset, before they were handed out. */
  readonly overwritten: number
}

/** How often it looks for deaths, and for buffers that were given up, in milliseconds. */
const LOOK_MS = 100
const LONGEST_INTERVAL_MS = 2 ** 31 - 1

/**
 * Consumes relay channels. For a thread that may block; `next(0)` never does.
 *
 * @example
 * const consumer = new ChannelConsumer([requests, errors])
 * while (!consumer.isOver) {
 *   const subbuf = consumer.next(1000)
 *   if (subbuf !== undefined) fs.writeSync(fd, subbuf.bytes)
 * }
 */
export class ChannelConsumer {
  readonly #channels: readonly ThreadChannel[]
  readonly #cpu: number | undefined
  readonly #flushIntervalMs: number
  readonly #drains = new Map<ThreadBuffer, { readonly drain: BufferDrain; readonly channel: ThreadChannel }>()
  /** The drains in the order of their turns. */
  #turns: { readonly drain: BufferDrain; readonly channel: ThreadChannel }[] = []
  #turn = -1
  /** What was handed out last, until it is given back. */
  #handed: { readonly drain: BufferDrain; readonly taken: Taken } | undefined
  /** What was found while nobody asked. */
  #found: Subbuf | undefined
  #nextLookMs = 0
  #isReleased = false
  /** Channels of which this thread keeps the memory. */
  readonly #held: ThreadChannel[] = []
  /** Channels that were closed before the last look for their buffers: there will be no more. */
  readonly #complete = new Set<ThreadChannel>()

  /**
   * Claims the buffers that the channels have now; those of later CPUs are claimed when they come.
   *
   * @param channels of one relay, seen from this thread.
   * @throws Error when another consumer has one of the buffers, or a channel was closed; RangeError
   * for a CPU that can't be, or a bad interval; TypeError for what is no relay channel.
   */
  constructor(channels: RelayChannel | readonly RelayChannel[], options: ConsumerOptions = {}) {
    const { cpu, flushIntervalMs = Infinity } = options
    const list = Array.isArray(channels) ? (channels as RelayChannel[]) : [channels as RelayChannel]
    this.#channels = list.map((channel) => insideOf(channel))
    if (this.#channels.length === 0) throw new RangeError('a ChannelConsumer of no channel')
    const [{ relay }] = this.#channels
    for (const channel of this.#channels) {
      if (channel.relay !== relay)
        throw new Error(`channel=${channel.id} is of another relay: one consumer has one`)
      if (!channel.isOpen) throw new Error(`channel=${channel.id} was closed: a consumer comes before that`)
    }
    if (cpu !== undefined) checkCount('cpu', cpu, 0, relay.words.possibleCpus - 1)
    if (!(flushIntervalMs === Infinity || (flushIntervalMs > 0 && flushIntervalMs <= LONGEST_INTERVAL_MS)))
      throw new RangeError(`flushIntervalMs=${flushIntervalMs} is not above 0`)
    this.#cpu = cpu
    this.#flushIntervalMs = flushIntervalMs
    let isReady = false
    try {
      for (const channel of this.#channels) {
        // A buffer that is made later may be written and closed before this thread looks again.
        if (!channel.hold()) throw new Error(`channel=${channel.id} was closed`)
        this.#held.push(channel)
      }
      this.#claimNew((buffer, channel) => {
        throw new Error(
          `cpu=${buffer.cpu} of channel=${channel.id} has a consumer already (${
            buffer.claim.reader === relay.members.me
              ? 'in this thread'
              : `member=${buffer.claim.reader}, which lives`
          }): release that one first`,
        )
      })
      isReady = true
    } finally {
      if (!isReady) this.release()
    }
  }

  /**
   * Whether nothing more can come: all channels are closed, and all is handed out; or the consumer
   * was released, or its thread has left the relay.
   */
  get isOver(): boolean {
    if (this.#hasEnded) return true
    if (this.#found !== undefined) return false
    return (
      this.#channels.every((channel) => this.#complete.has(channel)) &&
      this.#turns.every(({ drain }) => drain.isOver)
    )
  }

  /** What was handed out of each buffer and given back, and what was lost. */
  get totals(): ConsumerTotals[] {
    return [...this.#drains.values()].map(({ drain, channel }) => ({ ...drain.totals, channel: channel.id }))
  }

  /**
   * The next sub-buffer, or part of one. Its bytes are valid until the next call: in discard mode
   * they are the memory of the buffer itself. By that call it counts as delivered, and its room is
   * given back to the writer.
   *
   * @param timeoutMs how long to wait for one, in milliseconds. Waiting blocks the thread. Default:
   * until there is one, or the consumer is over.
   * @param isToReturn is asked before each sleep: if it says yes, `next` returns at once. Whoever
   * changes its answer calls `relay.ringAll()` then.
   * @returns undefined when there was none in time, or nothing more can come ({@link isOver}).
   */
  next(timeoutMs = Infinity, isToReturn?: () => boolean): Subbuf | undefined {
    const ready = this.#takeFound()
    if (ready !== undefined) return ready
    this.#giveBack()
    const patience = Patience.of(timeoutMs)
    for (;;) {
      const subbuf = this.#look()
      if (subbuf !== undefined) return subbuf
      const leftMs = patience.sliceMs(Infinity)
      if (!(leftMs > 0) || this.isOver || isToReturn?.() === true) return undefined
      const slept = this.#sleep(leftMs, isToReturn)
      if (slept !== undefined) return slept
    }
  }

  /**
   * For a thread with an event loop: calls `wake` once when {@link next} has to be called again,
   * since something was written, or a channel closed. It may be called for nothing. It does not
   * keep the event loop alive. Call `next(0)` after {@link restMs} in any case.
   *
   * @returns a function that ends the wait.
   */
  whenReady(wake: () => void): () => void {
    this.#giveBack()
    let isOver = false
    let stop = (): unknown => undefined
    const end = (): void => {
      if (isOver) return
      isOver = true
      stop()
      this.#countOut()
    }
    const done = (): void => {
      if (isOver) return
      end()
      wake()
    }
    const ticket = this.#countIn()
    const before = this.#turns.length
    this.#found ??= this.#look()
    if (this.#found !== undefined || this.isOver || this.#turns.length !== before) queueMicrotask(done)
    else stop = this.#bells.whenRung(ticket, done)
    return end
  }

  /** Milliseconds after which it is to look again, although nothing wakes it; at most 100. */
  get restMs(): number {
    const nowMs = this.#channels[0].relay.now()
    let restMs = LOOK_MS
    for (const { drain } of this.#turns) restMs = Math.min(restMs, drain.restMs(nowMs))
    return restMs
  }

  /**
   * Asks for all that has been written up to now, also in sub-buffers that are not complete. The
   * following calls of {@link next} hand it out, until {@link hasFlushed}.
   */
  flush(): void {
    if (this.#hasEnded) return
    this.#claimNew(leaveAlone)
    for (const { drain } of this.#turns) drain.finish()
  }

  /** Whether all is handed out that had been written at the last {@link flush}. */
  get hasFlushed(): boolean {
    return this.#found === undefined && this.#turns.every(({ drain }) => drain.hasFinished)
  }

  /**
   * Gives up all buffers; what was handed out last counts as delivered. Another consumer may go on
   * behind it. A second call does nothing.
   *
   * @param isUsed whether what was handed out last was used. If not, the next consumer gets it.
   */
  release(isUsed = true): void {
    if (this.#isReleased) return
    // Something that was found and not asked for is not given back: the next consumer gets it.
    if (isUsed && this.#found === undefined) this.#giveBack()
    this.#isReleased = true
    for (const { drain } of this.#turns) drain.release()
    // A thread that has left the relay holds nothing.
    if (this.#channels[0].relay.members.me !== 0) for (const channel of this.#held) channel.letGo()
  }

  /** {@link release}, for `using`. */
  [Symbol.dispose](): void {
    this.release()
  }

  get #hasEnded(): boolean {
    return this.#isReleased || this.#channels[0].relay.members.me === 0
  }

  get #bells(): ThreadChannel['relay']['bells'] {
    return this.#channels[0].relay.bells
  }

  #takeFound(): Subbuf | undefined {
    const found = this.#found
    this.#found = undefined
    return found
  }

  #giveBack(): void {
    const handed = this.#handed
    if (handed === undefined || this.#found !== undefined) return
    this.#handed = undefined
    handed.drain.giveBack(handed.taken)
  }

  /** Sleeps once, unless there is something. */
  #sleep(timeoutMs: number, isToReturn?: () => boolean): Subbuf | undefined {
    const ticket = this.#countIn()
    try {
      const before = this.#turns.length
      const subbuf = this.#look()
      // A buffer that was claimed just now has to be counted in first.
      if (subbuf !== undefined || this.isOver || this.#turns.length !== before) return subbuf
      if (isToReturn?.() === true) return undefined
      this.#bells.sleep(ticket, Math.min(timeoutMs, this.restMs))
      return undefined
    } finally {
      this.#countOut()
    }
  }

  /** @returns the ticket of the bell. */
  #countIn(): number {
    for (const { drain } of this.#turns) if (!drain.isOver) drain.buffer.claim.countIn()
    return this.#bells.ticket
  }

  #countOut(): void {
    for (const { drain } of this.#turns) drain.buffer.claim.countOut()
  }

  /** Goes once through all buffers, beginning behind the one that had its turn last. */
  #look(): Subbuf | undefined {
    if (this.#hasEnded) return undefined
    const { relay } = this.#channels[0]
    const nowMs = relay.now()
    const looks = nowMs >= this.#nextLookMs
    if (looks) {
      this.#nextLookMs = nowMs + LOOK_MS
      this.#claimNew(leaveAlone)
    }
    const subbuf = this.#pass(looks)
    if (subbuf !== undefined || looks) return subbuf
    return this.#claimNew(leaveAlone) ? this.#pass(false) : undefined
  }

  #pass(looks: boolean): Subbuf | undefined {
    const turns = this.#turns
    for (let tries = 0; tries < turns.length; tries += 1) {
      this.#turn = (this.#turn + 1) % turns.length
      const { drain, channel } = turns[this.#turn]
      const taken = drain.take(looks)
      if (taken === undefined) continue
      this.#handed = { drain, taken }
      const { span, from, records, overwritten } = taken
      return {
        channel,
        cpu: drain.buffer.cpu,
        sequence: span.sequence,
        bytes: span.bytes.subarray(from, span.end),
        isComplete: span.complete,
        records,
        overwritten,
      }
    }
    return undefined
  }

  /**
   * Claims the buffers that it does not drain yet.
   *
   * @param refused is called for a buffer that another consumer has.
   * @returns whether there were any.
   */
  #claimNew(refused: (buffer: ThreadBuffer, channel: ThreadChannel) => void): boolean {
    let hasNew = false
    for (const channel of this.#channels) {
      if (this.#complete.has(channel)) continue
      // Before the buffers are looked at.
      if (!channel.isOpen) this.#complete.add(channel)
      for (const buffer of this.#buffersOf(channel)) {
        if (this.#drains.has(buffer)) continue
        const drain = BufferDrain.claim(buffer, this.#flushIntervalMs)
        if (drain === undefined) {
          refused(buffer, channel)
          continue
        }
        const each = { drain, channel }
        this.#drains.set(buffer, each)
        this.#turns = [...this.#turns, each]
        hasNew = true
      }
    }
    return hasNew
  }

  #buffersOf(channel: ThreadChannel): ThreadBuffer[] {
    const buffers = channel.allBuffers()
    if (this.#cpu === undefined) return buffers
    const cpu = channel.isGlobal ? 0 : this.#cpu
    return buffers.filter((buffer) => buffer.cpu === cpu)
  }
}

function leaveAlone(): void {}

/** @throws TypeError for what is no channel of a relay. */
function insideOf(channel: RelayChannel): ThreadChannel {
  const inside = channel as Partial<ThreadChannel> | undefined
  // Not by `instanceof`: another copy of this module may have made it.
  if (typeof inside?.allBuffers === 'function') return channel as ThreadChannel
  throw new TypeError('a ChannelConsumer consumes relay channels: relay.open(…), or relay.channel(id)')
}
