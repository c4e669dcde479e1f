/**
 * A call to the file thread: how another thread has a file callback called. The callback is a
 * function, so it exists on one thread only, the one that made the relay.
 *
 * There is one request at a time, because the caller holds the lock over the list of channels. The
 * file thread serves it from its event loop, while it waits for that lock itself, or wherever it
 * calls `serve`.
 *
 * ```text
 *            caller                     file thread                 file thread               caller
 *   idle ─────────────▶ asked ─────────────────────────▶ taken ────────────────▶ answered ───────────▶ idle
 *    ▲                    │  caller in vain; the lock's next holder, after a death
 *    └────────────────────┘
 * ```
 *
 * Arguments and text belong to the caller in `idle` and `answered`, and to the file thread in
 * `taken`. Each store of `request` hands them over.
 */
import { Patience } from '@rchan/sync/waiting'
import { CALL_TEXT_BYTES, RELAY } from './layout.js'
import type { Members } from './members.js'
import type { RelayWords } from './words.js'

/** What can be called. */
export const CALL = { createFile: 1, removeFile: 2, mapped: 3, unmapped: 4 } as const

/** A call that the file thread is to make. */
export interface Request {
  /** One of {@link CALL}. */
  readonly call: number
  /** The channel. */
  readonly slot: number
  /** The first page of the buffer. */
  readonly page: number
  /** A file's name, if that is needed. */
  readonly text: string
}

/** What came of a call: whether there is a file now, or the message of the error it threw. */
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
/** How long a caller waits for a file thread that lives and does not come, in milliseconds. */
const PATIENCE_MS = 10_000
/** How often it looks whether the file thread still lives. */
const SLICE_MS = 50

/** The calls to the file thread, seen from one thread. */
export class Upcall {
  readonly #relay: RelayWords
  readonly #members: Members
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #now: () => number
  readonly #handle: (request: Request) => Answer

  /** @param handle on the file thread: makes the call; must not throw. */
  constructor(relay: RelayWords, members: Members, now: () => number, handle: (request: Request) => Answer) {
    this.#relay = relay
    this.#members = members
    this.#words = relay.words
    this.#now = now
    this.#handle = handle
  }

  /**
   * Has the file thread make a call, and waits for the answer. With the lock of the list.
   *
   * @throws Error when the file thread is dead, or did not come within 10 s.
   */
  call(request: Request): Answer {
    if (this.#relay.fileThread === this.#members.me) return this.#handle(request)
    this.#words[RELAY.call >> 2] = request.call
    this.#words[RELAY.callSlot >> 2] = request.slot
    this.#words[RELAY.callPage >> 2] = request.page
    this.#writeText(request.text)
    // Pairs with: serve, compare-and-exchange from `asked`.
    Atomics.store(this.#words, RELAY.request >> 2, ASKED)
    this.ring()
    this.#waitForAnswer()
    const answer = this.#words[RELAY.answer >> 2]
    const error = answer === ANSWER_THREW ? this.#readText() : ''
    Atomics.store(this.#words, RELAY.request >> 2, IDLE)
    return { done: answer === ANSWER_YES, error }
  }

  /** Any thread: has a file thread that serves from its event loop look for requests. */
  ring(): void {
    Atomics.add(this.#words, RELAY.rings >> 2, 1)
    Atomics.notify(this.#words, RELAY.rings >> 2)
  }

  /** File thread: makes a call that was asked for. @returns whether there was one. */
  serve(): boolean {
    const request = RELAY.request >> 2
    // Pairs with: call, Atomics.store of `asked`, after the arguments.
    if (Atomics.compareExchange(this.#words, request, ASKED, TAKEN) !== ASKED) return false
    const { done, error } = this.#handle({
      call: this.#words[RELAY.call >> 2],
      slot: this.#words[RELAY.callSlot >> 2],
      page: this.#words[RELAY.callPage >> 2] >>> 0,
      text: this.#readText(),
    })
    this.#words[RELAY.answer >> 2] = error !== '' ? ANSWER_THREW : done ? ANSWER_YES : ANSWER_NO
    this.#writeText(error)
    // Pairs with: call, Atomics.load of `answered`.
    Atomics.store(this.#words, request, ANSWERED)
    Atomics.notify(this.#words, request)
    return true
  }

  /**
   * File thread: calls `serve` from the event loop from now on, at each ring. This does not keep
   * the loop alive.
   */
  serveFromEventLoop(serve: () => void): void {
    const rings = RELAY.rings >> 2
    for (;;) {
      const ticket = Atomics.load(this.#words, rings)
      if (this.#members.me === 0) return
      // Looks after it took the ticket. Pairs with: call, which stores `asked` before it rings.
      serve()
      const wait = Atomics.waitAsync(this.#words, rings, ticket)
      if (!wait.async) continue
      void wait.value.then(() => this.serveFromEventLoop(serve))
      return
    }
  }

  /** The thread that got the lock after a dead holder: ends the dead holder's request. */
  repair(): void {
    const request = RELAY.request >> 2
    if (Atomics.compareExchange(this.#words, request, ASKED, IDLE) === ASKED) return
    if (this.#relay.fileThread !== this.#members.me && Atomics.load(this.#words, request) === TAKEN)
      this.#waitForAnswer()
    Atomics.store(this.#words, request, IDLE)
  }

  #waitForAnswer(): void {
    const request = RELAY.request >> 2
    const patienceMs = Math.min(PATIENCE_MS, this.#members.patienceMs)
    const giveUpAtMs = this.#now() + patienceMs
    const patience = Patience.of(patienceMs)
    for (;;) {
      const state = Atomics.load(this.#words, request)
      if (state === ANSWERED) return
      patience.wait(this.#words, request, state, SLICE_MS)
      const isDead = this.#members.isDead(this.#relay.fileThread)
      // The machine's clock may be one that a test holds still.
      if (!isDead && patience.sliceMs(SLICE_MS) > 0 && this.#now() < giveUpAtMs) continue
      // A file thread that is making the call right now gets the time that it takes.
      if (Atomics.compareExchange(this.#words, request, ASKED, IDLE) !== ASKED && !isDead) continue
      Atomics.store(this.#words, request, IDLE)
      throw new Error(
        isDead
          ? 'the file thread of the relay has ended, or left it: nobody makes or removes its files any more'
          : `the file thread of the relay did not answer within ${patienceMs / 1000} s: it must get back to its ` +
              'event loop, or call serve(), for its files to be made and removed',
      )
    }
  }

  #writeText(text: string): void {
    this.#words[RELAY.textBytes >> 2] = this.#relay.writeText(RELAY.text, text, CALL_TEXT_BYTES)
  }

  #readText(): string {
    const bytes = Math.min(CALL_TEXT_BYTES, this.#words[RELAY.textBytes >> 2] >>> 0)
    return this.#relay.readText(RELAY.text, bytes)
  }
}
