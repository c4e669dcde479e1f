/**
 * How the packets and records of a trace by others are read: what their metadata declares, made
 * into readers. All types are checked when the trace is opened; the readers of an event are made
 * with its first record. Any thread; never touches a file.
 */
import type { Declarations, DeclaredClock, DeclaredEvent, DeclaredStream } from './declarations.js'
import type { Bits } from './bits.js'
import type { DecodedValue } from './field-readers.js'
import { EMF_URI, type MetadataClock } from './metadata.js'
import { checkedSchema, type EventClass, type Schema } from './schema.js'
import { partsOfUri } from './tsdl.js'
import { struckReader, structReader, type Cell, type ReaderSetting } from './type-readers.js'
import type { StructType, TreeType } from './type-tree.js'
import type { Field } from './types.js'

type Values = Record<string, DecodedValue>
type ReadValues = (bits: Bits) => Values

/** An event class, and how to read its records. */
export interface ForeignDecoder {
  readonly event: EventClass
  readonly readContext: ReadValues | undefined
  readonly read: ReadValues
}

/** A struct of which some numbers matter. */
export interface KnownStruct<N extends string> {
  readonly read: ReadValues
  /** The numbers by name; of fields that the struct has. */
  readonly cells: ReadonlyMap<N, Cell>
}

/** The fields of a packet that tell who wrote it. The number of a thread can have a label. */
type WhoName = 'cpu_id' | 'thread_id' | 'generation'
type ContextName = 'cpu_id' | 'thread_id' | 'vpid' | 'vtid' | 'pid' | 'tid'

/** One stream class. */
export interface ForeignStream {
  readonly id: number
  readonly packetContext: KnownStruct<WhoName> | undefined
  /** Steps over the header of a record: sets the clock, and the cell of the event's id. */
  readonly readHeader: (bits: Bits) => void
  readonly eventId: Cell
  readonly eventContext: KnownStruct<ContextName> | undefined
  decoder(id: number): ForeignDecoder | undefined
}

/** What the metadata of a trace by others says. */
export interface ForeignFormat {
  /** Empty if the trace has none. */
  readonly uuid: string
  readonly env: Readonly<Record<string, string | number>>
  readonly clock: MetadataClock
  readonly packetHeader: ReadValues | undefined
  readonly streams: ReadonlyMap<number, ForeignStream>
  readonly events: readonly EventClass[]
  /** Returns ns for ticks of the clock. */
  readonly toNs: (ticks: bigint) => bigint
}

const NS = 1_000_000_000n
const NO_CELLS: ReadonlyMap<string, Cell> = new Map()
const WHO: readonly WhoName[] = ['cpu_id', 'thread_id', 'generation']
const CONTEXT: readonly ContextName[] = ['cpu_id', 'thread_id', 'vpid', 'vtid', 'pid', 'tid']

/** Makes the readers. @throws TraceError with line and column. */
export function foreignFormat(declared: Declarations): ForeignFormat {
  const { uuid, env, order, packetHeader, fail } = declared
  const { frequency, ...clock } = clockOf(declared)
  const setting = { order, cells: NO_CELLS, fail }
  const streams = new Map<number, ForeignStream>()
  const events: EventClass[] = []
  for (const stream of declared.streams.values()) {
    const made = new StreamMaker(declared, stream)
    streams.set(stream.id, made.stream())
    for (const event of made.events) events.push(event)
  }
  return {
    uuid,
    env,
    clock,
    packetHeader: packetHeader && structReader(packetHeader, { ...setting, clocks: 'refuse' }).read,
    streams,
    events,
    toNs: frequency === NS ? (ticks) => ticks : (ticks) => (ticks * NS) / frequency,
  }
}

class StreamMaker {
  readonly events: EventClass[] = []
  readonly #declared: Declarations
  readonly #stream: DeclaredStream
  readonly #classes = new Map<number, EventClass>()
  readonly #decoders = new Map<number, ForeignDecoder>()

  constructor(declared: Declarations, stream: DeclaredStream) {
    this.#declared = declared
    this.#stream = stream
    for (const event of stream.events.values()) {
      const known = this.#class(event)
      this.events.push(known)
      this.#classes.set(event.id, known)
    }
  }

  stream(): ForeignStream {
    const { id, packetContext, eventHeader, eventContext, events, at } = this.#stream
    const { fail } = this.#declared
    if (eventHeader === undefined || clocksIn(eventHeader).size === 0) {
      return fail(`stream ${id} has no time in its event.header (a field with map = clock.….value)`, at)
    }
    const eventId: Cell = { value: 0 }
    const header = { ...this.#setting('set'), cells: new Map([['id', eventId]]) }
    const readHeader = struckReader(eventHeader, header)
    if (!names(eventHeader).has('id')) {
      const [only, ...others] = events.keys()
      if (others.length > 0) fail(`stream ${id} has several events, and no id in its event.header`, at)
      eventId.value = only ?? 0
    }
    return {
      id,
      packetContext: packetContext && this.#known(packetContext, WHO, 'pass'),
      readHeader,
      eventId,
      eventContext: eventContext && this.#known(eventContext, CONTEXT, 'refuse'),
      decoder: (number) => this.#decoder(number),
    }
  }

  #setting(clocks: ReaderSetting['clocks']): ReaderSetting {
    const { order, fail } = this.#declared
    return { order, clocks, cells: NO_CELLS, fail }
  }

