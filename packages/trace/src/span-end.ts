/**
 * The end of a span that writes its record itself, so that V8 inlines it into the caller. There V8
 * drops the object with the fields, and keeps numbers in registers: such an end allocates nothing.
 * On every thread that traces.
 *
 * V8 inlines a function of at most 460 bytes of bytecode, and at most 920 of all that it inlines
 * into one; a begin takes a third of these. So here is only what must see the fields, and what must
 * come right before or after it. `head` finds the record's place and stores what is in front of the
 * fields; see `NOT_INLINED`. It gets small integers, which need no object. All that is rare is left
 * to the encoder.
 */
import type { RecordLayout } from '@rchan/ctf'
import {
  bytesWithoutVariable,
  NOT_INLINED,
  ownCode,
  ownMisfitCode,
  readsCode,
  systemCode,
  systemConvertCode,
  variableSum,
  type SystemFields,
} from './field-code.js'

/** The source of an end. It finds `slot`, `args` and `outcome`, and what it uses in `env`. */
export interface SpanEnd {
  /** What must hold, beside the token, that the encoder has the call: ` || …`, or `''`. */
  readonly others: string
  readonly declarations: string
  readonly body: string
}

const SPAN: SystemFields = { count: 3, isSpan: true }

/** Returns the end of a span in a buffer of the thread's own. */
export function cpuSpanEnd(id: number, layout: RecordLayout, generation: number, flag: number): SpanEnd {
  const isVariable = layout.fixedBytes < 0
  const most = isVariable
    ? `${bytesWithoutVariable(layout)}${variableSum(layout, 'mostCode')}`
    : `${layout.fixedBytes}`
  const other = otherCall(layout)
  return {
    others: othersCode(layout),
    declarations: `const { view, words, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = env
const { now, unread, writeText, limitText, intern, asI64, asU64, floor } = env
${otherSource(id, layout, generation, flag)}
const head = (bytes, a0, a2) => {
  if (flags[${id}] !== ${flag}) return -1
  const time = now()
  const at = (words[view.end] + 7) & -8
  if (at + bytes > view.limit) return -1
  i64[at >> 3] = time
  u32[(at + 8) >> 2] = ${id}
${headFields(layout)}
  return at
}`,
    body: bodyCode(
      layout,
      most,
      other,
      `  const end = view.end
  words[end + 1] += 1
  words[end] = ${isVariable ? 'cursor' : `at + ${layout.fixedBytes}`}`,
    ),
  }
}

/**
 * Returns the end of a span in a global buffer. Its record has no texts. A thread that dies behind
 * `head` leaves a hole, as with the encoders. `commit` is not inlined, either: V8 counts what it
 * has inlined into an end 1.2 times, and with `commit` an end and its begin are too large.
 */
export function globalSpanEnd(id: number, layout: RecordLayout, generation: number, flag: number): SpanEnd {
  const { fixedBytes } = layout
  return {
    others: othersCode(layout),
    declarations: `const { writer, time, tag, refused, unread, limitText, intern, asI64, asU64, floor } = env
const { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, now } = env
${otherSource(id, layout, generation, flag)}
const head = (bytes, a0, a2) => {
  if (flags[${id}] !== ${flag}) return -1
  const at = writer.reserve(bytes)
  if (at < 0) refused()
  if (at < 0) return -1
  const first = at >> 2
  i32[first] = time[0]
  i32[first + 1] = time[1]
  i32[first + 2] = ${id}
  i32[first + 3] = tag
${headFields(layout)}
  return at
}
const commit = (at, bytes) => {
  writer.commit(at, bytes)
${NOT_INLINED}}`,
    body: bodyCode(layout, `${fixedBytes}`, '', `  commit(at, ${fixedBytes})`),
  }
}

function headFields(layout: RecordLayout): string {
  return `${systemConvertCode(layout, SPAN)}${systemCode(layout, SPAN)}${NOT_INLINED}`
}

/** An end without its fields, if there are any. */
function othersCode({ fields }: RecordLayout): string {
  return fields.length === SPAN.count ? '' : ` || args === null || typeof args !== 'object'`
}

/**
 * Returns the body of an end. Everything that can run the caller's code is in front of `head`.
 *
 * @param full what to do if there is no room.
 * @param commit makes the record exist.
 */
function bodyCode(layout: RecordLayout, most: string, full: string, commit: string): string {
  const { fields } = layout
  const misfits = ownMisfitCode(layout, SPAN)
  let locals = 'at'
  let given = ''
  let converted = ''
  for (let index = SPAN.count; index < fields.length; index += 1) {
    const local = `a${index}`
    locals += `, ${local}`
    const conversion = fields[index].descriptor.convertCode(local)
    if (conversion === '') continue
    locals += `, ${givenName(layout, index)}`
    given += `  ${givenName(layout, index)} = ${local}\n`
    converted += `${conversion.replace(/^if \((.*)\) (?=a\d+ =)/, '($1) && ').replace(/(a\d+ = .*)$/, '($1)')}, `
  }
  const store = `{
${ownCode(layout, SPAN)}${commit}
  }`
  const head = `(at = head(${most}, slot, outcome)) < 0`
  if (misfits === '') return `  let at\n  if (${head}) { ${full} }\n  else ${store}`
  const reads = `  var ${locals}\n${readsCode(layout, SPAN)}${given}`
  const other = otherCall(layout)
  const place = converted === '' ? head : `(${converted}${head})`
  if (full === other) return `${reads}  if (${misfits} || ${place}) ${other}\n  else ${store}`
  return `${reads}  if (${misfits}) ${other}\n  else if (${place}) { ${full} }\n  else ${store}`
}

/** The variable in which a field is as it was given. */
function givenName({ fields }: RecordLayout, index: number): string {
  return fields[index].descriptor.convertCode(`a${index}`) === '' ? `a${index}` : `g${index}`
}

/** A call that leaves the record to the encoder. */
function otherCall(layout: RecordLayout): string {
  let values = ''
  for (let index = SPAN.count; index < layout.fields.length; index += 1) {
    values += `, ${givenName(layout, index)}`
  }
  return `other(slot, outcome${values})`
}

function otherSource(id: number, { fields }: RecordLayout, generation: number, flag: number): string {
  let parameters = ''
  let members = ''
  for (let index = SPAN.count; index < fields.length; index += 1) {
    parameters += `, a${index}`
    // In brackets a name is a name, whatever it is.
    members += `${members === '' ? '' : ', '}['${fields[index].name}']: a${index}`
  }
  return `const other = (slot, outcome${parameters}) => {
  if (flags[${id}] === ${flag}) encoder.encode({ ${members} }, ${generation}, slot, 0, outcome)
}`
}
