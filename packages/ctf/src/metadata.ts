/**
 * The metadata of a trace: a text in the language of CTF 1.8 (TSDL). It tells a reader how packets
 * and records are laid out.
 *
 * This file owns every word of that text. `tsdl.ts` reads it back with the same constants, so
 * writer and reader can't drift apart. Pure functions, callable on any thread. They never touch a
 * file and load nothing of Node.
 */
import { quote, tsdlFieldName } from './composite-types.js'
import { FIELD_TYPES, PACKED_ALIGN_BYTES, tsdlTypeName, type SimpleTypeName } from './field-types.js'
import { layoutRecord } from './record.js'
import { LEVELS, type EventClass } from './schema.js'
import { typeText } from './types.js'
import { wrongThreadRange, type ThreadRange } from './thread-names.js'

/** The clock of a trace: which wall-clock time its zero is. */
export interface MetadataClock {
  /**
   * Identity of the clock, in canonical lower-case text form: traces with the same uuid share one
   * timeline. On Linux it is the boot id.
   */
  readonly uuid?: string
  /** Seconds from 1970 to the clock's zero, a whole number, not negative. */
  readonly offsetSeconds: number
  /** Nanoseconds to add to {@link offsetSeconds}: 0 to 999,999,999. */
  readonly offsetNs: number
}

/** The content of a trace's metadata, apart from the layout that all our traces share. */
export interface MetadataInput {
  /** The trace's own uuid, in canonical lower-case text form. */
  readonly uuid: string
  readonly clock: MetadataClock
  /** Facts about where the trace was made. Numbers are whole. */
  readonly env: Readonly<Record<string, string | number>>
  readonly events: readonly EventClass[]
  /**
   * True if all CPUs write one stream, and each record carries its CPU. Absent if each CPU has its
   * own stream.
   */
  readonly global?: true
  /** The names of threads, in the order of their numbers. */
  readonly threads?: readonly ThreadRange[]
  /** The interned strings; the first one has the number 1. Needed if an event has such a field. */
  readonly strings?: readonly string[]
}

/** The first line; readers know the file by it. */
export const METADATA_HEAD = '/* CTF 1.8 */'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
/** The types that have an alias in the metadata, or a name in its language. */
const SIMPLE_TYPES = Object.keys(FIELD_TYPES) as SimpleTypeName[]
/** What an interned string is called that came when the table was full. Its number is 0. */
export const NO_STRING = '(string table full)'
/** How an event's `model.emf.uri` starts. */
export const EMF_URI = 'rchan:'

/**
 * Returns the metadata text of a trace with one stream class and these events.
 *
 * @returns the whole text. A file holds it as UTF-8, and is replaced by rename, never changed in
 * place.
 * @throws TypeError that names a value which readers would refuse: a malformed uuid, a clock offset
 * that is negative or not whole, a name in `env` that is not an identifier, an `env` string that
 * contains NUL, a number in `env` that is not a safe integer, an event id that is not a u32 or is
 * used twice, thread numbers that are not in order.
 * @example
 * metadataText({
 *   uuid: '2a6422d0-6cee-41e0-8c08-cb07d7b3a564',
 *   clock: { offsetSeconds: 1_700_000_000, offsetNs: 0 },
 *   env: { hostname: 'build-7' },
 *   events: [{ id: 0, name: 'tile:done', fields: [{ name: 'ms', type: 'f64' }] }],
 * })
 */
export function metadataText(input: MetadataInput): string {
  parseUuid(input.uuid)
  const ids = new Set<number>()
  for (const { id, name } of input.events) {
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff || ids.has(id)) {
      throw new TypeError(`event ${name} has id=${id}: an id is a u32 that no other event has`)
    }
    ids.add(id)
  }
  return [
    METADATA_HEAD,
    envBlock(input.env),
    clockBlock(input.clock),
    layoutBlocks(input.uuid, input.global, threadType(input)),
    ...stringsBlock(input.strings),
    ...input.events.map((event) => eventBlock(event, input.global)),
  ].join('\n')
}

/**
 * Returns the 16 bytes of a uuid.
 *
 * @throws TypeError when the text is not a uuid in canonical lower-case form.
 */
export function parseUuid(text: string): Uint8Array {
  if (typeof text !== 'string' || !UUID.test(text)) {
    throw new TypeError(
      `uuid=${JSON.stringify(text)}: expected lower-case hexadecimal digits as 8-4-4-4-12, ` +
        `for example 2a6422d0-6cee-41e0-8c08-cb07d7b3a564`,
    )
  }
  const digits = text.replaceAll('-', '')
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16))
}

function hasPackedForm(type: SimpleTypeName): boolean {
  return FIELD_TYPES[type].alignBytes > PACKED_ALIGN_BYTES
}

/**
 * Returns the part that is the same in all our traces except for the uuid: types, packet header,
 * packet context, event header. `packet.ts` and `record.ts` describe the same bytes.
 *
 * In a global trace a packet has no CPU and no thread. If it declared them, readers would print
 * them with each event. Their 16 bytes are still there; an alignment skips them, from 48 to the
 * next multiple of 32.
 *
 * @param threads the type of a thread's number.
 */
