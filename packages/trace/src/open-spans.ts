/**
 * The open spans of a thread in a recording: their starts are in shared memory, in the slots of the
 * thread's place (see runtime's `span-table`), so the consumer can tell of spans that a death or
 * the end of the recording cuts off. On every thread that traces.
 *
 * A token names a slot and its use, so the end of a span that has ended already is found out. The
 * uses are counted on from recording to recording.
 */
import { layoutRecord, type Field, type Schema } from '@rchan/ctf'
import type { Cpu } from '@rchan/runtime'
import { NO_FLAG } from './bound.js'
import { compile } from './compile.js'
import { cpuEnv } from './cpu-encoder.js'
import type { Dispatch, SpanDispatch } from './dispatch.js'
import { CALLS_UNTIL_FEEDBACK } from './facade.js'
import { globalEnv } from './global-encoder.js'
import { cpuSpanEnd, globalSpanEnd, type SpanEnd } from './span-end.js'

/** A slot: words of 4 bytes, as a power of two, and the word of its class. */
const SLOT_SHIFT = 2
const CLASS_WORD = 2
/** Bits of a token that are the slot. */
const SLOT_BITS = 10
const MAX_SLOTS = 2 ** SLOT_BITS
/** What a use adds to the token of a slot. */
const USE = MAX_SLOTS
const LAST_TOKEN = 2 ** 30

/** What this thread knows of its slots, for all recordings. */
class Slots {
  /** The token of the span that is open in each slot; 0 if there is none. */
  readonly open = new Int32Array(MAX_SLOTS)
  /** The last token of each slot. */
  readonly last = new Int32Array(MAX_SLOTS)
  /** The same at the start of this recording. */
  readonly before = new Int32Array(MAX_SLOTS)
  /** The fields that were given when the span began. */
  readonly kept: unknown[] = []
  /**
   * Slots that were used and are free again, and in the last element their number. An array for
   * each recording: an end whose arguments bring the thread into the next one frees no slot there.
   */
  free = new Int32Array(MAX_SLOTS + 1)
  /** Slots that were ever used in this recording. */
  count = 0

  constructor() {
    // Without holes V8 needs no look at the prototype.
    for (let slot = 0; slot < MAX_SLOTS; slot += 1) {
      this.kept[slot] = undefined
      this.last[slot] = slot
    }
  }

  /** Spans of an earlier recording have no end in this one. */
  restart(): void {
    this.open.fill(0)
    this.before.set(this.last)
    for (let slot = 0; slot < MAX_SLOTS; slot += 1) this.kept[slot] = undefined
    this.free = new Int32Array(MAX_SLOTS + 1)
    this.count = 0
  }
}

/** The slots of a thread, and the recording that they are of. */
interface SpanState {
  readonly slots: Slots
  generation: number
}

/**
 * Returns the slots of this thread for the recording that it is in. They are with the CPU: a thread
 * has one, however many copies of this module it has, and their spans share the slots.
 */
function slotsOf(cpu: Cpu): Slots {
  cpu.spanState ??= { slots: new Slots(), generation: 0 }
  const state = cpu.spanState as SpanState
  const { generation } = cpu.view
  if (state.generation !== generation) {
    state.generation = generation
    state.slots.restart()
  }
  return state.slots
}

/** What the begin and the end of a span call. */
interface SpanEnv {
  readonly spans: Int32Array
  readonly starts: BigInt64Array
  readonly open: Int32Array
  readonly last: Int32Array
  readonly kept: unknown[]
  readonly free: Int32Array
  readonly now: () => bigint
  readonly flags: Int32Array
  /** Writes the record: the encoder of a slot. */
  readonly encoder: Dispatch
  /** Takes a slot that was never used. @returns −1 if there is none. */
  readonly grow: () => number
  /** Counts an end whose token is of no open span. */
  readonly stale: (token: number) => void
  readonly renew: SpanDispatch['begin']
}

/**
 * Makes begin and end of a span for the recording that this thread is in.
 *
 * @param encoder writes the record: the encoder of a slot.
 * @param isLimited whether the records that are wanted have limits.
 * @param renew for a begin in another recording, or with other limits.
 */
