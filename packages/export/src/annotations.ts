/**
 * How the fields of an event become debug annotations.
 *
 * Numbers, booleans and texts have their own members; a list is an array, a struct is a dictionary;
 * bytes are a text of hexadecimal digits; an optional that isn't there is left out.
 */
import type { DecodedValue, Field, FieldType } from '@rchan/ctf/reader'
import type { PbfWriter } from 'pbf'
import { ANNOTATION, putVarint, putVarint64, TAG, TRACK_EVENT, writeVarint64 } from './messages.js'

/** Writes the value of an annotation: the members behind its name. */
type WriteValue = (pbf: PbfWriter, value: DecodedValue) => void

/** A field that is written. */
export interface PlannedField {
  readonly name: string
  readonly iid: number
  /** How values of the most frequent types are written. */
  readonly way: 'uint' | 'text' | 'other'
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
    const write = writerOf(type, names, iids)
    const way = write === writeUint ? 'uint' : write === writeString ? 'text' : 'other'
    return { name, iid, way, write }
  })
}

/** Writes fields as annotations of a track event. */
export type WriteFields = (pbf: PbfWriter, values: Readonly<Record<string, DecodedValue>>) => void

/** Records of a class before the writer of its fields is compiled: many classes are rare. */
const STEPPED_RECORDS = 100

/**
 * Returns what writes the fields of a class. After some records it is compiled for that class, so
 * that V8 finds each value at once, and inlines how it is written.
 *
 * @param name of the class.
 */
export function fieldsWriter(name: string, fields: readonly PlannedField[]): WriteFields {
  const ways: WriteField[] = fields.map(({ iid, way, write }) => {
    if (way === 'uint') return (pbf, value) => putUint(pbf, iid, value)
    if (way === 'text') return (pbf, value) => putText(pbf, iid, value as string)
    return (pbf, value) => writeAnnotation(pbf, TRACK_EVENT.annotations, iid, write, value)
  })
  let left = STEPPED_RECORDS
  let compiled: WriteFields | undefined
  return (pbf, values) => {
    if (compiled !== undefined) return compiled(pbf, values)
    left -= 1
    if (left === 0) compiled = compiledWriter(name, fields)
    for (let index = 0; index < fields.length; index += 1) {
      const value = values[fields[index].name]
      if (value !== undefined) ways[index](pbf, value)
    }
    return undefined
  }
}

type WriteField = (pbf: PbfWriter, value: DecodedValue) => void

/** @returns undefined where the program forbids code from texts. */
function compiledWriter(name: string, fields: readonly PlannedField[]): WriteFields | undefined {
  let body = ''
  for (const [index, { name: field, iid, way }] of fields.entries()) {
    const call = way === 'other' ? `others[${index}](pbf, value)` : `${way}(pbf, ${iid}, value)`
    body += `  value = values[${JSON.stringify(field)}]\n  if (value !== undefined) ${call}\n`
  }
  const others = fields.map(({ iid, write }): WriteField => {
    return (pbf, value) => writeAnnotation(pbf, TRACK_EVENT.annotations, iid, write, value)
  })
  try {
    // The name makes the text the class's own, and with it what V8 learns of it.
    // oxlint-disable-next-line no-new-func, typescript/no-implied-eval -- all names are quoted
    const make = new Function(
      'uint, text, others',
      `'use strict'; ${JSON.stringify(name)}; return (pbf, values) => {\n  let value\n${body}}`,
    ) as (uint: typeof putUint, text: typeof putText, others: readonly WriteField[]) => WriteFields
    return make(putUint, putText, others)
  } catch {
    return undefined
  }
}

/** Bytes of an annotation without its text: tags, lengths, numbers. */
const MOST_BYTES = 24
/** Characters of a text that is put byte by byte: then all lengths take one byte. */
const MOST_CHARACTERS = 80

function putUint(pbf: PbfWriter, iid: number, value: DecodedValue): void {
  if (pbf.pos + MOST_BYTES > pbf.length) pbf.realloc(MOST_BYTES)
  const { buf } = pbf
  const lengthAt = pbf.pos + 1
  buf[pbf.pos] = TAG.annotation
  let at = lengthAt + 1
  buf[at++] = TAG.nameIid
  at = putVarint(buf, at, iid)
  buf[at++] = TAG.uint
  if (typeof value === 'number' && value < 2 ** 32) at = putVarint(buf, at, value)
  else at = putVarint64(buf, at, BigInt(value as number | bigint))
  buf[lengthAt] = at - lengthAt - 1
  pbf.pos = at
}

function putText(pbf: PbfWriter, iid: number, text: string): void {
  const { length } = text
  if (length > MOST_CHARACTERS || !putShort(pbf, iid, text)) writeText(pbf, iid, text)
}

/** @returns whether it has put the text: it must have no other characters than ASCII's. */
function putShort(pbf: PbfWriter, iid: number, text: string): boolean {
  const { length } = text
  if (pbf.pos + MOST_BYTES + length > pbf.length) pbf.realloc(MOST_BYTES + length)
  const { buf } = pbf
  const lengthAt = pbf.pos + 1
  buf[pbf.pos] = TAG.annotation
  let at = lengthAt + 1
  buf[at++] = TAG.nameIid
  at = putVarint(buf, at, iid)
  buf[at++] = TAG.string
  buf[at++] = length
  let all = 0
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index)
    all |= code
    buf[at++] = code
  }
  if (all > 127) return false
  buf[lengthAt] = at - lengthAt - 1
  pbf.pos = at
  return true
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
    case 'string':
    case 'interned':
    case 'enum':
      return writeString
    // There is no other: a type that is new stops the compiler here.
    default:
      return node satisfies never
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
