/**
 * Parses the metadata of a trace: only the text that `metadata.ts` writes.
 *
 * The text is untrusted. The blocks that are the same in all our traces are compared word by word
 * with the text of the writer. So a layout that the stream reader doesn't know is never accepted.
 * Any thread; never touches a file.
 */
import { tsdlFieldName } from './composite-types.js'
import { FIELD_TYPES, tsdlTypeName, type SimpleTypeName } from './field-types.js'
import { EMF_URI, eventBlock, layoutBlocks, METADATA_HEAD, NO_STRING, threadContainer } from './metadata.js'
import type { MetadataClock, MetadataInput } from './metadata.js'
import { layoutRecord } from './record.js'
import { checkedSchema, LEVELS, SYSTEM_FIELDS } from './schema.js'
import type { EventClass } from './schema.js'
import { wrongThreadRange, type ThreadRange } from './thread-names.js'
import { Tokens } from './tokens.js'
import { TraceError } from './trace-error.js'

/** Placeholder for the trace's uuid in the text to compare with. */
const ANY_UUID = '00000000-0000-0000-0000-000000000000'
/** Placeholder for the type of a thread's number in the text to compare with. */
const THREAD_TYPE = 'thread_type'
/** The name of a type in the metadata, and what it says about a field. */
const TYPES = new Map<string, { readonly type: SimpleTypeName; readonly packed: boolean }>(
  (Object.keys(FIELD_TYPES) as SimpleTypeName[]).flatMap((type) => [
    [tsdlTypeName(type, true), { type, packed: true }] as const,
    [tsdlTypeName(type, false), { type, packed: false }] as const,
  ]),
)

/**
 * Reads the metadata of a trace that rchan wrote.
 *
 * @param text the whole file.
 * @param path the file's path, for messages.
 * @returns the value from which {@link metadataText} makes this text.
 * @throws TraceError with line and column, the expected text and the text found.
 */
export function parseMetadata(text: string, path: string): MetadataInput {
  if (!text.startsWith(METADATA_HEAD)) {
    throw new TraceError(path, `expected ${METADATA_HEAD} at its start: this is not a trace's metadata`, {
      line: 1,
      column: 1,
    })
  }
  const source = new Tokens(text, path)
  const env = readEnv(source)
  const clock = readClock(source)
  const { uuid, global, threads } = readLayout(source)
  const strings = readStrings(source)
  const events: EventClass[] = []
  const ids = new Set<number>()
  while (source.token.kind !== 'end') {
    const { at } = source.token
    const event = readEvent(source, global)
    if (ids.has(event.id)) source.fail(`an event id that is not there yet`, `id ${event.id} again`, at)
    ids.add(event.id)
    events.push(event)
  }
  return {
    uuid,
    clock,
    env,
    events,
    ...(global ? { global } : {}),
    ...(threads.length > 0 ? { threads } : {}),
    ...(strings === undefined ? {} : { strings }),
  }
}

function readEnv(source: Tokens): Record<string, string | number> {
  const entries = new Map<string, string | number>()
  source.expect('env', '{')
  while (source.token.text !== '}' || source.token.kind === 'string') {
    const name = source.word('a name or }')
    source.expect('=')
    entries.set(
      name,
      source.token.kind === 'string' ? source.string('a string') : source.integer('a string or a number'),
    )
    source.expect(';')
  }
  source.expect('}', ';')
  return Object.fromEntries(entries) // defines each name as its own, __proto__ too
}

/** In the year 2255. With more, ns since 1970 would soon need more than 63 bits. */
const MAX_OFFSET_SECONDS = 9_000_000_000

function readClock(source: Tokens): MetadataClock {
  source.expect('clock', '{', 'name', '=')
  source.expectString('monotonic')
  source.expect(';')
  let uuid: string | undefined
  if (source.token.text === 'uuid') {
    source.expect('uuid', '=')
    uuid = source.uuid()
    source.expect(';')
  }
  source.expect('freq', '=', '1000000000', ';', 'offset_s', '=')
  const { at } = source.token
  const offsetSeconds = source.natural('a number of seconds')
  if (offsetSeconds > MAX_OFFSET_SECONDS) {
    source.failWith(`expected at most ${MAX_OFFSET_SECONDS} seconds, found ${offsetSeconds}`, at)
  }
  source.expect(';', 'offset', '=')
  const offsetNs = source.natural('a number of nanoseconds')
  source.expect(';', 'absolute', '=', 'TRUE', ';', '}', ';')
  return uuid === undefined ? { offsetSeconds, offsetNs } : { uuid, offsetSeconds, offsetNs }
}

/** Reads the layout, which is one of two. The first word in which they differ tells which. */
function readLayout(source: Tokens): { uuid: string; global: boolean; threads: ThreadRange[] } {
  let uuid = ANY_UUID
  let global = false
  let threads: ThreadRange[] = []
  let ours = new Tokens(layoutBlocks(ANY_UUID, false, THREAD_TYPE), '')
  let other: Tokens | undefined = new Tokens(layoutBlocks(ANY_UUID, true, THREAD_TYPE), '')
  for (; ours.token.kind !== 'end'; ours.next()) {
    if (other !== undefined && other.token.text !== ours.token.text) {
      global = source.token.text === other.token.text
      if (global) ours = other
      other = undefined
    }
    if (ours.token.text === ANY_UUID) uuid = source.uuid()
    else if (ours.token.text === THREAD_TYPE) threads = readThreads(source, global)
    else source.expect(ours.token.text)
    other?.next()
  }
  return { uuid, global, threads }
}

