/**
 * The passage of ports from thread to thread: shared memory in which the thread that posts a port
 * leaves what it knows of it, for the thread that receives it. The key is the message that carries
 * the port: its channel, the side that posted it, its number, and the port's place in it.
 *
 * ```text
 *     at   type      word      written by
 *      0   u32       channels  any thread   channels that were made in this process
 *      4   i32       left      any thread   entries that were left, and not taken yet
 *     32   …         entries   1024 of 32 bytes, one for each port on its way:
 *     +0   i32       state     in turns     0: free; 1: being written; 2: there; 3: being read
 *     +4   i32       carrier   sender       the channel of the message
 *     +8   i32       seq       sender       its number
 *    +12   i32       place     sender       the port's place in it × 2 + the side that posted it
 *    +16   u32       channel   sender       of the port
 *    +20   i32       side      sender       which end of it
 *    +24   u32       posted    sender       messages that it has posted so far
 *    +28   u32       received  sender       messages that it has received so far
 * ```
 *
 * Who, in what order: the sender takes a free entry (0 → 1), stores the rest, and stores `state` 2
 * before it posts the message. The receiver finds the entry by its key, takes it (2 → 3), reads,
 * and stores 0. A key has one receiver. Pairs with: each side's Atomics on `state`.
 *
 * `left` spares the receiver the search for messages without ports. The sender adds 1 before it
 * posts the message, so the receiver of a port finds at least that.
 */

/** Byte offsets in the passage, and in an entry. A test holds them to the picture above. */
export const PASSAGE = { channels: 0, left: 4, entries: 32 } as const
export const PASSAGE_ENTRY = {
  state: 0,
  carrier: 4,
  seq: 8,
  place: 12,
  channel: 16,
  side: 20,
  posted: 24,
  received: 28,
} as const

const ENTRIES = 1024
const HEAD_WORDS = PASSAGE.entries >> 2
const ENTRY_WORDS = 8
const BYTES = (HEAD_WORDS + ENTRIES * ENTRY_WORDS) * 4
/** An entry stands at most so far behind the place that its key gives it. */
const REACH = 64
const CHANNELS = PASSAGE.channels >> 2
const LEFT = PASSAGE.left >> 2
const STATE = PASSAGE_ENTRY.state >> 2
const CARRIER = PASSAGE_ENTRY.carrier >> 2
const SEQ = PASSAGE_ENTRY.seq >> 2
const PLACE = PASSAGE_ENTRY.place >> 2
const CHANNEL = PASSAGE_ENTRY.channel >> 2
const SIDE = PASSAGE_ENTRY.side >> 2
const POSTED = PASSAGE_ENTRY.posted >> 2
const RECEIVED = PASSAGE_ENTRY.received >> 2
const FREE = 0
const WRITING = 1
const THERE = 2
const READING = 3

/** One end of a channel, as the thread that holds it counts. */
export interface ChannelEnd {
  /** Unique in the process. */
  readonly channel: number
  /** Which of its two ends: 0 or 1. */
  readonly side: number
  posted: number
  received: number
}

/** The message that carries a port, and the port's place in it. */
export interface Carrier {
  readonly channel: number
  /** The side that posts it. */
  readonly side: number
  readonly seq: number
  readonly index: number
}

/** The passage of a process. Any thread. */
export class PortPassage {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array<SharedArrayBuffer>

  /** @param memory of another thread's passage; made if undefined. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    if (memory.byteLength !== BYTES) throw new RangeError(`a passage of ports of ${memory.byteLength} bytes`)
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  /** Returns a number for a new channel, from 0. */
  nextChannel(): number {
    return Atomics.add(this.#words, CHANNELS, 1) >>> 0
  }

  /** Whether a port may be on its way. */
  get isUsed(): boolean {
    return Atomics.load(this.#words, LEFT) !== 0
  }

  /** Leaves a port's end for its receiver. With 64 others in its way, it is not left. */
  leave(carrier: Carrier, end: ChannelEnd): void {
    const words = this.#words
    for (let step = 0; step < REACH; step += 1) {
      const at = entryAt(carrier, step)
      if (Atomics.compareExchange(words, at + STATE, FREE, WRITING) !== FREE) continue
      words[at + CARRIER] = carrier.channel
      words[at + SEQ] = carrier.seq
      words[at + PLACE] = placeOf(carrier)
      words[at + CHANNEL] = end.channel
      words[at + SIDE] = end.side
      words[at + POSTED] = end.posted
      words[at + RECEIVED] = end.received
      Atomics.store(words, at + STATE, THERE)
      Atomics.add(words, LEFT, 1)
      return
    }
  }

  /** Takes a port's end; undefined if nobody has left it. */
  take(carrier: Carrier): ChannelEnd | undefined {
    const words = this.#words
    for (let step = 0; step < REACH; step += 1) {
      const at = entryAt(carrier, step)
      if (Atomics.load(words, at + STATE) !== THERE) continue
      if (words[at + CARRIER] !== (carrier.channel | 0) || words[at + SEQ] !== (carrier.seq | 0)) continue
      if (words[at + PLACE] !== placeOf(carrier)) continue
      // Only this thread takes this key, but the entry may have become another's since.
      if (Atomics.compareExchange(words, at + STATE, THERE, READING) !== THERE) continue
      const end = {
        channel: words[at + CHANNEL] >>> 0,
        side: words[at + SIDE] & 1,
        posted: words[at + POSTED] >>> 0,
        received: words[at + RECEIVED] >>> 0,
      }
      Atomics.store(words, at + STATE, FREE)
      Atomics.sub(words, LEFT, 1)
      return end
    }
    return undefined
  }
}

function placeOf({ index, side }: Carrier): number {
  return index * 2 + side
}

function entryAt(carrier: Carrier, step: number): number {
  const mixed = Math.imul(carrier.channel, 0x9e3779b1) ^ Math.imul(carrier.seq * 2 + carrier.side, 0x85ebca6b)
  const start = ((mixed ^ (mixed >>> 15)) + carrier.index) >>> 0
  return HEAD_WORDS + ((start + step) % ENTRIES) * ENTRY_WORDS
}
