/**
 * Parses the metadata of traces by others: LTTng-UST, babeltrace2's `sink.ctf.fs`, and whoever
 * keeps to CTF 1.8. What rchan has no form for is an error that names it, with its line and column.
 * The text is untrusted. Any thread; never touches a file.
 *
 * Our own traces are read by `tsdl.ts`, which is faster, and accepts nothing but what we write.
 */
import type { MetadataClock } from './metadata.js'
import type { Level } from './schema.js'
import { Tokens } from './tokens.js'
import { TraceError } from './trace-error.js'
import { TypeParser } from './type-parser.js'
import type { ByteOrder, StructType } from './type-tree.js'

/** A clock: how its values become ns. */
export interface DeclaredClock extends MetadataClock {
  /** Ticks in a second. */
  readonly frequency: bigint
}

export interface DeclaredEvent {
  readonly id: number
  readonly name: string
  readonly level: Level
  /** `model.emf.uri` */
  readonly uri: string | undefined
  readonly context: StructType | undefined
  readonly fields: StructType | undefined
  readonly at: number
}

export interface DeclaredStream {
  readonly id: number
  readonly packetContext: StructType | undefined
  readonly eventHeader: StructType | undefined
  readonly eventContext: StructType | undefined
  readonly events: Map<number, DeclaredEvent>
  readonly at: number
}

export interface Declarations {
  readonly path: string
  /** Empty if the trace has none. */
  readonly uuid: string
  readonly order: ByteOrder
  readonly packetHeader: StructType | undefined
  readonly env: Readonly<Record<string, string | number>>
  readonly clocks: ReadonlyMap<string, DeclaredClock>
  readonly streams: ReadonlyMap<number, DeclaredStream>
  /** Throws what is wrong at a place of the text. */
  readonly fail: (what: string, at: number) => never
}

/** How the text begins, by which readers know it. */
const HEAD = '/* CTF 1.8'
/** The most leaves of all events: each one costs some memory. */
const MAX_ALL_LEAVES = 2 ** 21
const MAX_ID = Number.MAX_SAFE_INTEGER
const NS = 1_000_000_000n

/**
 * Parses a metadata text.
 *
 * @throws TraceError with line and column.
 */
export function parseDeclarations(text: string, path: string): Declarations {
  if (!text.startsWith(HEAD)) {
    // Metadata of CTF 2 are JSON fragments, each behind a record separator.
    const what = text.startsWith('\u001e') ? 'this is CTF 2' : 'this is no metadata'
    throw new TraceError(path, `expected ${HEAD} */ at its start: ${what}`, { line: 1, column: 1 })
  }
  const source = new Tokens(text, path)
  return new Blocks(source).parse()
}

/** What a block has: values, and types of structs, by the path on the left. */
interface Block {
  readonly at: number
  readonly values: ReadonlyMap<string, { readonly value: string | bigint; readonly at: number }>
  readonly structs: ReadonlyMap<string, StructType>
}

/** What may stand in a block. */
interface BlockForm {
  readonly values: readonly string[]
  readonly structs: readonly string[]
}

const FORMS = {
  trace: { values: ['major', 'minor', 'uuid', 'byte_order'], structs: ['packet.header'] },
  clock: {
    values: ['name', 'uuid', 'description', 'freq', 'precision', 'offset_s', 'offset', 'absolute'],
    structs: [],
  },
  stream: { values: ['id'], structs: ['packet.context', 'event.header', 'event.context'] },
  event: {
    values: ['name', 'id', 'stream_id', 'loglevel', 'model.emf.uri'],
    structs: ['context', 'fields'],
  },
} as const satisfies Record<string, BlockForm>

class Blocks {
  readonly #source: Tokens
  readonly #types: TypeParser
  #trace: Block | undefined
  readonly #env = new Map<string, string | number>()
  readonly #clocks = new Map<string, DeclaredClock>()
  readonly #streams = new Map<number, DeclaredStream>()
  readonly #events: { readonly stream: number | undefined; readonly event: DeclaredEvent }[] = []
  #leaves = 0

  constructor(source: Tokens) {
    this.#source = source
    this.#types = new TypeParser(source)
  }