/** Reads the names of the threads: an enumeration, or the bare integer if no thread is named. */
function readThreads(source: Tokens, global: boolean): ThreadRange[] {
  const container = threadContainer(global)
  if (source.token.text === container) {
    source.next()
    return []
  }
  source.expect('enum', ':', container, '{')
  const threads: ThreadRange[] = []
  for (;;) {
    const { at } = source.token
    const name = source.string('the name of a thread')
    source.expect('=')
    const first = source.natural('the number of a thread')
    let last = first
    if (source.token.text === '...') {
      source.next()
      last = source.natural('the number of a thread')
    }
    threads.push({ name, first, last })
    const wrong = wrongThreadRange(threads.slice(-2), global)
    if (wrong !== undefined) source.fail('numbers of threads in order', wrong, at)
    if (source.token.text !== ',' || source.token.kind === 'string') break
    source.next()
  }
  source.expect('}')
  return threads
}

/** Reads the interned strings: an enumeration whose numbers count from 0. */
function readStrings(source: Tokens): string[] | undefined {
  if (source.token.text !== 'typealias') return undefined
  source.expect('typealias', 'enum', ':', 'u32', '{')
  source.expectString(NO_STRING)
  source.expect('=', '0')
  const strings: string[] = []
  while (source.takes(',')) {
    strings.push(source.string('an interned string'))
    source.expect('=', String(strings.length))
  }
  source.expect('}', ':=', 'interned', ';')
  return strings
}

/** The fields of an event whose types are known, or are still to be read from its members. */
type Pairs = [name: string, type: unknown][]

/**
 * Reads an event. What other readers see of it must be what rchan would write for its schema: so
 * the schema is found first, and its text is compared word by word.
 */
function readEvent(source: Tokens, global: boolean): EventClass {
  const { at } = source.token
  const start = source.mark()
  source.expect('event', '{', 'name', '=')
  const name = source.string('the name of an event')
  source.expect(';', 'id', '=')
  const id = source.natural('an event id', 0xffffffff)
  source.expect(';', 'stream_id', '=', '0', ';')
  const level = readLevel(source)
  const { kind, pairs } = readUri(source)
  source.expect('fields', ':=', 'struct', '{')
  const plain = pairs === undefined ? readMembers(source) : undefined
  const schema = checkedSchema(name, { kind, level }, pairs ?? plain?.pairs)
  if (schema === undefined) {
    source.fail('an event that rchan can write', `one with names or fields that it refuses`, at)
  }
  const event = { id, ...schema }
  if (plain !== undefined && SYSTEM_FIELDS[schema.kind ?? 'event'].length === 0) {
    // The members alone say everything.
    source.expect('}', ';', '}', ';')
    const { packed } = layoutRecord(schema.fields, global)
    for (const member of plain.wide) {
      if (member.packed !== packed)
        source.fail(packed ? `packed_${member.type}` : member.type, 'the other', member.at)
    }
    return event
  }
  source.reset(start)
  const ours = new Tokens(eventBlock(event, global), '')
  for (; ours.token.kind !== 'end'; ours.next()) {
    if (source.token.kind !== ours.token.kind || source.token.text !== ours.token.text)
      source.fail(ours.found())
    source.next()
  }
  return event
}

function readLevel(source: Tokens): string {
  if (source.token.text !== 'loglevel') return 'info'
  source.expect('loglevel', '=')
  const { at } = source.token
  const number = source.natural('a log level')
  source.expect(';')
  for (const [level, value] of Object.entries(LEVELS)) if (value === number) return level
  return source.fail(`one of ${Object.values(LEVELS).join(', ')}`, String(number), at)
}

function readUri(source: Tokens): { kind: string; pairs: Pairs | undefined } {
  if (source.token.text !== 'model') return { kind: 'event', pairs: undefined }
  source.expect('model', '.', 'emf', '.', 'uri', '=')
  const { at } = source.token
  const uri = source.string('a uri')
  source.expect(';')
  if (!uri.startsWith(EMF_URI)) source.fail(`a uri that starts with ${EMF_URI}`, JSON.stringify(uri), at)
  const parts = partsOfUri(uri)
  if (parts === undefined) {
    source.fail('a uri with the types of the fields', JSON.stringify(uri.slice(0, 100)), at)
  }
  return parts
}

/**
 * Returns what `model.emf.uri` says of an event of ours: its kind, and its fields if CTF can't say
 * their types. Undefined if that is nothing.
 */
export function partsOfUri(uri: string): { kind: string; pairs: Pairs | undefined } | undefined {
  const [kind, query] = uri.slice(EMF_URI.length).split('?', 2)
  if (query === undefined) return { kind, pairs: undefined }
  try {
    const pairs = query.split('&').map((part): Pairs[number] => {
      const [name, type] = part.split('=', 2)
      return [name, JSON.parse(decodeURIComponent(type))]
    })
    return { kind, pairs }
  } catch {
    return undefined
  }
}

interface PlainMembers {
  readonly pairs: Pairs
  /** Those whose types have a packed form, and which one is there. */
  readonly wide: { readonly type: SimpleTypeName; readonly packed: boolean; readonly at: number }[]
}

/** Reads members whose types are of one word. */
function readMembers(source: Tokens): PlainMembers {
  const members: PlainMembers = { pairs: [], wide: [] }
  while (source.token.text !== '}') {
    const { at } = source.token
    const known = source.token.kind === 'word' ? TYPES.get(source.token.text) : undefined
    if (known === undefined) source.fail('the type of a field')
    if (tsdlTypeName(known.type, true) !== known.type) members.wide.push({ ...known, at })
    source.next()
    const nameAt = source.token.at
    const written = source.word('the name of a field')
    const name = written.startsWith('_') ? written.slice(1) : written
    if (tsdlFieldName(name) !== written) source.fail(`_${written}`, written, nameAt)
    members.pairs.push([name, known.type])
    source.expect(';')
  }
  return members
}