export function boundSpan(
  cpu: Cpu,
  id: number,
  schema: Schema,
  encoder: Dispatch,
  isLimited: boolean,
  renew: SpanDispatch['begin'],
): SpanDispatch {
  const { fields } = schema
  const own = slotsOf(cpu)
  const { open, last, before, kept, free } = own
  const writer = cpu.writer ?? cpu.globalWriter
  const spans = cpu.openSpans
  const bad = (reason: () => string): void => {
    if (writer !== undefined) cpu.discardBad(writer, id, reason)
  }
  const env: SpanEnv = {
    spans,
    open,
    last,
    kept,
    free,
    encoder,
    renew,
    starts: new BigInt64Array(spans.buffer, spans.byteOffset, spans.length >> 1),
    now: cpu.clock,
    flags: cpu.control.flags,
    grow: () => {
      if (own.count === MAX_SLOTS) {
        bad(() => `more than ${MAX_SLOTS} spans of a thread were open`)
        return -1
      }
      // A full stack throws here, and then nothing has changed.
      cpu.setSpanCount(own.count + 1)
      own.count += 1
      return own.count - 1
    },
    stale: (token) => {
      // A span of an earlier recording is not in this one.
      if (typeof token === 'number' && token >= USE && token <= before[token & (MAX_SLOTS - 1)]) return
      bad(() => staleText(token, own))
    },
  }
  const { generation } = cpu.view
  const flag = isLimited ? -generation : generation
  const direct = directEnd(cpu, id, fields, generation, flag)
  const source = spanSource(id, schema, generation, flag, direct?.end)
  const bound =
    (compile(source, { ...direct?.env, ...env }) as SpanDispatch | undefined) ??
    stepped(id, fields, env, generation, flag)
  // As with the encoders: so V8 knows the rare ways before it optimizes.
  for (let i = 0; i < CALLS_UNTIL_FEEDBACK; i += 1) bound.end(undefined, 0, undefined)
  return isLimited ? limited(cpu, id, bound, env, flag) : bound
}

/** The end that writes the record itself, and what it uses. */
interface DirectEnd {
  readonly end: SpanEnd
  readonly env: object
}

/** @returns undefined for records that are made in scratch memory first. */
function directEnd(
  cpu: Cpu,
  id: number,
  fields: readonly Field[],
  generation: number,
  flag: number,
): DirectEnd | undefined {
  const { writer, globalWriter } = cpu
  const isGlobal = globalWriter !== undefined
  const layout = layoutRecord(fields, isGlobal)
  if (layout.composite || (isGlobal && layout.fixedBytes < 0)) return undefined
  const renew = (): void => undefined
  if (isGlobal) {
    const env = globalEnv(cpu, globalWriter, id, layout, renew)
    return { end: globalSpanEnd(id, layout, generation, flag), env }
  }
  if (writer === undefined) return undefined
  return { end: cpuSpanEnd(id, layout, generation, flag), env: cpuEnv(cpu, writer, id, layout, renew) }
}

/** Begin and end of a span of which only some are wanted. */
function limited(
  cpu: Cpu,
  id: number,
  bound: SpanDispatch,
  { spans, starts, open, kept, free, now }: SpanEnv,
  flag: number,
): SpanDispatch {
  const { oneIn, minDurationNs } = cpu.control.limits(id)
  let calls = 0
  return {
    begin(args, given) {
      if (given !== flag) return bound.begin(args, given)
      calls += 1
      if (calls < oneIn) {
        cpu.countFiltered()
        return 0
      }
      calls = 0
      return bound.begin(args, given)
    },
    end(args, token, outcome) {
      const slot = token & (MAX_SLOTS - 1)
      const word = (slot << SLOT_SHIFT) + CLASS_WORD
      const isOpen = open[slot] === token && spans[word] === id + 1
      if (!isOpen || Number(now() - starts[slot << 1]) >= minDurationNs)
        return bound.end(args, token, outcome)
      cpu.countFiltered()
      kept[slot] = undefined
      open[slot] = 0
      spans[word] = 0
      const top = free[MAX_SLOTS]
      free[top] = slot
      free[MAX_SLOTS] = top + 1
      return undefined
    },
  }
}

function staleText(token: unknown, { last }: Slots): string {
  if (typeof token !== 'number') return `ended with a token that is no number, but a ${typeof token}`
  if (!(token <= last[token & (MAX_SLOTS - 1)])) return `ended with token=${token}, which no begin gave`
  return `ended with token=${token}, of a span that has ended, or is another tracepoint's`
}

type Given = Readonly<Record<string, unknown>>

/** Every object has members of these names, which are functions: they are no fields. */
const inherited: object = Object.prototype

/**
 * The fields of an end, and those of its begin where the end has none. A field that can't be read
 * makes all unread.
 */
function merged(fields: readonly Field[], begun: Given, given: Given): Given | undefined {
  const values: Record<string, unknown> = { __proto__: null }
  try {
    for (let index = 0; index < fields.length; index += 1) {
      const { name } = fields[index]
      const value = given[name]
      const isNone = value === undefined || (name in inherited && typeof value === 'function')
      values[name] = isNone ? begun[name] : value
    }
    return values
  } catch {
    return undefined
  }
}

/** Returns the source of {@link merged} for these fields. It takes a tenth of a loop's time. */
function mergedSource(fields: readonly Field[]): string {
  let reads = ''
  let members = ''
  for (let index = 0; index < fields.length; index += 1) {
    const { name } = fields[index]
    const local = `a${index}`
    const isNone = `${local} === undefined${name in inherited ? ` || typeof ${local} === 'function'` : ''}`
    reads += `    let ${local} = given.${name}\n    if (${isNone}) ${local} = begun.${name}\n`
    members += `${index === 0 ? '' : ', '}['${name}']: a${index}`
  }
  return `const merged = (begun, given) => {
  try {
${reads}    return { ${members} }
  } catch {}
}`
}