export function layoutBlocks(uuid: string, global: boolean | undefined, threads: string): string {
  return `${TYPE_ALIASES}
trace {
	major = 1;
	minor = 8;
	uuid = "${uuid}";
	byte_order = le;
	packet.header := struct {
		u32 magic;
		u8 uuid[16];
		u32 stream_id;
		u64 stream_instance_id;
	};
};

stream {
	id = 0;
	packet.context := struct {
		u64_time timestamp_begin;
		u64_time timestamp_end;
${
  global
    ? '\t\tinteger { size = 64; align = 256; signed = false; } content_size;'
    : `\t\tu32 cpu_id;\n\t\tu32 generation;\n\t\t${threads} thread_id;\n\t\tu64 content_size;`
}
		u64 packet_seq_num;
		u64 events_discarded;
		u64 packet_size;
	};
	event.header := struct {
		u64_time timestamp;
		u32 id;
	} align(64);
${global ? `\tevent.context := struct {\n\t\tu16 cpu_id;\n\t\t${threads} thread_id;\n\t};\n` : ''}};
`
}

/**
 * Returns the type of a thread's number: an enumeration with the names, or an integer if there are
 * none. An enumeration can't be empty.
 */
function threadType({ threads = [], global: isGlobal }: MetadataInput): string {
  const global = isGlobal === true
  const wrong = wrongThreadRange(threads, global)
  if (wrong !== undefined) throw new TypeError(wrong)
  const container = threadContainer(global)
  if (threads.length === 0) return container
  const labels = threads.map(({ name, first, last }) =>
    first === last ? `${quote(name)} = ${first}` : `${quote(name)} = ${first} ... ${last}`,
  )
  return `enum : ${container} {\n\t\t\t${labels.join(',\n\t\t\t')}\n\t\t}`
}

/** Returns the integer type that holds a thread's number. */
export function threadContainer(global: boolean): 'u16' | 'u32' {
  return global ? 'u16' : 'u32'
}

/**
 * The types that the language does not have under our name, then the packed form of each 64-bit
 * type.
 */
const TYPE_ALIASES = [
  ...SIMPLE_TYPES.map((type) => typeAlias(type, FIELD_TYPES[type].alignBytes, false)),
  ...SIMPLE_TYPES.filter(hasPackedForm).map((type) => typeAlias(type, PACKED_ALIGN_BYTES, true)),
  `typealias integer { size = 64; align = 64; signed = false; map = clock.monotonic.value; } := u64_time;\n`,
]
  .filter((alias) => alias !== undefined)
  .join('\n')

function typeAlias(type: SimpleTypeName, alignBytes: number, packed: boolean): string | undefined {
  const declaration = FIELD_TYPES[type].declaration?.(alignBytes)
  return declaration === undefined ? undefined : `typealias ${declaration} := ${tsdlTypeName(type, packed)};`
}

function envBlock(env: MetadataInput['env']): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (!ENV_NAME.test(name)) {
      throw new TypeError(
        `env name=${JSON.stringify(name)}: letters, digits and _, not starting with a digit`,
      )
    }
    if (typeof value === 'string') {
      if (value.includes('\0'))
        throw new TypeError(`env ${name}=${JSON.stringify(value)}: NUL is not possible`)
      return `\t${name} = ${quote(value)};\n`
    }
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`env ${name}=${String(value)}: expected a string or a whole number`)
    }
    return `\t${name} = ${value};\n`
  })
  return `env {\n${lines.join('')}};\n`
}

function clockBlock({ uuid, offsetSeconds, offsetNs }: MetadataClock): string {
  if (uuid !== undefined) parseUuid(uuid)
  if (!Number.isSafeInteger(offsetSeconds) || offsetSeconds < 0) {
    throw new TypeError(`clock offsetSeconds=${offsetSeconds}: expected a whole number, not negative`)
  }
  if (!Number.isInteger(offsetNs) || offsetNs < 0 || offsetNs > 999_999_999) {
    throw new TypeError(`clock offsetNs=${offsetNs}: expected a whole number from 0 to 999999999`)
  }
  return `clock {
	name = "monotonic";
${uuid === undefined ? '' : `\tuuid = "${uuid}";\n`}	freq = 1000000000;
	offset_s = ${offsetSeconds};
	offset = ${offsetNs};
	absolute = TRUE;
};
`
}

/**
 * Returns the block of an event. Its kind, and what CTF can't say of its fields, are in
 * `model.emf.uri`, which other readers keep: `rchan:KIND?NAME=TYPE&…`, with each type as text.
 */
export function eventBlock(event: EventClass, global: boolean | undefined): string {
  const { packed, fields } = layoutRecord(event.fields, global)
  const { level = 'info' } = event
  const uri = emfUri(event)
  const members = fields.map(
    ({ name, descriptor }) => `\t\t${descriptor.member(tsdlFieldName(name), packed)}\n`,
  )
  return `event {
	name = ${quote(event.name)};
	id = ${event.id};
	stream_id = 0;
${level === 'info' ? '' : `\tloglevel = ${LEVELS[level]};\n`}${
    uri === undefined ? '' : `\tmodel.emf.uri = ${quote(uri)};\n`
  }	fields := struct {
${members.join('')}	};
};
`
}

/** @returns undefined for an event whose types CTF itself says, in another program's copy, too. */
function emfUri({ kind = 'event', fields }: EventClass): string | undefined {
  const isPlain = fields.every(
    ({ type }) => typeof type === 'string' && type !== 'bool' && type in FIELD_TYPES,
  )
  if (isPlain) return kind === 'event' ? undefined : `${EMF_URI}${kind}`
  const list = fields.map(({ name, type }) => `${name}=${encodeURIComponent(typeText(type))}`)
  return `${EMF_URI}${kind}?${list.join('&')}`
}

/** The alias of interned strings: an enumeration, so that every reader shows the text. */
function stringsBlock(strings: readonly string[] | undefined): string[] {
  if (strings === undefined) return []
  const labels = [NO_STRING, ...strings].map((text, number) => `\t${quote(text)} = ${number}`)
  return [`typealias enum : u32 {\n${labels.join(',\n')}\n} := interned;\n`]
}
