/**
 * Decoders: one for each event class, made once, that turns the bytes of a record into its fields.
 *
 * Bytes are untrusted: nothing is read behind the content of the packet. Any thread; never touches a file.
 */
import { FIELD_READERS, type DecodedValue, type PacketBytes } from './field-readers.js'
import { layoutRecord } from './record.js'
import type { EventClass } from './schema.js'

/** An event class with what is needed to read its records. */
export interface Decoder {
  readonly event: EventClass
  /**
   * Decodes the record that starts at `start` and sets the packet's `end`.
   *
   * @returns the fields; undefined when the record does not end inside the content.
   */
  readonly decode: (packet: PacketBytes, start: number) => Record<string, DecodedValue> | undefined
}

/** Makes the decoder of an event class, in a global trace or one with a stream for each CPU. */
export function makeDecoder(event: EventClass, global: boolean): Decoder {
  const { payloadOffset, fields } = layoutRecord(event.fields, global)
  const names = fields.map((field) => field.name)
  const readers = fields.map((field) => FIELD_READERS[field.type])
  const sizes = fields.map((field) => field.descriptor.bytes)
  const areVariable = fields.map((field) => field.descriptor.variable !== undefined)
  const masks = fields.map((field) => field.alignBytes - 1)

  const decode: Decoder['decode'] = (packet, start) => {
    const { limit } = packet
    const values: Record<string, DecodedValue> = {}
    let at = start + payloadOffset
    for (let i = 0; i < names.length; i += 1) {
      const mask = masks[i]
      at = (at + mask) & ~mask
      const next = at + sizes[i]
      if (next > limit) return undefined
      values[names[i]] = readers[i](packet, at)
      at = areVariable[i] ? packet.end : next
      if (at < 0) return undefined
    }
    if (at > limit) return undefined
    packet.end = at
    return values
  }
  return { event, decode }
}