  #known<N extends string>(
    type: StructType,
    wanted: readonly N[],
    clocks: ReaderSetting['clocks'],
  ): KnownStruct<N> {
    const has = new Map(type.members.map((member) => [member.name, member.type]))
    const cells = new Map<N, Cell>()
    for (const name of wanted) {
      const { kind } = has.get(name) ?? {}
      if (kind === 'integer' || kind === 'enum') cells.set(name, { value: 0 })
    }
    return { cells, read: structReader(type, { ...this.#setting(clocks), cells }).read }
  }

  /** Checks the types of an event, and says what they are as ours. */
  #class(event: DeclaredEvent): EventClass {
    const { id, name, level, uri, context, fields, at } = event
    const { fail } = this.#declared
    const refuse = this.#setting('refuse')
    if (context !== undefined) structReader(context, refuse)
    const plain: Schema = {
      name,
      fields: [],
      ...(level === 'info' ? {} : { level }),
    }
    const own = fields === undefined ? [] : structReader(fields, refuse).fields
    const isOurs = this.#declared.env.tracer_name === 'rchan'
    if (uri?.startsWith(EMF_URI) !== true) {
      const more = uri === undefined ? {} : { uri }
      return { id, ...plain, fields: isOurs ? withInterned(own) : own, ...more }
    }
    const parts = partsOfUri(uri)
    if (parts === undefined) return fail(`event ${name} has a model.emf.uri that can't be read`, at)
    const pairs = parts.pairs ?? withInterned(own)
    const schema = checkedSchema(name, { kind: parts.kind, level }, pairs)
    if (schema === undefined) {
      return fail(`event ${name} has a model.emf.uri with a kind or types that rchan does not write`, at)
    }
    if (fields !== undefined) structReader(fields, refuse, schema.fields)
    else if (schema.fields.length > 0) fail(`event ${name} has no fields, but its model.emf.uri has`, at)
    return { id, ...schema }
  }

  #decoder(id: number): ForeignDecoder | undefined {
    const known = this.#decoders.get(id)
    if (known !== undefined) return known
    const event = this.#classes.get(id)
    const declared = this.#stream.events.get(id)
    if (event === undefined || declared === undefined) return undefined
    const { context, fields } = declared
    const setting = this.#setting('refuse')
    const isOurs = declared.uri?.startsWith(EMF_URI) ?? this.#declared.env.tracer_name === 'rchan'
    const wanted: readonly Field[] | undefined = isOurs ? event.fields : undefined
    const decoder: ForeignDecoder = {
      event,
      readContext: context && structReader(context, setting).read,
      read: fields === undefined ? () => ({}) : structReader(fields, setting, wanted).read,
    }
    this.#decoders.set(id, decoder)
    return decoder
  }
}

/**
 * Where rchan did not say the types of an event, CTF has them all, apart from one: an enumeration
 * is one of interned strings.
 */
function withInterned(fields: readonly Field[]): readonly Field[] {
  return fields.map((field) =>
    typeof field.type === 'object' && field.type.type === 'enum' ? { ...field, type: 'interned' } : field,
  )
}

/** Finds the clock of the times in a trace: all must be of one. */
function clockOf({ clocks, streams, fail }: Declarations): DeclaredClock {
  const used = new Map<string, number>()
  for (const { packetContext, eventHeader } of streams.values()) {
    for (const type of [packetContext, eventHeader]) {
      if (type !== undefined) for (const [name, at] of clocksIn(type)) used.set(name, at)
    }
  }
  const [first, second] = used
  if (second !== undefined) {
    fail(
      `times of clock ${second[0]} beside those of clock ${first[0]}: rchan has one clock in a trace`,
      second[1],
    )
  }
  if (first === undefined) return { offsetSeconds: 0, offsetNs: 0, frequency: NS }
  const clock = clocks.get(first[0])
  return clock ?? fail(`clock ${first[0]} is not declared`, first[1])
}

/** The clocks that a type is mapped to, and where. */
function clocksIn(type: TreeType, found = new Map<string, number>()): Map<string, number> {
  switch (type.kind) {
    case 'integer':
      if (type.clock !== undefined) found.set(type.clock, type.at)
      break
    case 'enum':
      clocksIn(type.container, found)
      break
    case 'struct':
      for (const member of type.members) clocksIn(member.type, found)
      break
    case 'variant':
      for (const option of type.options) clocksIn(option.type, found)
      break
    case 'array':
    case 'sequence':
      clocksIn(type.of, found)
      break
    default:
  }
  return found
}

/** The names of all members of a struct, at any depth. */
function names(type: TreeType, found = new Set<string>()): Set<string> {
  const members = type.kind === 'struct' ? type.members : type.kind === 'variant' ? type.options : []
  for (const member of members) {
    found.add(member.name)
    names(member.type, found)
  }
  return found
}
