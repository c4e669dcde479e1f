/**
 * The consumer: drains the buffers of all CPUs into relay files. Runs on a thread of its own, which no user code can
 * block, as steps (`doWork`) that a test can take one by one; only `consumer-thread.ts` sleeps.
 *
 * It owns the reader's words of every buffer, gives back the places of dead threads, and answers threads that lack
 * the arena. It depends on no writer's help: a parked thread and one that is busy for ever are drained all the same.
 */
import type { Reader, Span } from '@rchan/relay'
import { Arena, ARENA, PLACE } from './arena.js'
import { CONTROL, Control } from './control.js'
import { RelayFile } from './files.js'
import type { PacketFormat, PacketStream } from './format.js'

/** What the consumer needs of the world, so that a test can give it another. */
export interface World {
  /** Milliseconds on a clock that never goes back. */
  now(): number
  sleep(ms: number): void
  /** Whether the thread of a place is dead, proven. */
  isDead(identity: number, startTicks: number, exited: boolean): boolean
  /** Posts the arena to the threads that asked for it. */
  postArena(): void
  /** Tells of the first error on the way to the files. */
  trouble(message: string): void
}

/** How the consumer works. */
export interface ConsumerOptions {
  readonly folder: string
  /** How often records of incomplete sub-buffers are delivered, in milliseconds. */
  readonly flushIntervalMs: number
  /** How old a sampled end must be before it may be read, in milliseconds. */
  readonly graceMs: number
}

/** The records that are lost, by cause. */
export interface Losses {
  /** All sub-buffers were unread. */
  full: number
  /** Longer than a sub-buffer. */
  tooBig: number
  /** The arguments could not be read, or did not fit their types. */
  bad: number
  /** The thread found no place, or not the arena. */
  unplaced: number
}

/** A thread that was a CPU. */
export interface ThreadTotals {
  readonly generation: number
  /** Node's number of the thread; 0 is the main thread. */
  readonly threadId: number
}

/** What one CPU lost. */
export interface CpuLosses {
  readonly discarded: Omit<Losses, 'unplaced'>
  readonly overwritten: number
  readonly torn: number
  /** Records that are in the buffer and not in the file: it took no more, or they came while the end was written. */
  readonly unwritten: number
}

/** What came of one CPU. */
export interface CpuTotals extends CpuLosses {
  readonly cpu: number
  /** The threads that were this CPU, one after the other, and whose records were delivered. */
  readonly threads: readonly ThreadTotals[]
  /** Records in its file. */
  readonly events: number
  /** Bytes of its file. */
  readonly bytes: number
  readonly packets: number
}

/** What came of a recording. */
export interface Totals {
  /** The CPUs that ever wrote, or tried to. */
  readonly cpus: readonly CpuTotals[]
  readonly unplaced: number
  /** The first error on the way to the files, if there was one. */
  readonly error: string | undefined
}

interface Place {
  readonly cpu: number
  readonly reader: Reader
  stream: PacketStream | undefined
  file: RelayFile | undefined
  threads: ThreadTotals[]
  events: number
  packets: number
  torn: number
  unwritten: number
  /** The last write failed: not tried again before the next flush. */
  blocked: boolean
}

/** How often `finish` looks again for records of threads that were just writing when tracing was switched off. */
const FINISH_ROUNDS = 10

export class Consumer {
  readonly #control: Control
  readonly #arena: Arena
  readonly #format: PacketFormat
  readonly #options: ConsumerOptions
  readonly #world: World
  /** By CPU; made when its thread is first seen online. */
  readonly #places: (Place | undefined)[]
  /** Sub-buffers that are delivered of one CPU before the next has its turn: what a buffer holds. */
  readonly #fairShare: number
  #nextFlush: number
  #agedAt = Infinity
  #error: string | undefined

  constructor(control: Control, arena: Arena, format: PacketFormat, options: ConsumerOptions, world: World) {
    this.#control = control
    this.#arena = arena
    this.#format = format
    this.#options = options
    this.#world = world
    this.#places = Array.from({ length: arena.possibleCpus })
    this.#fairShare = arena.channel.buffer(0).geometry.subbufCount
    this.#nextFlush = world.now() + options.flushIntervalMs
  }

