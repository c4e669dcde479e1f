/**
 * How the fields of an event become debug annotations.
 *
 * Numbers, booleans and texts have their own members; a list is an array, a struct is a dictionary;
 * bytes are a text of hexadecimal digits; an optional that isn't there is left out.
 */
import type { DecodedValue, Field, FieldType } from '@rchan/ctf/reader'
import type { PbfWriter } from 'pbf'
import { ANNOTATION, TRACK_EVENT, writeVarint64 } from './messages.js'

/** Writes the value of an annotation: the members behind its name. */
type WriteValue = (pbf: PbfWriter, value: DecodedValue) => void

/** A field that is written. */
export interface PlannedField {
  readonly name: string
  readonly iid: number
  readonly write: WriteValue
}

/** Texts with numbers, from 1. */
export class Interned {
  readonly texts: string[] = ['']
  readonly #iids = new Map<string, number>()

  iid(text: string): number {
    let iid = this.#iids.get(text)
    if (iid === undefined) {
      iid = this.texts.push(text) - 1
      this.#iids.set(text, iid)
    }
    return iid
  }
}

/**
 * Plans how fields are written.
 *
 * @param names gets the names of the annotations, also those within structs.
 * @param iids gets their numbers.
 */
export function planFields(fields: readonly Field[], names: Interned, iids: Set<number>): PlannedField[] {
  return fields.map(({ name, type }) => {
    const iid = names.iid(name)
    iids.add(iid)
    return { name, iid, write: writerOf(type, names, iids) }
  })
}

/** Writes fields as annotations of a track event. */
export function writeFields(
  pbf: PbfWriter,
  fields: readonly PlannedField[],
  values: Readonly<Record<string, DecodedValue>>,
): void {
  for (let index = 0; index < fields.length; index += 1) {
    const { name, iid, write } = fields[index]
    const value = values[name]
    if (value !== undefined) writeAnnotation(pbf, TRACK_EVENT.annotations, iid, write, value)
  }
}

/** Writes one annotation whose value is a text. */
export function writeText(pbf: PbfWriter, iid: number, text: string): void {
  writeAnnotation(pbf, TRACK_EVENT.annotations, iid, writeString, text)
}

/** An annotation that is being written. Whoever reads it takes its members at once. */
const current: { iid: number; write: WriteValue; value: DecodedValue } = {
  iid: 0,
  write: writeString,
  value: undefined,
}

/** @param iid of its name; 0 for none. */
function writeAnnotation(
  pbf: PbfWriter,
  field: number,
  iid: number,
  write: WriteValue,
  value: DecodedValue,
): void {
  current.iid = iid
  current.write = write
  current.value = value
  pbf.writeMessage(field, writeCurrent, current)
}

function writeCurrent({ iid, write, value }: typeof current, pbf: PbfWriter): void {
  if (iid !== 0) pbf.writeVarintField(ANNOTATION.nameIid, iid)
  write(pbf, value)
}

function writerOf(type: FieldType, names: Interned, iids: Set<number>): WriteValue {
  const node = typeof type === 'string' ? { type } : type
  switch (node.type) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64':
      return writeUint
    case 'i8':
    case 'i16':
    case 'i32':
    case 'i64':
      return writeInt
    case 'f32':
    case 'f64':
      return writeDouble
    case 'bool':
      return writeBool
    case 'bytes':
      return writeBytes
    case 'optional':
      return writerOf(node.of, names, iids)
    case 'array':
    case 'seq':
      return arrayWriter(writerOf(node.of, names, iids))
    case 'struct':
      return dictWriter(planFields(node.fields, names, iids))
    default:
      return writeString
  }
}

function writeBool(pbf: PbfWriter, value: DecodedValue): void {
  pbf.writeVarintField(ANNOTATION.bool, value === true ? 1 : 0)
}

function writeUint(pbf: PbfWriter, value: DecodedValue): void {
  if (typeof value === 'bigint') writeVarint64(pbf, ANNOTATION.uint, value)
  else pbf.writeVarintField(ANNOTATION.uint, value as number)
}

function writeInt(pbf: PbfWriter, value: DecodedValue): void {
  if (typeof value === 'bigint') writeVarint64(pbf, ANNOTATION.int, value)
  else pbf.writeVarintField(ANNOTATION.int, value as number)
}

function writeDouble(pbf: PbfWriter, value: DecodedValue): void {
  pbf.writeDoubleField(ANNOTATION.double, value as number)
}

function writeString(pbf: PbfWriter, value: DecodedValue): void {
  pbf.writeStringField(ANNOTATION.string, value as string)
}

function writeBytes(pbf: PbfWriter, value: DecodedValue): void {
  const { buffer, byteOffset, byteLength } = value as Uint8Array
  writeString(pbf, Buffer.from(buffer, byteOffset, byteLength).toString('hex'))
}

function arrayWriter(write: WriteValue): WriteValue {
  return (pbf, value) => {
    const list = value as ArrayLike<DecodedValue>
    for (let index = 0; index < list.length; index += 1) {
      writeAnnotation(pbf, ANNOTATION.arrayValues, 0, write, list[index])
    }
  }
}

function dictWriter(fields: readonly PlannedField[]): WriteValue {
  return (pbf, value) => {
    const values = value as Readonly<Record<string, DecodedValue>>
    for (const { name, iid, write } of fields) {
      const entry = values[name]
      if (entry !== undefined) writeAnnotation(pbf, ANNOTATION.dictEntries, iid, write, entry)
    }
  }
}
