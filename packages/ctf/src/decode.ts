/**
 * Decoders: a decoder turns the bytes of a record into its fields, or into an item. Each event
 * class has one.
 *
 * The bytes are untrusted: a decoder reads nothing behind the content of the packet. Any thread may
 * call this; it never touches a file.
 */
import { fieldReader, type DecodedValue, type FieldReader, type PacketBytes } from './field-readers.js'
import { itemForm, itemMaker, type ItemMaker, type MakeItem } from './item-maker.js'
import type { TraceItem, TraceThread } from './items.js'
import { align, layoutRecord, type RecordLayout } from './record.js'
import type { EventClass } from './schema.js'
import type { Field } from './types.js'

/** An event class, and how to read its records. */
export interface Decoder {
  readonly event: EventClass
  /**
   * Decodes the record that starts at `start` and sets the packet's `end`.
   *
   * @returns the fields; undefined when the record does not end inside the content.
   */
  readonly decode: (packet: PacketBytes, start: number) => Record<string, DecodedValue> | undefined
  /** The same, and makes an item of it. */
  readonly item: (
    packet: PacketBytes,
    start: number,
    time: bigint,
    thread: TraceThread,
  ) => TraceItem | undefined
}

/**
 * Number of an event's records that are decoded step by step before its decoder is compiled. Many
 * events are rare, and compiling for them would not pay.
 */
const STEPPED_RECORDS = 100

/** Makes the decoder of an event class, in a global trace or one with a stream for each CPU. */
export function makeDecoder(event: EventClass, global: boolean): Decoder {
  const layout = layoutRecord(event.fields, global)
  const stepped = steppedDecode(layout)
  let maker: ItemMaker | undefined
  let left = STEPPED_RECORDS
  let leftItems = STEPPED_RECORDS
  const steppedItem: Decoder['item'] = (packet, start, time, thread) => {
    const fields = decoder.decode(packet, start)
    if (fields === undefined) return undefined
    maker ??= itemMaker(event)
    return maker(time, thread, fields, undefined)
  }
  const decoder: { -readonly [name in keyof Decoder]: Decoder[name] } = {
    event,
    decode: (packet, start) => {
      left -= 1
      if (left === 0) decoder.decode = compiledDecode(event, layout) ?? stepped
      return stepped(packet, start)
    },
    item: (packet, start, time, thread) => {
      leftItems -= 1
      if (leftItems === 0) decoder.item = compiledItem(event, layout) ?? steppedItem
      return steppedItem(packet, start, time, thread)
    },
  }
  return decoder
}

function steppedDecode({ payloadOffset, fields: placed }: RecordLayout): Decoder['decode'] {
  const fields = placed.map((field) => ({ ...field, read: fieldReader(field.type) }))
  return (packet, start) => {
    const { limit } = packet
    const values: Record<string, DecodedValue> = {}
    let at = start + payloadOffset
    for (const { name, read, descriptor, alignBytes } of fields) {
      at = align(at, alignBytes)
      const next = at + descriptor.bytes
      if (next > limit) return undefined
      values[name] = read(packet, at)
      at = descriptor.variable === undefined ? next : packet.end
      if (at < 0) return undefined
    }
    if (at > limit || packet.wrong !== undefined) return undefined
    packet.end = at
    return values
  }
}

/**
 * Compiles the same into a function of the event's own, so that V8 inlines the readers of its
 * fields.
 *
 * @returns undefined where the program forbids it.
 */
function compiledDecode(event: EventClass, layout: RecordLayout): Decoder['decode'] | undefined {
  const body = `return function (packet, start) {
${stepsOf(layout)}  return ${membersOf(layout.fields, 0)}
}`
  return compiled(event, layout, 'decode', body, undefined) as Decoder['decode'] | undefined
}

/**
 * Compiles what makes the items of an event: no object is made on the way to an item.
 *
 * @returns undefined where the program forbids it, and if fields may be missing in an item.
 */
function compiledItem(event: EventClass, layout: RecordLayout): Decoder['item'] | undefined {
  const { make, system, own } = itemForm(event)
  const isPlain = system.length === 0 && (event.kind === undefined || event.kind === 'event')
  const mayMiss = own.some(({ type }) => typeof type !== 'string' && type.type === 'optional')
  if (mayMiss && !isPlain) return undefined
  const values = system.map((_, i) => `, a${i}`).join('')
  const body = `return function (packet, start, time, thread) {
${stepsOf(layout)}  return make(time, thread, ${membersOf(layout.fields, system.length)}${values})
}`
  return compiled(event, layout, 'item', body, make) as Decoder['item'] | undefined
}

/** Reads the fields of a record into `a0`, `a1`, …, and sets the packet's `end`. */
function stepsOf({ payloadOffset, fields }: RecordLayout): string {
  const steps = fields.map(({ alignBytes, descriptor: { bytes, variable } }, i) => {
    const gap = alignBytes > 1 ? `  at = (at + ${alignBytes - 1}) & -${alignBytes}\n` : ''
    const next =
      variable === undefined ? `  at += ${bytes}\n` : `  at = packet.end\n  if (at < 0) return undefined\n`
    return `${gap}  if (at + ${bytes} > limit) return undefined\n  const a${i} = r${i}(packet, at)\n${next}`
  })
  return `  const { limit } = packet
  let at = start + ${payloadOffset}
${steps.join('')}  if (at > limit || packet.wrong !== undefined) return undefined
  packet.end = at
`
}

/** An object of fields. The names were checked: they can't end a comment or an expression. */
function membersOf(fields: readonly Field[], first: number): string {
  const members = fields.map(({ name }, i) => `${name}: a${i}`).slice(first)
  return `{ ${members.join(', ')} }`
}

function compiled(
  event: EventClass,
  { fields }: RecordLayout,
  what: 'decode' | 'item',
  body: string,
  make: MakeItem | undefined,
): unknown {
  const readers = fields.map((_, i) => `r${i}`).join(', ')
  const source = `'use strict' // ${what} ${event.name} #${event.id}\nconst [${readers}] = readers\n${body}`
  try {
    // Functions of one text share their feedback, so each decoder has a text of its own.
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see above
    const compile = new Function('readers', 'make', source) as (
      readers: readonly FieldReader[],
      make: MakeItem | undefined,
    ) => unknown
    return compile(
      fields.map(({ type }) => fieldReader(type)),
      make,
    )
  } catch {
    return undefined
  }
}