  parse(): Declarations {
    const source: Tokens = this.#source
    while (!source.isEnd) {
      if (source.takes(';')) continue
      if (this.#types.definition()) continue
      const { text, at } = source.token
      if (source.token.kind !== 'word') source.fail('a block or a type')
      source.next()
      switch (text) {
        case 'trace':
          if (this.#trace !== undefined) source.failWith('a second trace block', at)
          this.#trace = this.#block(FORMS.trace, at)
          break
        case 'env':
          this.#readEnv()
          break
        case 'clock':
          this.#clock(this.#block(FORMS.clock, at))
          break
        case 'stream':
          this.#stream(this.#block(FORMS.stream, at))
          break
        case 'event':
          this.#event(this.#block(FORMS.event, at))
          break
        case 'callsite':
          this.#skipBlock()
          break
        default:
          source.fail('one of trace, env, clock, stream, event, callsite, or a type', text, at)
      }
      if (!source.isEnd) source.expect(';')
    }
    return this.#declarations()
  }

  #declarations(): Declarations {
    const source: Tokens = this.#source
    const trace = this.#trace
    if (trace === undefined) source.failWith('no trace block')
    const major = this.#number(trace, 'major') ?? 0
    const minor = this.#number(trace, 'minor') ?? 0
    if (major !== 1 || minor !== 8) source.failWith(`CTF ${major}.${minor}: expected CTF 1.8`, trace.at)
    for (const { stream: id, event } of this.#events) {
      const only = this.#streams.size === 1 ? this.#streams.values().next().value : undefined
      const stream = id === undefined ? (only ?? this.#streams.get(0)) : this.#streams.get(id)
      if (stream === undefined) {
        source.failWith(
          id === undefined
            ? `event ${event.name} does not say its stream_id, and there is not just one stream`
            : `event ${event.name} has stream_id=${id}, and no stream has that id`,
          event.at,
        )
      }
      if (stream.events.has(event.id)) {
        source.failWith(`event id ${event.id} is there twice in stream ${stream.id}`, event.at)
      }
      stream.events.set(event.id, event)
    }
    return {
      path: source.path,
      uuid: this.#uuid(trace) ?? '',
      order: this.#byteOrder(trace),
      packetHeader: trace.structs.get('packet.header'),
      env: Object.fromEntries(this.#env),
      clocks: this.#clocks,
      streams: this.#streams,
      fail: (what, at) => source.failWith(what, at),
    }
  }

  /** Parses `{ name = value; name := type; … }`. */
  #block(form: BlockForm, at: number): Block {
    const source: Tokens = this.#source
    return this.#types.inScope(() => {
      const values = new Map<string, { value: string | bigint; at: number }>()
      const structs = new Map<string, StructType>()
      source.expect('{')
      while (!source.takes('}')) {
        if (this.#types.definition()) continue
        const { at: where } = source.token
        const path = this.#path()
        if (values.has(path) || structs.has(path)) source.failWith(`${path} is there twice`, where)
        if (source.takes(':=')) {
          if (!form.structs.includes(path)) source.fail(`one of ${form.structs.join(', ')}`, path, where)
          structs.set(path, this.#types.struct())
        } else {
          if (!form.values.includes(path)) {
            source.fail(`one of ${[...form.values, ...form.structs].join(', ')}`, path, where)
          }
          source.expect('=')
          const { at: valueAt } = source.token
          values.set(path, { value: this.#value(), at: valueAt })
        }
        source.expect(';')
      }
      return { at, values, structs }
    })
  }

  #path(): string {
    const source: Tokens = this.#source
    let path = source.word('a name or }')
    for (let parts = 1; source.takes('.'); parts += 1) {
      if (parts > 8) source.fail('=')
      path += `.${source.word('a name')}`
    }
    return path
  }

  #value(): string | bigint {
    const source: Tokens = this.#source
    const { kind, text } = source.token
    if (kind === 'number') return source.bigint('a number')
    if (kind !== 'string' && kind !== 'word') source.fail('a value')
    source.next()
    return text
  }

  #readEnv(): void {
    const source: Tokens = this.#source
    source.expect('{')
    while (!source.takes('}')) {
      const name = source.word('a name or }')
      source.expect('=')
      const value = this.#value()
      this.#env.set(name, typeof value === 'string' ? value : numberOrText(value))
      source.expect(';')
    }
  }

  /** A callsite says where in a program an event is: nothing of it is kept. */
  #skipBlock(): void {
    const source: Tokens = this.#source
    source.expect('{')
    while (!source.takes('}')) {
      if (source.isEnd || source.is('{')) source.fail('}')
      source.next()
    }
  }