/**
 * Returns the source of begin and end. A full stack throws in any call, so begin calls before it
 * takes a slot, and end frees its slot whatever it calls does. In begin the start comes before the
 * class, which makes the slot an open span for the consumer; in end the record comes before that. A
 * thread that dies between the two leaves a span that has ended, and is told as cut, too.
 *
 * @param direct an end that writes the record itself. The encoder has the rest: fields that were
 * given when the span began, arguments that don't fit, a record for which there is no room.
 */
function spanSource(
  id: number,
  { name, fields }: Schema,
  generation: number,
  wanted: number,
  direct: SpanEnd | undefined,
): string {
  const check = `typeof token !== 'number' ||
      open[(slot = token & ${MAX_SLOTS - 1})] !== token ||
      spans[(word = (slot << ${SLOT_SHIFT}) + ${CLASS_WORD})] !== ${id + 1}`
  const free = `      spans[word] = 0
      const top = free[${MAX_SLOTS}]
      free[top] = slot
      free[${MAX_SLOTS}] = top + 1`
  return `'use strict' // ${name} #${id} of recording ${generation}
const { spans, starts, open, last, kept, free, flags, encoder, grow, stale, renew } = env
${mergedSource(fields)}
const given = (slot, args) => {
  const begun = kept[slot]
  kept[slot] = undefined
  return args === undefined ? begun : merged(begun, args)
}
const end = (args, token, outcome) => {
  var slot, word
  if (outcome === undefined) return
  if (${check}) return stale(token)
  if (kept[slot] !== undefined) args = given(slot, args)
  open[slot] = 0
  try {
    if (flags[${id}] === ${wanted}) encoder.encode(args, ${generation}, slot, 0, outcome)
  } finally {
${free}
  }
}
${direct?.declarations ?? 'const { now } = env'}
return {
  begin(args, flag) {
    if (flag !== ${wanted}) return flag === ${NO_FLAG} ? 0 : renew(args, flag)
    const start = now()
    const top = free[${MAX_SLOTS}] - 1
    let slot
    if (top < 0) {
      slot = grow()
      if (slot < 0) return 0
    } else {
      slot = free[top]
      free[${MAX_SLOTS}] = top
    }
    const token = last[slot] >= ${LAST_TOKEN - USE} ? slot + ${USE} : last[slot] + ${USE}
    last[slot] = token
    open[slot] = token
    if (args !== undefined) kept[slot] = args
    starts[slot << 1] = start
    spans[(slot << ${SLOT_SHIFT}) + ${CLASS_WORD}] = ${id + 1}
    return token
  },
  ${
    direct === undefined
      ? 'end,'
      : `end(args, token, outcome) {
    var slot, word
    if (outcome === undefined) return
    if (${check}) return stale(token)
    if (kept[slot] !== undefined${direct.others}) return end(args, token, outcome)
    open[slot] = 0
    try {
${direct.body}
    } finally {
${free}
    }
  },`
  }
}`
}

/** The same, where no code may be made from text. */
function stepped(
  id: number,
  fields: readonly Field[],
  env: SpanEnv,
  generation: number,
  wanted: number,
): SpanDispatch {
  const { spans, starts, open, last, kept, free, now, flags, encoder, grow, stale, renew } = env
  return {
    begin(args, flag) {
      if (flag !== wanted) return flag === NO_FLAG ? 0 : renew(args, flag)
      const start = now()
      const top = free[MAX_SLOTS] - 1
      const slot = top < 0 ? grow() : free[top]
      if (slot < 0) return 0
      if (top >= 0) free[MAX_SLOTS] = top
      const token = last[slot] >= LAST_TOKEN - USE ? slot + USE : last[slot] + USE
      last[slot] = token
      open[slot] = token
      if (args !== undefined) kept[slot] = args
      starts[slot << 1] = start
      spans[(slot << SLOT_SHIFT) + CLASS_WORD] = id + 1
      return token
    },
    end(given, token, outcome) {
      if (outcome === undefined) return undefined
      if (typeof token !== 'number') return stale(token)
      const slot = token & (MAX_SLOTS - 1)
      const word = (slot << SLOT_SHIFT) + CLASS_WORD
      if (open[slot] !== token || spans[word] !== id + 1) return stale(token)
      const begun = kept[slot]
      kept[slot] = undefined
      const args =
        begun === undefined ? given : given === undefined ? begun : merged(fields, begun as Given, given)
      open[slot] = 0
      try {
        if (flags[id] === wanted) encoder.encode(args as typeof given, generation, slot, 0, outcome)
      } finally {
        spans[word] = 0
        const top = free[MAX_SLOTS]
        free[top] = slot
        free[MAX_SLOTS] = top + 1
      }
      return undefined
    },
  }
}
