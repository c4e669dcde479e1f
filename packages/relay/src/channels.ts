/**
 * The channels that one thread knows, and the lock over their list.
 *
 * Each thread that takes part in a relay has one of these. It makes the thread's view of a channel
 * when that is first needed, and forgets it when nothing is left to be done with it. It repairs
 * what a thread left that died with the lock. On the file thread it makes the calls that other
 * threads ask for.
 */
import { clocks } from '@rchan/sync/clocks'
import { Bells } from './bells.js'
import type { RelayCallbacks } from './callbacks.js'
import { ThreadChannel } from './channel.js'
import type { RelayHost } from './host.js'
import { CHANNEL_STATE } from './layout.js'
import type { LimitedMachine } from './machine.js'
import { Members } from './members.js'
import type { RelayOptions } from './options.js'
import { Pages } from './pages.js'
import { reasonOf } from './reason.js'
import { Slot } from './slot.js'
import { CALL, Upcall, type Answer, type Request } from './upcall.js'
import type { RelayWords } from './words.js'

/** The channels of a relay, seen from one thread. */
export class Channels implements RelayHost {
  readonly machine: LimitedMachine
  readonly words: RelayWords
  readonly members: Members
  readonly pages: Pages
  readonly upcall: Upcall
  readonly bells: Bells
  readonly fileCallbacks: RelayCallbacks
  /** By id. */
  readonly #channels = new Map<number, ThreadChannel>()
  /** Whether it waits for the lock to remove orphaned files. */
  #isTidying = false
  /** Whether a file callback is being called. */
  #isCallingBack = false
  /** Whether this thread holds the lock of the list. */
  #hasLock = false

  constructor(machine: LimitedMachine, words: RelayWords, fileCallbacks: RelayCallbacks) {
    this.machine = machine
    this.words = words
    this.fileCallbacks = fileCallbacks
    this.members = new Members(words, machine)
    this.pages = new Pages(words, this.members)
    this.bells = new Bells(words, this.members)
    this.upcall = new Upcall(
      words,
      this.members,
      () => this.now(),
      (request) => this.#handle(request),
    )
  }

  get isFileThread(): boolean {
    return this.words.fileThread === this.members.me
  }

  onlineCpus(): readonly number[] {
    return this.machine.onlineCpus?.() ?? this.members.onlineCpus()
  }

  now(): number {
    return this.machine.now?.() ?? clocks.monotonicMs()
  }

  forget(id: number): void {
    this.#channels.delete(id)
  }

  /** The channels that this thread knows now. */
  get known(): readonly ThreadChannel[] {
    return [...this.#channels.values()]
  }

  /** The open channels, newest first, from any thread. */
  open(): ThreadChannel[] {
    return this.pages
      .slots()
      .filter(({ state }) => state === CHANNEL_STATE.open)
      .map((slot) => this.#channelIn(slot))
  }

  /** Locked: this thread's channel in a slot that it has just taken. */
  add(slot: Slot, options: RelayOptions): ThreadChannel {
    const channel = new ThreadChannel(this, slot, options)
    this.#channels.set(slot.id, channel)
    return channel
  }

  /**
   * Whether this thread is in the middle of a callback of the relay's, or of something that it does
   * with the lock.
   */
  get isBusy(): boolean {
    return (
      this.#isCallingBack || this.#hasLock || this.#isTidying || this.known.some((channel) => channel.isBusy)
    )
  }

  /** The thread leaves the relay: it has no channel any more. */
  clear(): void {
    this.#channels.clear()
  }

  locked<T>(run: () => T): T {
    this.members.mustTakePart()
    if (this.#isCallingBack || this.#hasLock) {
      throw new Error(
        'a file callback of a relay channel must not open, close or prepare anything of its relay',
      )
    }
    // The thread that holds the lock may be waiting for us, if we are the file thread.
    return this.members.locked(
      () => this.#repair(),
      () => this.serve(),
      () => {
        this.#hasLock = true
        try {
          if (this.isFileThread) this.#removeOrphanFiles()
          return run()
        } finally {
          this.#hasLock = false
        }
      },
    )
  }

  /** File thread: makes the call that another thread waits for. @returns whether there was one. */
  serve(): boolean {
    if (!this.isFileThread) return false
    const hasServed = this.upcall.serve()
    if (this.#isTidying || !this.words.hasOrphanFiles) return hasServed
    // The thread that holds the lock now may ask for a file first; only then is it our turn.
    this.#isTidying = true
    try {
      this.locked(() => undefined)
    } finally {
      this.#isTidying = false
    }
    return true
  }

  /**
   * A thread died with the lock. Each thing that is done with the lock has one store by which it
   * counts; without that store, what was done is undone.
   */
  #repair(): void {
    this.upcall.repair()
    for (const slot of this.pages.slots()) {
      if (slot.state !== CHANNEL_STATE.open) this.#channelIn(slot).end()
    }
    this.pages.clearUnfinished()
    // Nobody waits for the file thread: it tidies up when it serves, and before it makes a file.
    this.words.reportOrphanFiles()
    this.upcall.ring()
  }

  /**
   * File thread, while it or the thread that calls it holds the lock: removes the files that
   * threads which died have left.
   */
  #removeOrphanFiles(): void {
    if (!this.words.takeOrphanFiles()) return
    for (const channel of this.known) channel.removeOrphanFilesHere()
  }

  #channelIn(slot: Slot): ThreadChannel {
    const { id } = slot
    let channel = this.#channels.get(id)
    if (channel === undefined) {
      this.#sweep()
      channel = new ThreadChannel(this, slot, {})
      this.#channels.set(id, channel)
    }
    return channel
  }

  /** Forgets the channels that any thread has closed, and gives up what this thread wrote there. */
  #sweep(): void {
    for (const [id, channel] of this.#channels) if (channel.retire()) this.#channels.delete(id)
  }

  /** File thread: a call that another thread has asked for, or our own. */
  #handle({ call, slot, page, text }: Request): Answer {
    this.#removeOrphanFiles()
    this.#isCallingBack = true
    try {
      const channel = this.#channelIn(new Slot(this.words, slot))
      if (call === CALL.createFile) return { done: channel.createFileHere(page, text), error: '' }
      if (call === CALL.removeFile) channel.removeFileHere(page)
      else channel.tellOfMappingHere(page, call === CALL.mapped)
      return { done: true, error: '' }
    } catch (error) {
      return { done: false, error: reasonOf(error) }
    } finally {
      this.#isCallingBack = false
    }
  }
}
