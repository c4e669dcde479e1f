/**
 * The accounts of a recording's threads: what became of each thread's records. Pure bookkeeping;
 * runs on the consumer thread, and asks no writer.
 *
 * A ring numbers the records that it was given. The threads of a place write one after the other,
 * so each has a range of these numbers, which ends when its place is freed:
 *
 * ```text
 *   records   0 ─────────────── 70 ───────────── 120 ─────────────────── given
 *             generation 0       generation 1     generation 2, lives
 *                                        ▲
 *                                        oldest: all before it are delivered, unwritten or overwritten
 * ```
 *
 * Delivered and unreadable records are counted as they go. So the overwritten ones of a thread are
 * the rest of its range before `oldest`, and the pending ones are its range from there on. What was
 * never given (discarded, torn) is counted by the ring, and split at the ends of the ranges. What a
 * thread counts itself stands in its place.
 */
import type { Discarded } from '@rchan/ring'
import { PLACE, type Arena } from './arena.js'
import type { ThreadTotals } from './packet-format.js'

/** Lost records, by cause. */
export interface Losses {
  /** All sub-buffers were unread. */
  full: number
  /** Longer than a sub-buffer. */
  tooBig: number
  /** The arguments could not be read, or did not fit their types. */
  bad: number
  /** The thread found no place, or did not get the arena. */
  noBuffer: number
}

/** What became of records. The other counts add up to `attempted`. */
export interface Fate {
  /** Calls of tracepoints. */
  readonly attempted: number
  /** In the trace. */
  readonly delivered: number
  /** Written, and overwritten before they could be delivered. */
  readonly overwritten: number
  /** Begun by a thread that died in the middle of them. */
  readonly torn: number
  /** Written, but not readable in the trace. */
  readonly unwritten: number
  /**
   * Written, and still in the buffer. 0 once the recording is over, but for a flight recorder, of
   * which only snapshots can have them.
   */
  readonly pending: number
  /** Never written. */
  readonly discarded: Readonly<Discarded>
}

/** What threads count themselves. None of it is lost. */
export interface OwnCounts {
  /** Records with a value that was longer than its type allows. They are among `attempted`. */
  readonly cut: number
  /** Calls that the limits of rules kept out. They are not among `attempted`. */
  readonly filtered: number
}

/** What became of the records of one thread. */
export interface ThreadLosses extends Fate, OwnCounts, ThreadTotals {
  readonly cpu: number
}

/** What became of all records of a recording, so far. */
export interface LossReport extends Omit<Fate, 'discarded'>, OwnCounts {
  readonly discarded: Readonly<Losses>
  /** The threads that traced, by CPU, and for each CPU in their order. */
  readonly threads: readonly ThreadLosses[]
  /**
   * With one buffer of all threads: the counts that are known only for all of them together. Of its
   * threads only `delivered`, `discarded`, `cut` and `filtered` are known.
   */
  readonly shared?: Omit<Fate, 'attempted' | 'discarded'>
}

/** The state of a ring, for {@link Accounts.rows}. Counts are records. */
export interface RingState {
  /** Given to the ring so far. */
  readonly given: number
  /** All records before this number are delivered, unwritten or overwritten. */
  readonly oldest: number
  readonly discarded: Discarded
}

interface Account {
  readonly cpu: number
  readonly thread: ThreadTotals
  readonly firstRecord: number
  endRecord: number | undefined
  readonly discardedBefore: Discarded
  discardedAtEnd: Discarded | undefined
  ownAtEnd: OwnCounts | undefined
  torn: number
  delivered: number
  unwritten: number
}

/** Nothing is discarded. */
export const NONE: Discarded = { full: 0, tooBig: 0, bad: 0 }

export class Accounts {
  readonly #arena: Arena
  readonly #byCpu: Account[][]
  readonly #byThread = new Map<ThreadTotals, Account>()

  constructor(arena: Arena) {
    this.#arena = arena
    this.#byCpu = Array.from({ length: arena.possibleCpus }, () => [])
  }

