/**
 * The memory of channels: which slots are in use, which pages are free, and when those of a closed
 * channel can be used again. Everything here is done with the lock over the list of channels.
 */
import { PAGE_BYTES, type Geometry } from '@rchan/ring'
import { CHANNEL_STATE, MAX_CHANNELS, RELAY } from './layout.js'
import type { Members } from './members.js'
import { Slot, type Texts } from './slot.js'
import type { RelayWords } from './words.js'

/** The slots and pages of a relay, seen from one member. */
export class Pages {
  readonly #relay: RelayWords
  readonly #members: Members
  /** Whether this thread waited in vain for memory that others hold. */
  #hasWaited = false

  constructor(relay: RelayWords, members: Members) {
    this.#relay = relay
    this.#members = members
  }

  /** The slots in use, newest channel first. Without the lock too. */
  slots(): Slot[] {
    const slots: Slot[] = []
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this.#relay, index)
      if (slot.state !== CHANNEL_STATE.free) slots.push(slot)
    }
    return slots.sort((a, b) => b.id - a.id)
  }

  /** Locked: a slot for a new channel, in state `opening`; undefined when there is none. */
  take(geometry: Geometry, texts: Texts, flags: number): Slot | undefined {
    const slot = this.#find(() => this.#freeSlot())
    slot?.begin(this.#relay.nextChannelId(), this.#members.me, geometry, texts, flags)
    return slot
  }

  #freeSlot(): Slot | undefined {
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this.#relay, index)
      if (slot.state === CHANNEL_STATE.free) return slot
    }
    return undefined
  }

  /**
   * Locked: frees what can be freed, and finds something there. Looks again while another thread
   * holds a channel that is closed.
   */
  #find<T>(find: () => T | undefined): T | undefined {
    let found: T | undefined
    let isHeld = false
    this.#members.lookAgain(() => {
      // Before it is freed: a holder that this look finds dead does not hinder the freeing.
      isHeld = this.slots().some(
        (slot) => slot.state === CHANNEL_STATE.closed && this.#members.isHeldByAnother(slot),
      )
      this.#reap()
      found = find()
      return found !== undefined || !isHeld
    }, this.#hasWaited)
    this.#hasWaited = isHeld && found === undefined
    return found
  }

  /** Locked: frees the closed channels that no living member holds, and zeroes their pages. */
  #reap(): void {
    for (const slot of this.slots()) {
      if (slot.state !== CHANNEL_STATE.closed || this.#members.isHeld(slot)) continue
      // From here on no thread gets a new hold. Pairs with: Members.hold.
      slot.state = CHANNEL_STATE.free
      if (this.#members.isHeld(slot)) slot.state = CHANNEL_STATE.closed
      else slot.clear()
    }
  }

  /** Locked: finishes what a dead thread had begun to make or to free. */
  clearUnfinished(): void {
    for (let index = 0; index < MAX_CHANNELS; index += 1) {
      const slot = new Slot(this.#relay, index)
      slot.clearPending()
      if (slot.state !== CHANNEL_STATE.free || slot.firstPages().length === 0) continue
      // A thread may have got a hold before it was free. See #reap.
      if (this.#members.isHeld(slot)) slot.state = CHANNEL_STATE.closed
      else slot.clear()
    }
  }

  /**
   * Locked: pages that nobody uses, zeroed. Frees what can be freed, if that is needed.
   *
   * @returns the first of them; undefined when there are not that many in a row.
   */
  findPages(count: number): number | undefined {
    return this.#freePages(count) ?? this.#find(() => this.#freePages(count))
  }

  #freePages(count: number): number | undefined {
    const used = this.slots().flatMap((slot) => {
      const pages = slot.bufferPages
      return slot.firstPages().map((first) => ({ first, end: first + pages }))
    })
    used.sort((a, b) => a.first - b.first)
    let at = RELAY.buffers / PAGE_BYTES
    for (const { first, end } of used) {
      if (first - at >= count) return at
      at = Math.max(at, end)
    }
    return this.#relay.pageCount - at >= count ? at : undefined
  }
}
