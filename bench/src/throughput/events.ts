/**
 * The events of the suite, each as a tracepoint of the built package and as the same stores into a
 * bare ring: memory of a buffer's size, at a position that wraps, with a clock. The bare ring has
 * no sub-buffers, checks nothing and is never read.
 */
import { tracepoint } from 'rchan'

/** Bytes of the record of {@link tick}. */
export const TICK_BYTES = 24

export const tick = tracepoint('bench:tick', { id: 'u32', ms: 'f64' })
const request = tracepoint('bench:request', { id: 'u32', ms: 'f64', bytes: 'u32' })
const task = tracepoint('bench:task', { id: 'u32', queue: 'u16', ok: 'bool', waitedMs: 'f64' })
const beat = tracepoint('bench:beat', { count: 'u32' })

// oxlint-disable-next-line typescript/unbound-method -- it uses no `this`
const now = process.hrtime.bigint

/** The events of {@link mixedEvents} for one turn of its loop, and their bytes together. */
export const MIX = { events: 4, bytes: 96 } as const

/** Traces `count` events, of several tracepoints with several fields. */
export function mixedEvents(count: number): void {
  for (let i = 0; i < count; i += MIX.events) {
    request({ id: i, ms: i * 0.5, bytes: count })
    beat({ count: i })
    task({ id: i, queue: i & 7, ok: (i & 8) === 0, waitedMs: i * 0.25 })
    beat({ count: i + 1 })
  }
}

/** Traces `count` events of one tracepoint. */
export function ticks(count: number): void {
  for (let i = 0; i < count; i += 1) tick({ id: i, ms: i * 0.5 })
}

/** A bare ring. */
export class BareRing {
  readonly #bytes: number
  readonly #i64: BigInt64Array
  readonly #u32: Uint32Array
  readonly #u16: Uint16Array
  readonly #u8: Uint8Array
  readonly #f64: Float64Array
  #at = 0

  constructor(bytes: number) {
    const memory = new SharedArrayBuffer(bytes)
    this.#bytes = bytes
    this.#i64 = new BigInt64Array(memory)
    this.#u32 = new Uint32Array(memory)
    this.#u16 = new Uint16Array(memory)
    this.#u8 = new Uint8Array(memory)
    this.#f64 = new Float64Array(memory)
  }

  /** The events of {@link mixedEvents}. */
  mixed(count: number): void {
    for (let i = 0; i < count; i += MIX.events) {
      this.#request(i, i * 0.5, count)
      this.#beat(i)
      this.#task(i, i & 7, (i & 8) === 0, i * 0.25)
      this.#beat(i + 1)
    }
  }

  /** The events of {@link ticks}. */
  ticks(count: number): void {
    for (let i = 0; i < count; i += 1) this.#tick(i, i * 0.5)
  }

  #place(bytes: number): number {
    const at = this.#at + bytes > this.#bytes ? 0 : this.#at
    this.#at = at + bytes
    return at
  }

  #tick(id: number, ms: number): void {
    const time = now()
    const at = this.#place(TICK_BYTES)
    this.#i64[at >> 3] = time
    this.#u32[(at + 8) >> 2] = 1
    this.#u32[(at + 12) >> 2] = id
    this.#f64[(at + 16) >> 3] = ms
  }

  #request(id: number, ms: number, bytes: number): void {
    const time = now()
    const at = this.#place(32)
    this.#i64[at >> 3] = time
    this.#u32[(at + 8) >> 2] = 2
    this.#u32[(at + 12) >> 2] = id
    this.#f64[(at + 16) >> 3] = ms
    this.#u32[(at + 24) >> 2] = bytes
  }

  #task(id: number, queue: number, ok: boolean, waitedMs: number): void {
    const time = now()
    const at = this.#place(32)
    this.#i64[at >> 3] = time
    this.#u32[(at + 8) >> 2] = 3
    this.#u32[(at + 12) >> 2] = id
    this.#u16[(at + 16) >> 1] = queue
    this.#u8[at + 18] = ok ? 1 : 0
    this.#f64[(at + 24) >> 3] = waitedMs
  }

  #beat(count: number): void {
    const time = now()
    const at = this.#place(16)
    this.#i64[at >> 3] = time
    this.#u32[(at + 8) >> 2] = 4
    this.#u32[(at + 12) >> 2] = count
  }
}