  #clock(block: Block): void {
    const name = this.#text(block, 'name')
    if (name === undefined) this.#source.failWith('a clock without name', block.at)
    const frequency = this.#bigint(block, 'freq') ?? NS
    if (frequency < 1n) this.#source.failWith(`a clock of freq=${frequency}`, block.at)
    const ticks = this.#bigint(block, 'offset') ?? 0n
    const offset = (this.#bigint(block, 'offset_s') ?? 0n) * NS + (ticks * NS) / frequency
    const offsetNs = ((offset % NS) + NS) % NS
    const uuid = this.#uuid(block)
    const clock = {
      ...(uuid === undefined ? {} : { uuid }),
      offsetSeconds: Number((offset - offsetNs) / NS),
      offsetNs: Number(offsetNs),
      frequency,
    }
    // babeltrace2 says a clock once for each stream that has it.
    const known = this.#clocks.get(name)
    if (known !== undefined && !isSame(known, clock)) {
      this.#source.failWith(`clock ${name} is there twice, and is not the same`, block.at)
    }
    this.#clocks.set(name, clock)
  }

  #stream(block: Block): void {
    const id = this.#id(block, 'id') ?? 0
    if (this.#streams.has(id)) this.#source.failWith(`stream id ${id} is there twice`, block.at)
    this.#streams.set(id, {
      id,
      packetContext: block.structs.get('packet.context'),
      eventHeader: block.structs.get('event.header'),
      eventContext: block.structs.get('event.context'),
      events: new Map(),
      at: block.at,
    })
  }

  #event(block: Block): void {
    const { at, structs } = block
    const name = this.#text(block, 'name')
    if (name === undefined) this.#source.failWith('an event without name', at)
    const context = structs.get('context')
    const fields = structs.get('fields')
    this.#leaves += (context?.leaves ?? 0) + (fields?.leaves ?? 0)
    if (this.#leaves > MAX_ALL_LEAVES) {
      this.#source.failWith(`the events have more than ${MAX_ALL_LEAVES} fields in all`, at)
    }
    const level = levelOf(this.#bigint(block, 'loglevel'))
    const uri = this.#text(block, 'model.emf.uri')
    const id = this.#id(block, 'id') ?? 0
    const event = { id, name, level, uri, context, fields, at }
    this.#events.push({ stream: this.#id(block, 'stream_id'), event })
  }

  #byteOrder(trace: Block): ByteOrder {
    const order = this.#text(trace, 'byte_order')
    if (order === 'le') return 'le'
    if (order === 'be' || order === 'network') return 'be'
    const at = trace.values.get('byte_order')?.at ?? trace.at
    return this.#source.failWith(`byte_order is ${order ?? 'missing'}: expected le or be`, at)
  }

  #text(block: Block, name: string): string | undefined {
    const found = block.values.get(name)
    if (found === undefined) return undefined
    if (typeof found.value === 'string') return found.value
    return this.#source.fail(`a text for ${name}`, String(found.value), found.at)
  }

  #bigint(block: Block, name: string): bigint | undefined {
    const found = block.values.get(name)
    if (found === undefined) return undefined
    if (typeof found.value === 'bigint') return found.value
    return this.#source.fail(`a number for ${name}`, JSON.stringify(found.value), found.at)
  }

  #number(block: Block, name: string): number | undefined {
    const value = this.#bigint(block, name)
    return value === undefined ? undefined : Number(value)
  }

  #id(block: Block, name: string): number | undefined {
    const id = this.#number(block, name)
    if (id === undefined || (id >= 0 && id <= MAX_ID)) return id
    return this.#source.fail(`an id from 0 to ${MAX_ID}`, String(id), block.values.get(name)?.at)
  }

  #uuid(block: Block): string | undefined {
    const text = this.#text(block, 'uuid')?.toLowerCase()
    if (text === undefined || /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) return text
    return this.#source.fail('a uuid', JSON.stringify(text), block.values.get('uuid')?.at)
  }
}

function isSame(a: DeclaredClock, b: DeclaredClock): boolean {
  return (['uuid', 'offsetSeconds', 'offsetNs', 'frequency'] as const).every((name) => a[name] === b[name])
}

function numberOrText(value: bigint): number | string {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

/** The levels of syslog and LTTng: 0 to 6, and 7 to 14 for kinds of debugging. */
function levelOf(number: bigint | undefined): Level {
  if (number === undefined) return 'info'
  if (number <= 2n) return 'critical'
  if (number === 3n) return 'error'
  if (number === 4n) return 'warning'
  return number <= 6n ? 'info' : 'debug'
}