  /**
   * One step: answers who asked, delivers what is complete, and, when it is time, what is not.
   *
   * @returns milliseconds until it is to be called again if nobody rings; 0 when it found work and may find more.
   */
  doWork(): number {
    const { words } = this.#arena
    let busy = this.#answer()
    if (Atomics.exchange(words, ARENA.wanted >> 2, 0) === 1) this.#reap()
    this.#meet()
    for (const place of this.#places) {
      if (place !== undefined && this.#drain(place, this.#fairShare)) busy = true
    }
    const now = this.#world.now()
    if (now >= this.#agedAt) {
      this.#agedAt = Infinity
      this.#deliverAged()
    }
    if (now >= this.#nextFlush) {
      for (const place of this.#places) if (place !== undefined) place.blocked = false
      this.#reap()
      if (this.#sample()) this.#agedAt = now + this.#options.graceMs
      this.#nextFlush = now + this.#options.flushIntervalMs
    }
    Atomics.add(words, ARENA.rounds >> 2, 1)
    return busy ? 0 : Math.max(0, Math.min(this.#nextFlush, this.#agedAt) - this.#world.now())
  }

  /**
   * After tracing was switched off: delivers everything whose call had returned by then, ends the streams.
   * Waits at least twice the grace period.
   */
  finish(): Totals {
    const { graceMs } = this.#options
    // What was stored before the switch-off has left the store buffers after this.
    this.#world.sleep(graceMs)
    for (let round = 0; round < FINISH_ROUNDS; round += 1) {
      this.#answer()
      this.#meet()
      for (const place of this.#places) {
        if (place === undefined) continue
        place.blocked = false
        this.#drain(place, Infinity)
      }
      // What a dead thread left torn is counted only there.
      if (round === 0) this.#reap()
      if (!this.#sample()) break
      this.#world.sleep(graceMs)
      this.#deliverAged()
    }
    return this.#close()
  }

  /** Serves the threads that lack the arena. */
  #answer(): boolean {
    const { words } = this.#control
    const asked = Atomics.load(words, CONTROL.asked >> 2)
    if (asked === Atomics.load(words, CONTROL.answered >> 2)) return false
    this.#world.postArena()
    // Pairs with: Cpu.#ask, which waits until `answered` has reached its ticket.
    Atomics.store(words, CONTROL.answered >> 2, asked)
    Atomics.notify(words, CONTROL.answered >> 2)
    return true
  }

  /** Makes a reader for each CPU that is online for the first time. */
  #meet(): void {
    const { words, channel } = this.#arena
    for (let cpu = 0; cpu < this.#places.length; cpu += 1) {
      // Pairs with: Cpu.#take, Atomics.store of `online`, after the first sub-buffer was started.
      if (this.#places[cpu] !== undefined) continue
      if (Atomics.load(words, this.#arena.placeWord(cpu, PLACE.online)) !== 1) continue
      this.#places[cpu] = {
        cpu,
        reader: channel.reader(cpu),
        stream: undefined,
        file: undefined,
        threads: [],
        events: 0,
        packets: 0,
        torn: 0,
        unwritten: 0,
        blocked: false,
      }
    }
  }

  /**
   * Delivers the complete sub-buffers, at most so many: a writer that is as fast as the disk must not keep the
   * consumer from the other CPUs, and from those who ask.
   *
   * @returns whether there were any.
   */
  #drain(place: Place, most: number): boolean {
    let found = false
    for (let left = most; left > 0 && !place.blocked; left -= 1) {
      const span = place.reader.next()
      if (span === undefined || !this.#deliver(place, span)) break
      found = true
    }
    return found
  }

  #sample(): boolean {
    let any = false
    for (const place of this.#places) {
      if (place !== undefined && place.reader.sample()) any = true
    }
    return any
  }

  #deliverAged(): void {
    for (const place of this.#places) {
      if (place === undefined) continue
      this.#drain(place, this.#fairShare)
      const span = place.blocked ? undefined : place.reader.aged()
      if (span !== undefined) this.#deliver(place, span)
    }
  }

  /** Writes one packet. @returns whether it is in the file; if not, it stays in the buffer and is tried again. */
  #deliver(place: Place, span: Span): boolean {
    const { words } = this.#arena
    const generation = Atomics.load(words, this.#arena.placeWord(place.cpu, PLACE.generation))
    try {
      // A process that exits sees that we get on.
      Atomics.add(words, ARENA.rounds >> 2, 1)
      this.#format.prepare()
      const { stream, file } = this.#open(place, span.bytes)
      const sealed = stream.seal(span, generation, refused(place), lost(place))
      if (sealed.records > 0) {
        file.append([sealed.header, span.bytes.subarray(sealed.from, sealed.to)])
        stream.written()
        place.packets += 1
        place.events += sealed.records
        if (place.threads.at(-1)?.generation !== generation) {
          const threadId = words[this.#arena.placeWord(place.cpu, PLACE.threadId)]
          place.threads.push({ generation, threadId })
        }
      }
      place.reader.delivered(span, sealed.records, sealed.end)
      return true
    } catch (error) {
      this.#fail(place, error)
      return false
    }
  }

  #open(place: Place, subbuf: Uint8Array | undefined): { stream: PacketStream; file: RelayFile } {
    if (place.file === undefined || place.stream === undefined) {
      const stream = this.#format.stream(place.cpu)
      const file = new RelayFile(`${this.#options.folder}/cpu_${place.cpu}`)
      place.file = file
      place.stream = stream
    }
    if (place.file.bytes === 0) place.file.append([place.stream.head(subbuf)])
    return { stream: place.stream, file: place.file }
  }

  /** What could not be written is tried again at the next flush. */
  #fail(place: Place, error: unknown): void {
    place.blocked = true
    if (this.#error !== undefined) return
    this.#error = messageOf(error)
    this.#world.trouble(this.#error)
  }

  /** Drains the buffers of threads that have died, and frees their places. */
  #reap(): void {
    const { words } = this.#arena
    for (let cpu = 0; cpu < this.#places.length; cpu += 1) {
      const word = (of: number): number => this.#arena.placeWord(cpu, of)
      const owner = Atomics.load(words, word(PLACE.owner))
      if (owner === 0) continue
      const exited = Atomics.load(words, word(PLACE.exited)) === 1
      if (!this.#world.isDead(owner, this.#arena.startTicks(cpu), exited)) continue
      this.#meet()
      const place = this.#places[cpu]
      if (place !== undefined && Atomics.load(words, word(PLACE.online)) === 1) {
        this.#drain(place, Infinity)
        const span = place.blocked ? undefined : place.reader.newest()
        if (span !== undefined) this.#deliver(place, span)
        if (place.blocked) continue
        place.torn += place.reader.retire()
      }
      this.#free(cpu)
    }
  }

  /** The thread is dead, so its words are ours until `owner` is 0. */
  #free(cpu: number): void {
    const { words } = this.#arena
    const word = (of: number): number => this.#arena.placeWord(cpu, of)
    Atomics.store(words, word(PLACE.online), 0)
    Atomics.store(words, word(PLACE.exited), 0)
    Atomics.add(words, word(PLACE.generation), 1)
    this.#arena.setStartTicks(cpu, 0)
    // Pairs with: Cpu.#claim, compare-and-exchange from 0.
    Atomics.store(words, word(PLACE.owner), 0)
    Atomics.add(words, ARENA.freed >> 2, 1)
    Atomics.notify(words, ARENA.freed >> 2)
  }

  /** Ends every stream with what was lost on it, and closes the files. */
  #close(): Totals {
    const { unplaced } = this.#control
    const met = this.#places.filter((place) => place !== undefined)
    // Read once: what the trace says and what the summary says have to agree, whatever late threads still count.
    const accounts = new Map(met.map((place) => [place, this.#account(place)]))
    // Records without a place have no stream of their own: the first one tells of them.
    let homeless = unplaced
    const streams = met.filter((place) => place.file !== undefined || (accounts.get(place)?.lost ?? 0) > 0)
    if (homeless > 0 && streams.length === 0 && met[0] !== undefined) streams.push(met[0])
    for (const place of streams) {
      const generation = place.threads.at(-1)?.generation ?? 0
      try {
        this.#format.prepare()
        const { stream, file } = this.#open(place, undefined)
        file.append([stream.tail(generation, (accounts.get(place)?.lost ?? 0) + homeless)])
        homeless = 0
      } catch (error) {
        this.#fail(place, error)
      }
    }
    for (const place of met) {
      try {
        if (place.file?.close() !== false) continue
        this.#error ??= `${place.file.path} was removed while it was written`
        const account = accounts.get(place)
        if (account !== undefined)
          accounts.set(place, { ...account, unwritten: account.unwritten + place.events })
        place.events = 0
      } catch (error) {
        this.#error ??= messageOf(error)
      }
    }
    return {
      cpus: streams.map((place) => ({
        cpu: place.cpu,
        threads: place.threads,
        events: place.events,
        bytes: place.file?.bytes ?? 0,
        packets: place.packets,
        ...withoutSum(accounts.get(place) as CpuLosses & { readonly lost: number }),
      })),
      unplaced,
      error: this.#error,
    }
  }

  /** What a CPU lost, at the end. */
  #account(place: Place): CpuLosses & { readonly lost: number } {
    // What a file did not take, and what was still being written when we looked for the last time.
    place.reader.settle()
    place.unwritten += place.reader.remaining()
    const { full, tooBig, bad } = place.reader.buffer.discarded()
    return {
      discarded: { full, tooBig, bad },
      overwritten: place.reader.overwritten,
      torn: place.torn,
      unwritten: place.unwritten,
      lost: full + tooBig + bad + lost(place),
    }
  }
}

/** Records that the owner refused. */
function refused(place: Place): number {
  const { full, tooBig, bad } = place.reader.buffer.discarded()
  return full + tooBig + bad
}

/** Records that were written and are lost. */
function lost(place: Place): number {
  return place.reader.overwritten + place.torn + place.unwritten
}

function withoutSum({ discarded, overwritten, torn, unwritten }: CpuLosses): CpuLosses {
  return { discarded, overwritten, torn, unwritten }
}

/** The file system's message says it all; any other error is a fault of ours, and where it came from matters. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'syscall' in error ? error.message : (error.stack ?? error.message)
}
