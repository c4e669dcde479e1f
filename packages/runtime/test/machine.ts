/**
 * A consumer that a test takes step by step. The test makes up the clock and the deaths, and plays
 * the writers. The format is trivial, the files are real. For tests only.
 *
 * A record is 8 bytes: its number twice, as u32. A packet's kind is one of the kinds below. Its
 * value holds losses and generation.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Mode } from '@rchan/ring'
import { Writer } from '@rchan/ring'
import {
  ARENA,
  Arena,
  Control,
  nodeMachine,
  PLACE,
  type Machine as PlayedMachine,
  type PacketFormat,
  type SealedPacket,
  type Sink,
} from '@rchan/runtime'
import { FILES_CALL, type Call } from '@rchan/runtime/call'
import { Consumer } from '@rchan/runtime/consumer'
import { NOWHERE } from '../dist/nowhere.js'
import { flush } from '../dist/request.js'
import { FileSink } from '@rchan/runtime/file-sink'
import { freshFolder } from './faults.ts'
import { HEADER_BYTES, packet, streamOf } from './packets.ts'

export const GRACE_MS = 10
export const FLUSH_MS = 100
const HEAD = 1
const DATA = 2
const TAIL = 3
/** More than are lost in any test. */
const LOSSES = 2 ** 20

/** The content of a file. */
export interface Content {
  readonly heads: number
  readonly numbers: number[]
  /** The generation of each packet with records, without repetition. */
  readonly generations: number[]
  /** The losses in the last tail; undefined without a tail. A flush ends a stream, too. */
  readonly lost: number | undefined
}

/** A thread that the test plays. */
export class Thread {
  readonly writer: Writer
  readonly cpu: number
  #next: number

  constructor(machine: Machine, cpu: number, from = 0) {
    this.cpu = cpu
    this.writer = new Writer(machine.arena.channel.buffer(cpu))
    this.#next = from
  }

