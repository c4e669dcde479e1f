/**
 * Decoders: a decoder turns the bytes of a record into its fields. Each event class has one.
 *
 * The bytes are untrusted: a decoder reads nothing behind the content of the packet. Any thread may
 * call this; it never touches a file.
 */
import { fieldReader, type DecodedValue, type FieldReader, type PacketBytes } from './field-readers.js'
import { align, layoutRecord, type RecordLayout } from './record.js'
import type { EventClass } from './schema.js'

/** An event class, and how to read its records. */
export interface Decoder {
  readonly event: EventClass
  /**
   * Decodes the record that starts at `start` and sets the packet's `end`.
   *
   * @returns the fields; undefined when the record does not end inside the content.
   */
  readonly decode: (packet: PacketBytes, start: number) => Record<string, DecodedValue> | undefined
}

type Decode = Decoder['decode']

/**
 * Number of an event's records that are decoded step by step before its decoder is compiled. Many
 * events are rare, and compiling for them would not pay.
 */
const STEPPED_RECORDS = 100

/** Makes the decoder of an event class, in a global trace or one with a stream for each CPU. */
export function makeDecoder(event: EventClass, global: boolean): Decoder {
  const layout = layoutRecord(event.fields, global)
  const stepped = steppedDecode(layout)
  let left = STEPPED_RECORDS
  const decoder: { event: EventClass; decode: Decode } = {
    event,
    decode: (packet, start) => {
      left -= 1
      if (left === 0) decoder.decode = compiledDecode(event, layout) ?? stepped
      return stepped(packet, start)
    },
  }
  return decoder
}

function steppedDecode({ payloadOffset, fields: placed }: RecordLayout): Decode {
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
 * fields. The names were checked: they can't end a comment or an expression.
 *
 * @returns undefined where the program forbids it.
 */
function compiledDecode(event: EventClass, { payloadOffset, fields }: RecordLayout): Decode | undefined {
  const steps = fields.map(({ alignBytes, descriptor: { bytes, variable } }, i) => {
    const gap = alignBytes > 1 ? `  at = (at + ${alignBytes - 1}) & -${alignBytes}\n` : ''
    const next =
      variable === undefined ? `  at += ${bytes}\n` : `  at = packet.end\n  if (at < 0) return undefined\n`
    return `${gap}  if (at + ${bytes} > limit) return undefined\n  const a${i} = r${i}(packet, at)\n${next}`
  })
  const readers = fields.map((_, i) => `r${i}`).join(', ')
  const members = fields.map(({ name }, i) => `${name}: a${i}`).join(', ')
  const source = `'use strict' // ${event.name} #${event.id}
const [${readers}] = readers
return function (packet, start) {
  const { limit } = packet
  let at = start + ${payloadOffset}
${steps.join('')}  if (at > limit || packet.wrong !== undefined) return undefined
  packet.end = at
  return { ${members} }
}`
  try {
    // Functions of one text share their feedback, so each decoder has a text of its own.
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- see above
    const make = new Function('readers', source) as (readers: readonly FieldReader[]) => Decode
    return make(fields.map(({ type }) => fieldReader(type)))
  } catch {
    return undefined
  }
}
