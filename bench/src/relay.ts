/**
 * The suite *relay*: the cost of the ring itself on the writing thread, without clock, encoder or
 * threads.
 *
 * All rings have the same size, are in overwrite mode and are not drained, so no record is refused.
 * The figures include the switches of sub-buffers, but not a reader's use of the machine. A floor
 * does the same stores into the same kind of memory, at a position that wraps, without a channel.
 */
import { Channel, type ChannelOptions, type Writer, type WriterCallbacks } from '@rchan/ring'
import { plainMachine, Relay } from '@rchan/relay'
import type { BenchTask, Suite } from './harness.js'

const OPERATIONS = 20_000
const SWITCHES = 2_000
const SUBBUF_BYTES = 2 ** 18
const SUBBUFS = 16
const RING_BYTES = SUBBUF_BYTES * SUBBUFS
const RECORD_BYTES = 16
const HEADER_BYTES = 16

const SHAPE: ChannelOptions = {
  subbufSize: SUBBUF_BYTES,
  subbufCount: SUBBUFS,
  mode: 'overwrite',
  headerBytes: 0,
  possibleCpus: 1,
}

const payload = Uint8Array.from({ length: RECORD_BYTES }, (_, i) => i * 17)

/** Memory of a ring's size, without a channel. */
function makeFloor(): { u8: Uint8Array; u32: Uint32Array; f64: Float64Array; words: BigInt64Array } {
  const memory = new SharedArrayBuffer(RING_BYTES)
  return {
    u8: new Uint8Array(memory),
    u32: new Uint32Array(memory),
    f64: new Float64Array(memory),
    words: new BigInt64Array(memory),
  }
}

const nothingToTearDown = (): Promise<void> => Promise.resolve()

const task = (name: string, floor: string, operations: number, run: () => void): BenchTask => ({
  name,
  floor,
  operations,
  run,
})

export const relayWrite: Suite = {
  name: 'relay',
  about:
    `a record of ${RECORD_BYTES} bytes by Writer.write (at most 1.5 × the floor), and through the kernel's face; ` +
    'the floor is Uint8Array.set of the same bytes',
  setUp() {
    const { u8 } = makeFloor()
    const writer = Channel.create(SHAPE).writer(0)
    const relay = new Relay(plainMachine(1))
    const channel = relay.open({ subbufSize: SUBBUF_BYTES, subbufCount: SUBBUFS, mode: 'overwrite' })
    const buffer = channel.buffer(0)
    if (buffer === undefined) throw new Error('the relay channel has no buffer')
    let floorAt = 0
    const tasks = [
      task('set-16', 'set-16', OPERATIONS, () => {
        let at = floorAt
        for (let i = 0; i < OPERATIONS; i += 1) {
          u8.set(payload, at)
          at += RECORD_BYTES
          if (at > RING_BYTES - RECORD_BYTES) at = 0
        }
        floorAt = at
      }),
      task('relay-write-16', 'set-16', OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i += 1) writer.write(payload)
      }),
      task('relay-write-16-buffer', 'set-16', OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i += 1) buffer.write(payload)
      }),
      task('relay-write-16-channel', 'set-16', OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i += 1) channel.write(0, payload)
      }),
    ]
    return Promise.resolve({
      tasks,
      tearDown: () => {
        channel.close()
        return Promise.resolve()
      },
    })
  },
}

/** Places a record of `{ u32, u32, f64 }`. */
type Place = (id: number, size: number, ms: number) => boolean

/**
 * Relay's reserve inline, as encoders do it. A writer never replaces the arrays of its view, so
 * they are constants here. The slow path is a separate function.
 */
function placeByConstants(writer: Writer): Place {
  const { view } = writer
  const { words, u32, f64 } = view
  const late: Place = (id, size, ms) => {
    const at = writer.room(RECORD_BYTES)
    if (at < 0) return false
    u32[at >> 2] = id
    u32[(at + 4) >> 2] = size
    f64[(at + 8) >> 3] = ms
    const { end } = view
    words[end + 1] += 1
    words[end] = at + RECORD_BYTES
    return true
  }
  return (id, size, ms) => {
    const { end } = view
    const at = words[end]
    if (at + RECORD_BYTES > view.limit) return late(id, size, ms)
    u32[at >> 2] = id
    u32[(at + 4) >> 2] = size
    f64[(at + 8) >> 3] = ms
    words[end + 1] += 1
    words[end] = at + RECORD_BYTES
    return true
  }
}

/**
 * The same in the plainest way: the code takes everything from the view each time, and has one
 * path.
 */
function placeByView(writer: Writer): Place {
  const { view } = writer
  return (id, size, ms) => {
    let at = view.words[view.end]
    if (at + RECORD_BYTES > view.limit) {
      at = writer.room(RECORD_BYTES)
      if (at < 0) return false
    }
    view.u32[at >> 2] = id
    view.u32[(at + 4) >> 2] = size
    view.f64[(at + 8) >> 3] = ms
    view.words[view.end + 1] += 1
    view.words[view.end] = at + RECORD_BYTES
    return true
  }
}

export const relayReserve: Suite = {
  name: 'relay',
  about:
    'a record of { u32, u32, f64 } placed through the WriterView, inlined, its arrays held as constants (at most ' +
    '2 × the floor) or taken from it each time; the floor is the same three stores',
  setUp() {
    const { u32, f64 } = makeFloor()
    const place = placeByConstants(Channel.create(SHAPE).writer(0))
    const placeThrough = placeByView(Channel.create(SHAPE).writer(0))
    let floorAt = 0
    const tasks = [
      task('stores-3', 'stores-3', OPERATIONS, () => {
        let at = floorAt
        for (let i = 0; i < OPERATIONS; i += 1) {
          u32[at >> 2] = i
          u32[(at + 4) >> 2] = 1
          f64[(at + 8) >> 3] = i * 0.5
          at += RECORD_BYTES
          if (at > RING_BYTES - RECORD_BYTES) at = 0
        }
        floorAt = at
      }),
      task('relay-reserve-3', 'stores-3', OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i += 1) place(i, 1, i * 0.5)
      }),
      task('relay-reserve-3-view', 'stores-3', OPERATIONS, () => {
        for (let i = 0; i < OPERATIONS; i += 1) placeThrough(i, 1, i * 0.5)
      }),
    ]
    return Promise.resolve({ tasks, tearDown: nothingToTearDown })
  },
}

export const relaySwitch: Suite = {
  name: 'relay',
  about:
    'a switch of sub-buffers, with callbacks that fill and complete a header; the floor is its commit, one ' +
    'Atomics.store of a BigInt',
  setUp() {
    const { words } = makeFloor()
    let produced = 0
    const callbacks: WriterCallbacks = {
      subbufStart(view, start) {
        view.u32[start >> 2] = produced
        view.u32[(start + 4) >> 2] = HEADER_BYTES
      },
      subbufEnd(view, start, end) {
        view.u32[(start + 4) >> 2] = end - start
      },
      produced() {
        produced += 1
      },
    }
    const writer = Channel.create({ ...SHAPE, headerBytes: HEADER_BYTES }).writer(0, callbacks)
    const tasks = [
      task('atomics-store', 'atomics-store', SWITCHES, () => {
        for (let i = 0; i < SWITCHES; i += 1) Atomics.store(words, 0, BigInt(i))
      }),
      task('relay-switch', 'atomics-store', SWITCHES, () => {
        for (let i = 0; i < SWITCHES; i += 1) writer.switch(0)
      }),
    ]
    return Promise.resolve({ tasks, tearDown: nothingToTearDown })
  },
}