  /** Writes so many records, numbered on. @returns how many found room. */
  write(count: number): number {
    let written = 0
    for (let i = 0; i < count; i += 1) {
      const record = new Uint8Array(new Uint32Array([this.#next, this.#next]).buffer)
      this.#next += 1
      if (this.writer.write(record)) written += 1
    }
    return written
  }
}

/** Everything around a consumer. */
export class Machine {
  /** Time passes when the test says so, and deaths are those that it plays. Waits are real. */
  readonly played: { -readonly [Name in keyof PlayedMachine]: PlayedMachine[Name] } = {
    ...nodeMachine,
    thread: nodeMachine.thread,
    quietLookMs: 0,
    now: () => this.timeMs,
    sleep: (ms) => {
      this.timeMs += ms
      this.onSleep()
    },
    isDead: (identity, startTicks) => {
      this.asked.push([identity, startTicks])
      this.onLook()
      return this.dead.has(identity)
    },
    openMailbox: (name) => {
      const mailbox = { name, messages: [] as unknown[] }
      this.#mailboxes.add(mailbox)
      return { take: () => mailbox.messages.shift(), close: () => void this.#mailboxes.delete(mailbox) }
    },
    post: (name, message) => {
      for (const mailbox of this.#mailboxes) {
        if (mailbox.name === name) mailbox.messages.push(structuredClone(message))
      }
    },
  }
  readonly control = Control.create(this.played)
  readonly arena: Arena
  readonly folder: string
  readonly consumer: Consumer
  /** Identities of threads that are dead. */
  readonly dead = new Set<number>()
  timeMs = 1000
  posts = 0
  /** What the consumer told of. */
  readonly troubles: string[] = []
  /** The errors of set-ups; '' for one that was done. */
  readonly setUps: string[] = []
  /** Calls of other threads, for the next step. */
  readonly calls: Call[] = []
  prepares = 0
  /** Thrown by the format's `prepare`. */
  failPrepare: Error | undefined
  /** The sink's problem at the end. */
  sinkProblem: string | undefined
  /** Called at each sealing; may write records, or throw. */
  onSeal: () => void = () => undefined
  /** Called at each sleep of the consumer. */
  onSleep: () => void = () => undefined
  /** Called at each look at a thread. */
  onLook: () => void = () => undefined
  /** The arguments of `isDead`. */
  asked: [identity: number, startTicks: number][] = []
  readonly #mailboxes = new Set<{ readonly name: string; readonly messages: unknown[] }>()

  constructor(
    options: {
      mode?: Mode
      subbufCount?: number
      possibleCpus?: number
      records?: number
      folder?: string
      /** Default: one that writes {@link folder}. */
      sink?: Sink
      /** Whether it is a recording in memory, until {@link setUpFiles}. Default: false. */
      inMemory?: boolean
    } = {},
  ) {
    const { mode = 'discard', subbufCount = 4, possibleCpus = 3, records = 4 } = options
    const subbufSize = HEADER_BYTES + records * 8
    const channel = { mode, subbufCount, possibleCpus, subbufSize, headerBytes: HEADER_BYTES }
    this.arena = Arena.create(channel, 1, 0, new Uint8Array(0))
    this.folder = options.folder ?? freshFolder()
    const makeSink = (): Sink => {
      const sink = options.sink ?? new FileSink(this.folder)
      const problem = sink.problem.bind(sink)
      sink.problem = () => this.sinkProblem ?? problem()
      return sink
    }
    const setup = { flushIntervalMs: FLUSH_MS, graceMs: GRACE_MS }
    const { inMemory = false } = options
    const make = (): { format: PacketFormat; sink: Sink } => ({ format: this.#format(), sink: makeSink() })
    this.consumer = new Consumer(
      this.control,
      this.arena,
      this.#format(),
      inMemory ? NOWHERE : makeSink(),
      setup,
      {
        trouble: (message) => void this.troubles.push(message),
        postArena: () => {
          this.posts += 1
          for (const { messages } of this.#mailboxes) messages.push(this.arena.memory)
        },
        takeCalls: () => this.calls.splice(0),
      },
      inMemory ? make : undefined,
    )
  }

  /** Asks for files, with the next step of the consumer. */
  setUpFiles(): void {
    const answer = (problem: string): number => this.setUps.push(problem)
    this.calls.push({
      kind: FILES_CALL,
      argument: undefined,
      answer: () => answer(''),
      fail: (error) => answer((error as Error).message),
    })
  }

  place(cpu: number, word: number): number {
    return this.arena.words[this.arena.placeWord(cpu, word)]
  }

  setPlace(cpu: number, word: number, value: number): void {
    Atomics.store(this.arena.words, this.arena.placeWord(cpu, word), value)
  }

  /** Claims a place as a thread does. */
  claim(cpu: number, identity: number, threadId: number): void {
    const owner = this.arena.placeWord(cpu, PLACE.owner)
    if (Atomics.compareExchange(this.arena.words, owner, 0, identity) !== 0)
      throw new Error(`CPU ${cpu} is taken`)
    this.arena.setStartTicks(cpu, identity * 10)
    this.setPlace(cpu, PLACE.threadId, threadId)
  }

  /** A new thread, online. */
  thread(cpu: number, identity: number, threadId = identity, from = 0): Thread {
    this.claim(cpu, identity, threadId)
    const thread = new Thread(this, cpu, from)
    this.setPlace(cpu, PLACE.online, 1)
    Atomics.add(this.arena.words, ARENA.came >> 2, 1)
    return thread
  }

  /** Asks for a flush and waits for it, on this thread. No consumer answers meanwhile. */
  flush(patienceMs = 10_000): boolean {
    return flush(this.arena, this.control, patienceMs)
  }

  /** Lets time pass, one step of the consumer each millisecond. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i += 1) {
      this.timeMs += 1
      this.consumer.doWork()
    }
  }

  /**
   * The content of the file of a CPU; undefined when there is none. @throws when it isn't whole
   * packets.
   */
  content(cpu: number): Content | undefined {
    if (!existsSync(join(this.folder, `cpu_${cpu}`))) return undefined
    const content = {
      heads: 0,
      numbers: [] as number[],
      generations: [] as number[],
      lost: undefined as number | undefined,
    }
    for (const { kind, value, content: bytes } of streamOf(this.folder, `cpu_${cpu}`)) {
      const generation = Math.floor(value / LOSSES)
      if (kind === HEAD) content.heads += 1
      else if (kind === TAIL) content.lost = value % LOSSES
      if (kind === DATA && content.generations.at(-1) !== generation) content.generations.push(generation)
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let at = 0; at < bytes.length; at += 8) {
        const number = view.getUint32(at, true)
        if (number !== view.getUint32(at + 4, true)) throw new Error('a torn record')
        content.numbers.push(number)
      }
    }
    return content
  }

  #format(): PacketFormat {
    const valueOf = (generation: number, lost: number): number => generation * LOSSES + lost
    return {
      prepare: () => {
        this.prepares += 1
        if (this.failPrepare !== undefined) throw this.failPrepare
      },
      stream: () => ({
        head: () => packet(HEAD, 0),
        seal: (span, thread, refused, lost): SealedPacket => {
          this.onSeal()
          const bytes = span.bytes.subarray(span.from, span.end)
          const sealed = packet(DATA, valueOf(thread?.generation ?? 0, refused + lost), [bytes])
          return { ...sealed, end: span.end, records: bytes.length / 8 }
        },
        written: () => undefined,
        tail: (thread, lost) => packet(TAIL, valueOf(thread?.generation ?? 0, lost)),
      }),
      renamed: () => {},
      tell: () => {},
      snapshotStream: () => {
        throw new Error('this format is for no snapshots')
      },
    }
  }
}

/** The numbers from `from` on, `count` of them. */
export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i)
}
