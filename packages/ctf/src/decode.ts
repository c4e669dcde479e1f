/**
 * Decoders: one for each event class, made once, that turns the bytes of a record into its fields.
 *
 * Owns how the bytes of a field become a value of JavaScript. Bytes are untrusted: nothing is read behind the
 * content of the packet. Any thread; never touches a file.
 */
import { layoutRecord } from './record.js'
import { FIELD_TYPE_NAMES, fieldBytes, type EventClass } from './schema.js'

/** The value of a field: bigint for u64 and i64, boolean for bool, string, else number. */
export type FieldValue = number | bigint | boolean | string

/** The bytes of one packet. */
export interface PacketBytes {
  /** The packet, and maybe more: `limit` says what counts. */
  readonly bytes: Buffer
  /** The same bytes, from the same start. */
  readonly view: DataView
  /** Where the content ends, in bytes from the packet's start. */
  limit: number
  /** Where the record that was decoded last ends. */
  end: number
}

/** An event class with what is needed to read its records. */
export interface Decoder {
  readonly event: EventClass
  /**
   * Decodes the record that starts at `start` and sets the packet's `end`.
   *
   * @returns the fields; undefined when the record does not end inside the content.
   */
  readonly decode: (packet: PacketBytes, start: number) => Record<string, FieldValue> | undefined
}

const U8 = FIELD_TYPE_NAMES.indexOf('u8')
const U16 = FIELD_TYPE_NAMES.indexOf('u16')
const U32 = FIELD_TYPE_NAMES.indexOf('u32')
const U64 = FIELD_TYPE_NAMES.indexOf('u64')
const I8 = FIELD_TYPE_NAMES.indexOf('i8')
const I16 = FIELD_TYPE_NAMES.indexOf('i16')
const I32 = FIELD_TYPE_NAMES.indexOf('i32')
const I64 = FIELD_TYPE_NAMES.indexOf('i64')
const F32 = FIELD_TYPE_NAMES.indexOf('f32')
const F64 = FIELD_TYPE_NAMES.indexOf('f64')
const BOOL = FIELD_TYPE_NAMES.indexOf('bool')

/** Makes the decoder of an event class, in a global trace or one with a stream for each CPU. */
export function makeDecoder(event: EventClass, global: boolean): Decoder {
  const { payloadOffset, fields } = layoutRecord(event.fields, global)
  const names = fields.map((field) => field.name)
  const codes = fields.map((field) => FIELD_TYPE_NAMES.indexOf(field.type))
  const sizes = fields.map((field) => fieldBytes(field.type))
  const masks = fields.map((field) => field.alignBytes - 1)

  const decode: Decoder['decode'] = (packet, start) => {
    const { bytes, view, limit } = packet
    const values: Record<string, FieldValue> = {}
    let at = start + payloadOffset
    for (let i = 0; i < names.length; i += 1) {
      const mask = masks[i]
      at = (at + mask) & ~mask
      const next = at + sizes[i]
      if (next > limit) return undefined
      const name = names[i]
      switch (codes[i]) {
        case U8:
          values[name] = view.getUint8(at)
          break
        case U16:
          values[name] = view.getUint16(at, true)
          break
        case U32:
          values[name] = view.getUint32(at, true)
          break
        case U64:
          values[name] = view.getBigUint64(at, true)
          break
        case I8:
          values[name] = view.getInt8(at)
          break
        case I16:
          values[name] = view.getInt16(at, true)
          break
        case I32:
          values[name] = view.getInt32(at, true)
          break
        case I64:
          values[name] = view.getBigInt64(at, true)
          break
        case F32:
          values[name] = view.getFloat32(at, true)
          break
        case F64:
          values[name] = view.getFloat64(at, true)
          break
        case BOOL:
          values[name] = view.getUint8(at) !== 0
          break
        default: {
          let end = at
          let all = 0
          while (end < limit && bytes[end] !== 0) all |= bytes[end++]
          if (end === limit) return undefined
          values[name] = bytes.toString(all < 0x80 ? 'latin1' : 'utf8', at, end)
          at = end + 1
          continue
        }
      }
      at = next
    }
    if (at > limit) return undefined
    packet.end = at
    return values
  }
  return { event, decode }
}