  /** Opens the account of the thread that has a place now, if it has none. */
  open(cpu: number, thread: ThreadTotals): void {
    if (this.#byThread.has(thread)) return
    const last = this.#byCpu[cpu].at(-1)
    const account: Account = {
      cpu,
      thread,
      firstRecord: last?.endRecord ?? 0,
      endRecord: undefined,
      discardedBefore: last?.discardedAtEnd ?? NONE,
      discardedAtEnd: undefined,
      ownAtEnd: undefined,
      torn: 0,
      delivered: 0,
      unwritten: 0,
    }
    this.#byCpu[cpu].push(account)
    this.#byThread.set(thread, account)
  }

  /**
   * Notes that a thread is dead. Call it before its place is freed.
   *
   * @param given records that the ring was given up to its end.
   */
  end(thread: ThreadTotals | undefined, given: number, discarded: Discarded, torn: number): void {
    const account = thread === undefined ? undefined : this.#byThread.get(thread)
    if (account === undefined || account.endRecord !== undefined) return
    account.endRecord = Math.max(given, account.firstRecord)
    account.discardedAtEnd = discarded
    account.ownAtEnd = this.#ownCounts(account.cpu)
    account.torn = torn
  }

  /** Credits a thread with records that left the ring. */
  credit(thread: ThreadTotals | undefined, delivered: number, unwritten: number): void {
    const account = thread === undefined ? undefined : this.#byThread.get(thread)
    if (account === undefined) return
    account.delivered += delivered
    account.unwritten += unwritten
  }

  /**
   * Takes back records that were delivered and can't be read any more. Nobody knows whose they
   * were: the newest are taken first.
   *
   * @param cpu undefined for all CPUs.
   */
  takeBack(cpu: number | undefined, records: number): void {
    let left = records
    const accounts = cpu === undefined ? this.#byCpu.flat() : this.#byCpu[cpu]
    for (const account of accounts.toReversed()) {
      const taken = Math.min(left, account.delivered)
      account.delivered -= taken
      if (cpu !== undefined) account.unwritten += taken
      left -= taken
    }
  }

  /**
   * What became of the records of a place with a ring of its own.
   *
   * @param isOver whether nothing comes any more.
   */
  rows(cpu: number, ring: RingState, isOver: boolean): ThreadLosses[] {
    return this.#byCpu[cpu].map((account) => {
      const { firstRecord, endRecord = Math.max(ring.given, firstRecord), torn, delivered } = account
      const settled = Math.min(Math.max(ring.oldest, firstRecord), endRecord) - firstRecord
      const overwritten = Math.max(0, settled - delivered - account.unwritten)
      const left = Math.max(0, endRecord - firstRecord - delivered - account.unwritten - overwritten)
      const unwritten = account.unwritten + (isOver ? left : 0)
      const discarded = minus(account.discardedAtEnd ?? ring.discarded, account.discardedBefore)
      const fate = { delivered, overwritten, torn, unwritten, pending: isOver ? 0 : left, discarded }
      return { cpu, ...account.thread, attempted: attempts(fate), ...fate, ...this.#ownOf(account) }
    })
  }

  /** The same for the places of a shared ring. @param discarded of the place, so far. */
  sharedRows(cpu: number, discarded: Discarded): ThreadLosses[] {
    return this.#byCpu[cpu].map((account) => {
      const { thread, delivered, discardedBefore, discardedAtEnd = discarded } = account
      const refused = minus(discardedAtEnd, discardedBefore)
      const fate = { delivered, overwritten: 0, torn: 0, unwritten: 0, pending: 0, discarded: refused }
      return { cpu, ...thread, attempted: attempts(fate), ...fate, ...this.#ownOf(account) }
    })
  }

  #ownOf({ cpu, ownAtEnd }: Account): OwnCounts {
    return ownAtEnd ?? this.#ownCounts(cpu)
  }

  /** What the thread counted that has a place now. */
  #ownCounts(cpu: number): OwnCounts {
    const { words } = this.#arena
    return {
      cut: words[this.#arena.placeWord(cpu, PLACE.cut)] >>> 0,
      filtered: words[this.#arena.placeWord(cpu, PLACE.filtered)] >>> 0,
    }
  }
}

/** Adds up a report. @param shared what is known for all threads together. */
export function reportOf(
  threads: readonly ThreadLosses[],
  shared: LossReport['shared'],
  noBuffer: number,
): LossReport {
  const sum = (of: (fate: LossReport['shared'] & object) => number): number =>
    threads.reduce((total, thread) => total + of(thread), shared === undefined ? 0 : of(shared))
  const refused = (of: (discarded: Discarded) => number): number =>
    threads.reduce((total, { discarded }) => total + of(discarded), 0)
  const own = (of: (counts: OwnCounts) => number): number =>
    threads.reduce((total, thread) => total + of(thread), 0)
  const fate = {
    delivered: sum(({ delivered }) => delivered),
    overwritten: sum(({ overwritten }) => overwritten),
    torn: sum(({ torn }) => torn),
    unwritten: sum(({ unwritten }) => unwritten),
    pending: sum(({ pending }) => pending),
    discarded: {
      full: refused(({ full }) => full),
      tooBig: refused(({ tooBig }) => tooBig),
      bad: refused(({ bad }) => bad),
      noBuffer,
    },
  }
  return {
    attempted: attempts(fate) + noBuffer,
    ...fate,
    cut: own(({ cut }) => cut),
    filtered: own(({ filtered }) => filtered),
    threads,
    ...(shared === undefined ? {} : { shared }),
  }
}

function attempts(fate: Omit<Fate, 'attempted'>): number {
  const { delivered, overwritten, torn, unwritten, pending, discarded } = fate
  return (
    delivered + overwritten + torn + unwritten + pending + discarded.full + discarded.tooBig + discarded.bad
  )
}

function minus(now: Discarded, before: Discarded): Discarded {
  return { full: now.full - before.full, tooBig: now.tooBig - before.tooBig, bad: now.bad - before.bad }
}
