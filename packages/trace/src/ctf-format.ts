/**
 * The trace's side of the consumer. It knows the streams (cpu-stream.ts, global-stream.ts), and
 * writes metadata to the sink before the packets that need it. Runs on the consumer thread.
 */
import {
  layoutRecord,
  metadataText,
  parseSchema,
  threadNumber,
  threadRanges,
  type EventClass,
  type MetadataInput,
  type RecordLayout,
  type ThreadRange,
} from '@rchan/ctf'
import {
  Arena,
  Control,
  type CreateFormat,
  type PacketFormat,
  type ThreadTotals,
  type Sink,
} from '@rchan/runtime'
import { clockOffset, now } from './clock.js'
import { CpuStream } from './cpu-stream.js'
import { GlobalStream } from './global-stream.js'
import { UUID_BYTES } from './packet-client.js'

/** The name of the metadata file. All readers look for it. */
const NAME = 'metadata'
/** The name for a number that threads with different names share. */
const SEVERAL = 'several threads'

/**
 * The recording's input to this module: the metadata without the events, and without the clock's
 * offset.
 */
export type FormatInit = Omit<MetadataInput, 'events' | 'clock'> & {
  readonly clock: Partial<MetadataInput['clock']>
}

/** See runtime's `CreateFormat`. */
export const createFormat: CreateFormat = (init, shared): PacketFormat => {
  const arena = Arena.attach(shared.arena)
  const events = new EventTable(new Control(shared.control), arena.global !== undefined)
  const uuid = arena.client.slice(0, UUID_BYTES)
  const given = init as FormatInit
  const clock = { ...clockOffset(), ...given.clock }
  const metadata = new Metadata(shared.sink, { ...given, clock })
  const names = new ThreadTable(arena.global !== undefined)
  const start = now()
  return {
    prepare(threads): void {
      events.update()
      names.update(threads)
      metadata.write(events.classes, names)
    },
    stream: (cpu) =>
      cpu === undefined
        ? new GlobalStream(uuid, start, events.layouts)
        : new CpuStream(cpu, uuid, events.layouts),
  }
}

/** The event classes of the tracepoint table, as far as this thread knows them. */
class EventTable {
  readonly classes: EventClass[] = []
  readonly layouts: (RecordLayout | undefined)[] = []
  readonly #control: Control
  readonly #global: boolean
  #next: ReturnType<Control['entries']>['next'] | undefined
  #waiting: { id: number; at: number }[] = []

  constructor(control: Control, global: boolean) {
    this.#control = control
    this.#global = global
  }

  update(): void {
    const { found, next, waiting } = this.#control.entries(this.#next)
    this.#next = next
    for (const { id, text } of found) this.#add(id, text)
    if (this.#waiting.length === 0 && waiting.length === 0) return
    // The thread that declares such an entry is not done yet. If it died, no thread ever traces
    // with the entry.
    this.#waiting = [...this.#waiting, ...waiting].filter(({ id, at }) => {
      const text = this.#control.textAt(at)
      if (text !== undefined) this.#add(id, text)
      return text === undefined
    })
  }

  #add(id: number, text: string): void {
    const schema = parseSchema(text)
    if (schema === undefined) return
    this.classes.push({ id, ...schema })
    this.layouts[id] = layoutRecord(schema.fields, this.#global)
  }
}

/** The names of a trace's threads, by their numbers in the trace. */
class ThreadTable {
  readonly #global: boolean
  readonly #names = new Map<number, string>()
  #seen = 0
  /** Number of changes so far. */
  version = 0

  constructor(global: boolean) {
    this.#global = global
  }

  update(threads: readonly ThreadTotals[]): void {
    for (; this.#seen < threads.length; this.#seen += 1) this.#add(threads[this.#seen])
  }

  get ranges(): ThreadRange[] {
    return threadRanges(this.#names)
  }

  #add({ threadId, threadName }: ThreadTotals): void {
    const number = threadNumber(threadId, this.#global)
    const known = this.#names.get(number)
    // In a global trace a thread may have the same number as an earlier one, 65536 threads before
    // it.
    const name = known === undefined || known === threadName ? threadName : SEVERAL
    if (name === known) return
    this.#names.set(number, name)
    this.version += 1
  }
}

/** The document `metadata`. It is written to the sink again for each new event and thread. */
class Metadata {
  readonly #sink: Sink
  readonly #init: Omit<MetadataInput, 'events'>
  #events = -1
  #threads = -1

  constructor(sink: Sink, init: Omit<MetadataInput, 'events'>) {
    this.#sink = sink
    this.#init = init
  }

  write(events: readonly EventClass[], names: ThreadTable): void {
    if (events.length === this.#events && names.version === this.#threads) return
    this.#sink.document(NAME, metadataText({ ...this.#init, events, threads: names.ranges }))
    this.#events = events.length
    this.#threads = names.version
  }
}
