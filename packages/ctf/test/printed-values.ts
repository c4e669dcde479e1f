/**
 * What python3-bt2 says of a trace, as values of ours. For tests only.
 *
 * babeltrace2 has lengths, totals and tags as fields of their own. They are checked against what
 * they belong to, and left out.
 */
import { fileURLToPath } from 'node:url'
import type { DecodedValue, Field, FieldType } from '@rchan/ctf/reader'
import { runReader } from '../../../test/readers.ts'

const PRINT_VALUES = fileURLToPath(new URL('print-values.py', import.meta.url))

/** A value as `print-values.py` prints it. */
export type Printed =
  | { readonly int: string }
  | { readonly real: string }
  | { readonly text: string }
  | { readonly enum: readonly [labels: readonly string[], number: string] }
  | { readonly list: readonly Printed[] }
  | { readonly struct: PrintedFields }
  | { readonly variant: Printed }

export type PrintedFields = readonly (readonly [name: string, value: Printed])[]

export interface PrintedEvent {
  /** Ns since 1970. */
  readonly ns: bigint
  /** −1 if the packet does not say it. */
  readonly cpu: number
  readonly id: number
  readonly name: string
  readonly context: Readonly<Record<string, Printed>>
  readonly fields: PrintedFields
}

export interface PrintedTrace {
  readonly events: readonly PrintedEvent[]
  /** NaN if a counter of a packet was less than the one before: babeltrace2 2.0.4 then wraps. */
  readonly discardedEvents: number
  readonly discardedPackets: number
}

/** Has python3-bt2 read traces, all in one run. @throws Error with its message, if it failed. */
export function printTraces(folders: readonly string[]): PrintedTrace[] {
  const run = runReader('python3-bt2', [PRINT_VALUES, ...folders])
  if (run.status !== 0) throw new Error(`python3-bt2 ended with ${run.status}: ${run.stderr}`)
  const traces = folders.map(() => ({
    events: [] as PrintedEvent[],
    discardedEvents: 0,
    discardedPackets: 0,
  }))
  for (const text of run.stdout.split('\n')) {
    if (text === '') continue
    const line = JSON.parse(text) as {
      readonly trace: number
      readonly ns?: string
      readonly discarded_events?: number
      readonly discarded_packets?: number
    }
    const trace = traces[line.trace]
    if (line.ns !== undefined) {
      trace.events.push({ ...(line as unknown as PrintedEvent), ns: BigInt(line.ns) })
    }
    const { discarded_events: discarded = 0 } = line
    trace.discardedEvents += discarded > 2 ** 63 ? NaN : discarded
    trace.discardedPackets += line.discarded_packets ?? 0
  }
  return traces
}

/** The values of fields, of the types that our reader says. @throws Error if they have others. */
export function valuesOf(fields: readonly Field[], printed: PrintedFields): Record<string, DecodedValue> {
  const all = new Map(printed)
  const values: Record<string, DecodedValue> = {}
  for (const { name, type } of fields) {
    const value = take(all, name)
    const word = typeof type === 'string' ? type : type.type
    const length = take(all, `${name}_length`) ?? take(all, `_${name}_length`)
    const total = word === 'seq' || word === 'bytes' ? take(all, `${name}_total`) : undefined
    const tag = word === 'optional' ? take(all, `${name}_is`) : undefined
    if (value === undefined) throw new Error(`babeltrace2 has no field ${name}`)
    if (length !== undefined) checkLength(name, value, length, total)
    const isNone = tag !== undefined && 'enum' in tag && tag.enum[0][0] === 'none'
    values[name] = isNone ? undefined : valueOf(type, value)
  }
  const [more] = all.keys()
  if (more !== undefined) throw new Error(`babeltrace2 has a field ${more}, too`)
  return values
}

function take(all: Map<string, Printed>, name: string): Printed | undefined {
  const value = all.get(name)
  all.delete(name)
  return value
}

function checkLength(name: string, value: Printed, length: Printed, total: Printed | undefined): void {
  const count = 'list' in value ? value.list.length : undefined
  const said = 'int' in length ? Number(length.int) : NaN
  if (count !== undefined && count !== said) throw new Error(`${name} has ${count} elements of ${said}`)
  if (total !== undefined && !('int' in total && Number(total.int) >= said)) {
    throw new Error(`${name} has a wrong total`)
  }
}

function valueOf(type: FieldType, printed: Printed): DecodedValue {
  const word = typeof type === 'string' ? type : type.type
  if ('variant' in printed) {
    const of = (type as { readonly of: FieldType }).of
    const inner = printed.variant
    const isList = typeof of === 'string' ? of === 'bytes' : of.type === 'seq' || of.type === 'bytes'
    if (isList && 'struct' in inner) return valuesOf([{ name: 'list', type: of }], inner.struct).list
    return valueOf(of, inner)
  }
  if ('text' in printed) return printed.text
  if ('real' in printed) return realOf(printed.real)
  if ('enum' in printed) return printed.enum[0][0] ?? printed.enum[1]
  if ('struct' in printed)
    return valuesOf((type as { readonly fields: readonly Field[] }).fields, printed.struct)
  if ('list' in printed) {
    if (word === 'bytes')
      return Uint8Array.from(printed.list, (each) => Number((each as { int: string }).int))
    return printed.list.map((each) => valueOf((type as { readonly of: FieldType }).of, each))
  }
  if (word === 'bool') return printed.int === '1'
  return word === 'u64' || word === 'i64' ? BigInt(printed.int) : Number(printed.int)
}

function realOf(digits: string): number {
  return digits === 'nan' ? NaN : Buffer.from(digits, 'hex').readDoubleBE()
}
