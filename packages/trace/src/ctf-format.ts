/**
 * The trace's side of the consumer. It knows the streams (cpu-stream.ts, global-stream.ts), and
 * writes metadata to the sink before the packets that need it. Runs on the consumer thread.
 */
import {
  align,
  EVENT_CPU_OFFSET,
  EVENT_ID_OFFSET,
  layoutRecord,
  makeSchema,
  metadataText,
  numberViews,
  PACKET_HEADER_BYTES,
  parseSchema,
  parseUuid,
  RECORD_ALIGN_BYTES,
  schemaText,
  threadNumber,
  threadRanges,
  typeText,
  factsText,
  type EventClass,
  type FieldFunctions,
  type MetadataInput,
  type RecordLayout,
  type ThreadRange,
} from '@rchan/ctf'
import {
  now,
  Arena,
  Control,
  threadTag,
  type CreateFormat,
  type PacketFormat,
  type RecordingFacts,
  type Sink,
  type SnapshotEvent,
  type SnapshotStream,
  type ThreadTotals,
} from '@rchan/runtime'
import { randomUuid } from '@rchan/runtime/random'
import { clockOffset } from './clock-offset.js'
import { CpuStream } from './cpu-stream.js'
import { GlobalStream } from './global-stream.js'
import { storeFields } from './field-code.js'
import { limitText, textBytes, writeText } from './text.js'
import { threadId as thisThreadId } from 'node:worker_threads'

/** The name of the metadata file. All readers look for it. */
const NAME = 'metadata'
/** The name for a number that threads with different names share. */
const SEVERAL = 'several threads'

/** The name of the thread that this runs on. */
const CONSUMER_NAME = 'rchan consumer'
/** The event of a snapshot. */
const SNAPSHOT_SCHEMA = makeSchema('rchan:snapshot', {
  thread: 'i32',
  not_taken: 'u32',
  trigger: 'string',
  reason: 'string',
})

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
  const control = new Control(shared.control)
  const isGlobal = arena.global !== undefined
  const events = new EventTable(control, isGlobal)
  const given = init as FormatInit
  // Two traces of one uuid would be one trace for babeltrace2.
  const uuidText = shared.startedAt === undefined ? given.uuid : randomUuid()
  const uuid = parseUuid(uuidText)
  const clock = { ...clockOffset(), ...given.clock }
  const metadata = new Metadata(shared.sink, { ...given, uuid: uuidText, clock }, arena.strings)
  const names = new ThreadTable(isGlobal)
  const start = shared.startedAt ?? now()
  return {
    prepare(threads): void {
      events.update()
      names.update(threads)
      metadata.write(events.classes, names)
    },
    stream: (cpu, isLate) =>
      cpu === undefined
        ? new GlobalStream(uuid, start, events.layouts, isLate)
        : new CpuStream(cpu, uuid, events.layouts, isLate),
    renamed: () => names.forget(),
    tell(facts): void {
      // The span that was cut off may be all that there is of its class.
      events.update()
      metadata.tell(facts, events.classes)
    },
    snapshotStream: (event) => snapshotStream(event, control, arena, uuid, events),
  }
}

/** What the records of the consumer use: they have no interned strings, and nothing is cut. */
const FUNCTIONS: FieldFunctions = {
  textBytes,
  writeText,
  limitText: (text, max) => limitText(text, max, () => {}),
  intern: () => 0,
  cut: () => {},
}

/**
 * The stream of the event that says why a snapshot was taken. It has the number behind that of the
 * last CPU.
 */
function snapshotStream(
  event: SnapshotEvent,
  control: Control,
  arena: Arena,
  uuid: Uint8Array,
  { layouts }: EventTable,
): SnapshotStream {
  const id = control.declare(schemaText(SNAPSHOT_SCHEMA))
  const cpu = arena.possibleCpus
  const isGlobal = arena.global !== undefined
  const { fields, payloadOffset } = layoutRecord(SNAPSHOT_SCHEMA.fields, isGlobal)
  const { thread, notTaken, trigger, reason } = event
  const from = isGlobal ? 0 : PACKET_HEADER_BYTES
  const mostBytes = from + 64 + 3 * (trigger.length + reason.length)
  const memory = numberViews(new ArrayBuffer(align(mostBytes, RECORD_ALIGN_BYTES)))
  memory.u64[from >> 3] = event.at
  memory.u32[(from + EVENT_ID_OFFSET) >> 2] = id
  if (isGlobal) memory.i32[(from + EVENT_CPU_OFFSET) >> 2] = threadTag(cpu, thisThreadId)
  const values = [thread, Math.min(notTaken, 0xffffffff), trigger, reason]
  const end = storeFields(fields, values, { ...memory, ...FUNCTIONS, limit: mostBytes }, from + payloadOffset)
  return {
    packets: isGlobal
      ? new GlobalStream(uuid, event.at, layouts, false, cpu)
      : new CpuStream(cpu, uuid, layouts),
    span: { sequence: 0, bytes: memory.u8, from, end, complete: false, records: -1 },
    writer: { generation: 0, threadId: thisThreadId, threadName: CONSUMER_NAME },
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

  /** Forgets all names, because some have changed. */
  forget(): void {
    this.#names.clear()
    this.#seen = 0
    this.version += 1
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

/** Whether an event has a field of an interned string, perhaps inside another one. */
function isInterning({ fields }: EventClass): boolean {
  return fields.some(({ type }) => typeText(type).includes('"interned"'))
}

/** The document `metadata`. It is written to the sink again for each new event and thread. */
class Metadata {
  readonly #sink: Sink
  readonly #init: Omit<MetadataInput, 'events'>
  readonly #table: Arena['strings']
  #facts: Record<string, string> = {}
  #events = -1
  #threads = -1
  #strings = -1

  constructor(sink: Sink, init: Omit<MetadataInput, 'events'>, table: Arena['strings']) {
    this.#sink = sink
    this.#init = init
    this.#table = table
  }

  write(events: readonly EventClass[], names: ThreadTable): void {
    const texts = this.#table.texts()
    const isSame =
      events.length === this.#events &&
      names.version === this.#threads &&
      this.#table.version === this.#strings
    if (isSame) return
    const strings = events.some(isInterning) ? { strings: texts } : {}
    const env = { ...this.#init.env, ...this.#facts }
    this.#sink.document(NAME, metadataText({ ...this.#init, env, events, threads: names.ranges, ...strings }))
    this.#events = events.length
    this.#threads = names.version
    this.#strings = this.#table.version
  }

  /** Writes the facts with the next change, which this is. */
  tell({ lives, cuts, end, untold }: RecordingFacts, events: readonly EventClass[]): void {
    const nameOf = new Map(events.map(({ id, name }) => [id, name]))
    this.#facts = factsText({
      end,
      untold,
      threads: lives,
      cuts: cuts.flatMap(({ id, ...cut }) => {
        const span = nameOf.get(id)
        return span === undefined ? [] : [{ ...cut, span }]
      }),
    })
    this.#events = -1
  }
}
