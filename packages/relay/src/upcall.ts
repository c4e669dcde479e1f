/**
 * The desk of the coordinator: where another thread has a file callback called, which is a function and so exists on
 * one thread only.
 *
 * One request at a time: whoever asks holds the lock over the list of channels. Who serves is the coordinator, from its
 * event loop, or while it waits for that lock itself, or wherever it calls `serve`.
 *
 * ```text
 *            asker                      coordinator                 coordinator                 asker
 *   idle ─────────────▶ asked ─────────────────────────▶ taken ────────────────▶ answered ─────────────▶ idle
 *    ▲                    │  asker, when nobody comes; or the lock's next holder, after its death
 *    └────────────────────┘
 * ```
 *
 * Arguments and text belong to the asker in `idle` and `answered`, and to the coordinator in `taken`; each store of
 * `request` hands them over.
 */
import { Patience } from '@rchan/sync/patience'
import { DESK_TEXT_BYTES, RELAY } from './layout.js'
import type { RelayMemory } from './memory.js'

/** What can be asked. */
export const WANT = { createFile: 1, removeFile: 2, mapped: 3, unmapped: 4 } as const

/** A call that the coordinator is to make. */
export interface Request {
  /** One of {@link WANT}. */
  readonly want: number
  /** The channel. */
  readonly slot: number
  readonly cpu: number
  /** The first page of the buffer. */
  readonly page: number
  /** A file's name, if that is needed. */
  readonly text: string
}

/** What came of it: whether there is a file now, or the message of what was thrown. */
export interface Answer {
  readonly done: boolean
  readonly error: string
}

const IDLE = 0
const ASKED = 1
const TAKEN = 2
const ANSWERED = 3
const ANSWER_NO = 0
const ANSWER_YES = 1
const ANSWER_THREW = 2
/** How long an asker waits for a coordinator that lives and does not come, in milliseconds. */
const PATIENCE_MS = 10_000
/** How often it looks whether the coordinator still lives. */
const SLICE_MS = 50

/** The desk, seen from one thread. */
export class Desk {
  readonly #relay: RelayMemory
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #now: () => number
  readonly #handle: (request: Request) => Answer

  /** @param handle on the coordinator: makes the call; must not throw. */
  constructor(relay: RelayMemory, now: () => number, handle: (request: Request) => Answer) {
    this.#relay = relay
    this.#words = relay.words
    this.#now = now
    this.#handle = handle
  }

  get #coordinator(): number {
    return this.#relay.coordinator
  }

  /**
   * Has the coordinator make a call, and waits for the answer. With the lock of the list.
   *
   * @throws Error when the coordinator is dead, or did not come within 10 s.
   */
  ask(request: Request): Answer {
    if (this.#coordinator === this.#relay.me) return this.#handle(request)
    const at = RELAY.arguments >> 2
    this.#words[at] = request.want
    this.#words[at + 1] = request.slot
    this.#words[at + 2] = request.cpu
    this.#words[at + 3] = request.page
    this.#writeText(request.text)
    // Pairs with: serve, compare-and-exchange from `asked`.
    Atomics.store(this.#words, RELAY.request >> 2, ASKED)
    this.ring()
    this.#waitForAnswer()
    const answer = this.#words[at + 4]
    const error = answer === ANSWER_THREW ? this.#readText() : ''
    Atomics.store(this.#words, RELAY.request >> 2, IDLE)
    return { done: answer === ANSWER_YES, error }
  }

  /** Any thread: has a coordinator that serves always look what there is to do. */
  ring(): void {
    Atomics.add(this.#words, RELAY.rings >> 2, 1)
    Atomics.notify(this.#words, RELAY.rings >> 2)
  }

  /** Coordinator: makes a call that was asked for. @returns whether there was one. */
  serve(): boolean {
    const request = RELAY.request >> 2
    // Pairs with: ask, Atomics.store of `asked`, after the arguments.
    if (Atomics.compareExchange(this.#words, request, ASKED, TAKEN) !== ASKED) return false
    const at = RELAY.arguments >> 2
    const { done, error } = this.#handle({
      want: this.#words[at],
      slot: this.#words[at + 1],
      cpu: this.#words[at + 2],
      page: this.#words[at + 3] >>> 0,
      text: this.#readText(),
    })
    this.#words[at + 4] = error !== '' ? ANSWER_THREW : done ? ANSWER_YES : ANSWER_NO
    this.#writeText(error)
    // Pairs with: ask, Atomics.load of `answered`.
    Atomics.store(this.#words, request, ANSWERED)
    Atomics.notify(this.#words, request)
    return true
  }

  /** Coordinator: calls `serve` from the event loop from now on, at each ring. This does not keep the loop alive. */
  serveAlways(serve: () => void): void {
    const rings = RELAY.rings >> 2
    for (;;) {
      const ticket = Atomics.load(this.#words, rings)
      if (this.#relay.me === 0) return
      // Looks after it took the ticket. Pairs with: ask, which stores `asked` before it rings.
      serve()
      const wait = Atomics.waitAsync(this.#words, rings, ticket)
      if (!wait.async) continue
      void wait.value.then(() => this.serveAlways(serve))
      return
    }
  }

  /** Whoever got the lock after a dead holder: ends what that one had asked for. */
  repair(): void {
    const request = RELAY.request >> 2
    if (Atomics.compareExchange(this.#words, request, ASKED, IDLE) === ASKED) return
    if (this.#coordinator !== this.#relay.me && Atomics.load(this.#words, request) === TAKEN)
      this.#waitForAnswer()
    Atomics.store(this.#words, request, IDLE)
  }

  #waitForAnswer(): void {
    const request = RELAY.request >> 2
    const patienceMs = Math.min(PATIENCE_MS, this.#relay.patienceMs)
    const giveUpAtMs = this.#now() + patienceMs
    const patience = Patience.of(patienceMs)
    for (;;) {
      const state = Atomics.load(this.#words, request)
      if (state === ANSWERED) return
      patience.wait(this.#words, request, state, SLICE_MS)
      const isDead = this.#relay.isDead(this.#coordinator)
      // The machine's clock may be one that a test holds still.
      if (!isDead && patience.sliceMs(SLICE_MS) > 0 && this.#now() < giveUpAtMs) continue
      // One that is making the call right now gets the time that it takes.
      if (Atomics.compareExchange(this.#words, request, ASKED, IDLE) !== ASKED && !isDead) continue
      Atomics.store(this.#words, request, IDLE)
      throw new Error(
        isDead
          ? 'the coordinator of the relay has ended, or left it: nobody makes or removes its files any more'
          : `the coordinator of the relay did not answer within ${patienceMs / 1000} s: it must get back to its ` +
              'event loop, or call serve(), for its files to be made and removed',
      )
    }
  }

  #writeText(text: string): void {
    this.#words[RELAY.textBytes >> 2] = this.#relay.writeText(RELAY.text, text, DESK_TEXT_BYTES)
  }

  #readText(): string {
    const bytes = Math.min(DESK_TEXT_BYTES, this.#words[RELAY.textBytes >> 2] >>> 0)
    return this.#relay.readText(RELAY.text, bytes)
  }
}
