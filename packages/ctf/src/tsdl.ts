/**
 * Parses the metadata of a trace: only the text that `metadata.ts` writes.
 *
 * The text is untrusted. The blocks that are the same in all our traces are compared word by word
 * with the text of the writer. So a layout that the stream reader doesn't know is never accepted.
 * Any thread; never touches a file.
 */
import { tsdlFieldName } from './composite-types.js'
import { FIELD_TYPES, tsdlTypeName, type SimpleTypeName } from './field-types.js'
import {
  EMF_URI,
  eventBlock,
  layoutBlocks,
  METADATA_HEAD,
  NO_STRING,
  parseUuid,
  threadContainer,
} from './metadata.js'
import type { MetadataClock, MetadataInput } from './metadata.js'
import { layoutRecord } from './record.js'
import { checkedSchema, LEVELS, SYSTEM_FIELDS } from './schema.js'
import type { EventClass } from './schema.js'
import { wrongThreadRange, type ThreadRange } from './thread-names.js'
import { TraceError } from './trace-error.js'

interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'mark' | 'end'
  /** The value of a string, without quotes and escapes; otherwise the text itself. */
  readonly text: string
  readonly line: number
}

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
 * @throws TraceError with the line, the expected text and the text found.
 */
export function parseMetadata(text: string, path: string): MetadataInput {
  if (!text.startsWith(METADATA_HEAD)) {
    throw new TraceError(path, `expected ${METADATA_HEAD} at its start: this is not a trace's metadata`, {
      line: 1,
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
    const { line } = source.token
    const event = readEvent(source, global)
    if (ids.has(event.id)) source.fail(`an event id that is not there yet`, `id ${event.id} again`, line)
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
  const offsetSeconds = source.natural('a number of seconds')
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
    const { line } = source.token
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
    if (wrong !== undefined) source.fail('numbers of threads in order', wrong, line)
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
  const { line } = source.token
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
    source.fail('an event that rchan can write', `one with names or fields that it refuses`, line)
  }
  const event = { id, ...schema }
  if (plain !== undefined && SYSTEM_FIELDS[schema.kind ?? 'event'].length === 0) {
    // The members alone say everything.
    source.expect('}', ';', '}', ';')
    const { packed } = layoutRecord(schema.fields, global)
    for (const member of plain.wide) {
      if (member.packed !== packed)
        source.fail(packed ? `packed_${member.type}` : member.type, 'the other', member.line)
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
  const { line } = source.token
  const number = source.natural('a log level')
  source.expect(';')
  for (const [level, value] of Object.entries(LEVELS)) if (value === number) return level
  return source.fail(`one of ${Object.values(LEVELS).join(', ')}`, String(number), line)
}

function readUri(source: Tokens): { kind: string; pairs: Pairs | undefined } {
  if (source.token.text !== 'model') return { kind: 'event', pairs: undefined }
  source.expect('model', '.', 'emf', '.', 'uri', '=')
  const { line } = source.token
  const uri = source.string('a uri')
  source.expect(';')
  const [kind, query] = uri.slice(EMF_URI.length).split('?', 2)
  if (!uri.startsWith(EMF_URI)) source.fail(`a uri that starts with ${EMF_URI}`, JSON.stringify(uri), line)
  if (query === undefined) return { kind, pairs: undefined }
  try {
    const pairs = query.split('&').map((part): Pairs[number] => {
      const [name, type] = part.split('=', 2)
      return [name, JSON.parse(decodeURIComponent(type))]
    })
    return { kind, pairs }
  } catch {
    return source.fail('a uri with the types of the fields', JSON.stringify(uri.slice(0, 100)), line)
  }
}

interface PlainMembers {
  readonly pairs: Pairs
  /** Those whose types have a packed form, and which one is there. */
  readonly wide: { readonly type: SimpleTypeName; readonly packed: boolean; readonly line: number }[]
}

/** Reads members whose types are of one word. */
function readMembers(source: Tokens): PlainMembers {
  const members: PlainMembers = { pairs: [], wide: [] }
  while (source.token.text !== '}') {
    const { line } = source.token
    const known = source.token.kind === 'word' ? TYPES.get(source.token.text) : undefined
    if (known === undefined) source.fail('the type of a field')
    if (tsdlTypeName(known.type, true) !== known.type) members.wide.push({ ...known, line })
    source.next()
    const nameLine = source.token.line
    const written = source.word('the name of a field')
    const name = written.startsWith('_') ? written.slice(1) : written
    if (tsdlFieldName(name) !== written) source.fail(`_${written}`, written, nameLine)
    members.pairs.push([name, known.type])
    source.expect(';')
  }
  return members
}

const NEW_LINE = 10
const TAB = 9
const RETURN = 13
const BLANK = 32
const SLASH = 47
const STAR = 42
const UNDERSCORE = 95
const NUMBER = /-?[0-9]+/y
const MARK = /:=|\.\.\.|[{}[\]():;=,.<>]/y
const ESCAPE = /\\(n|"|\\|[0-7]{3})|\\/g

/** Splits a text into tokens, and holds the current one. */
class Tokens {
  token: Token = { kind: 'end', text: '', line: 1 }
  private at = 0
  private line = 1

  constructor(
    private readonly text: string,
    private readonly path: string,
  ) {
    this.next()
  }

  /** Steps over a sign if it is there. @returns whether it was. */
  takes(mark: string): boolean {
    const isThere = this.token.kind === 'mark' && this.token.text === mark
    if (isThere) this.next()
    return isThere
  }

  /** @returns the place of the current token, for {@link reset}. */
  mark(): { readonly at: number; readonly line: number; readonly token: Token } {
    return { at: this.at, line: this.line, token: this.token }
  }

  /** Goes back to a token. */
  reset({ at, line, token }: ReturnType<Tokens['mark']>): void {
    this.at = at
    this.line = line
    this.token = token
  }

  /** Steps to the next token. */
  next(): void {
    this.skipBlank()
    const first = this.text[this.at]
    const { line } = this
    if (first === undefined) {
      this.token = { kind: 'end', text: '', line }
    } else if (first === '"') {
      this.token = { kind: 'string', text: this.unescape(this.takeLiteral()), line }
    } else {
      const word = this.takeWord()
      const number = word === undefined ? this.take(NUMBER) : undefined
      const text = word ?? number ?? this.take(MARK)
      if (text === undefined) this.fail('a word, a number, a string or a sign', JSON.stringify(first), line)
      this.token = { kind: word ? 'word' : number ? 'number' : 'mark', text, line }
    }
  }

  /** Steps over these words and signs. @throws TraceError if others are there. */
  expect(...texts: string[]): void {
    for (const text of texts) {
      if (this.token.kind === 'string' || this.token.text !== text) this.fail(text)
      this.next()
    }
  }

  expectString(text: string): void {
    if (this.token.kind !== 'string' || this.token.text !== text) this.fail(`"${text}"`)
    this.next()
  }

  word(expected: string): string {
    return this.value('word', expected)
  }

  string(expected: string): string {
    return this.value('string', expected)
  }

  integer(expected: string): number {
    const { line } = this.token
    const number = Number(this.value('number', expected))
    if (!Number.isSafeInteger(number)) this.fail('a number of at most 53 bits', String(number), line)
    return number
  }

  natural(expected: string, most = Number.MAX_SAFE_INTEGER): number {
    const { line } = this.token
    const number = this.integer(expected)
    if (number < 0 || number > most) this.fail(`${expected}, from 0 to ${most}`, String(number), line)
    return number
  }

  uuid(): string {
    const { line } = this.token
    const text = this.string('a uuid')
    try {
      parseUuid(text)
    } catch {
      this.fail('a uuid', JSON.stringify(text), line)
    }
    return text
  }

  fail(expected: string, found = this.found(), line = this.token.line): never {
    throw new TraceError(this.path, `expected ${expected}, found ${found}`, { line })
  }

  private value(kind: Token['kind'], expected: string): string {
    if (this.token.kind !== kind) this.fail(expected)
    const { text } = this.token
    this.next()
    return text
  }

  found(): string {
    const { kind, text } = this.token
    if (kind === 'end') return 'the end of the file'
    const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text
    return kind === 'string' ? JSON.stringify(shown) : shown
  }

  /** Skips white space and comments. By hand: a pattern would run out of stack on long ones. */
  private skipBlank(): void {
    const { text } = this
    for (;;) {
      const code = text.charCodeAt(this.at)
      if (code === NEW_LINE) this.line += 1
      else if (code === SLASH && text.charCodeAt(this.at + 1) === STAR) {
        const end = text.indexOf('*/', this.at + 2)
        if (end < 0) this.fail('the end of a comment, */', 'none', this.line)
        for (let at = this.at; at < end; at += 1) if (text.charCodeAt(at) === NEW_LINE) this.line += 1
        this.at = end + 1
      } else if (code !== BLANK && code !== TAB && code !== RETURN) return
      this.at += 1
    }
  }

  private takeWord(): string | undefined {
    const { text } = this
    let end = this.at
    for (; ; end += 1) {
      const code = text.charCodeAt(end) | 32
      const isLetter = (code >= 97 && code <= 122) || text.charCodeAt(end) === UNDERSCORE
      if (isLetter) continue
      const isDigit = text.charCodeAt(end) >= 48 && text.charCodeAt(end) <= 57
      if (!isDigit || end === this.at) break
    }
    if (end === this.at) return undefined
    const word = text.slice(this.at, end)
    this.at = end
    return word
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)?.[0]
    if (match !== undefined) this.at += match.length
    return match
  }

  /**
   * Takes the text between the quotes. This is a loop because a pattern would run out of stack on a
   * long hostile literal.
   */
  private takeLiteral(): string {
    let end = this.at + 1
    for (let char = this.text[end]; char !== '"'; char = this.text[end]) {
      if (char === undefined || char === '\n') this.fail('a closing "', 'none', this.line)
      end += char === '\\' ? 2 : 1
    }
    const literal = this.text.slice(this.at + 1, end)
    this.at = end + 1
    return literal
  }

  private unescape(literal: string): string {
    return literal.replace(ESCAPE, (whole, code: string | undefined) => {
      if (code === undefined) this.fail('one of the escapes \\n \\" \\\\ \\ooo', 'another', this.line)
      if (code === 'n') return '\n'
      return code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : whole.slice(1)
    })
  }
}
