/**
 * Tracepoints that libraries declare by `@rchan/tracepoint`, in a registry that stands in the
 * thread's `process` (see the head of that package's file). Each thread that imports rchan takes
 * those that are there, and the later ones as they come.
 */
import { thisProcess } from '@rchan/runtime/declaring'
import { asyncSpan, counter, flow } from './kinds.js'
import { span } from './span.js'
import { tracepoint } from './tracepoint.js'

type Make = (name: string, fields: unknown, options: unknown) => unknown
const MAKERS = new Map(
  Object.entries({ event: tracepoint, span, async: asyncSpan, flow, counter } as Record<string, Make>),
)
const KEY = Symbol.for('rchan.tracepoints.1')

interface Entry {
  readonly kind: string
  readonly name: string
  readonly fields: unknown
  readonly options: unknown
  bind(made: unknown): void
}

interface Registry {
  readonly entries: Entry[]
  adopt?: (entry: Entry) => void
}

function adopt(entry: Entry): void {
  try {
    const make = MAKERS.get(entry.kind)
    if (make === undefined) throw new Error(`${entry.name} has kind=${entry.kind}, which needs a newer rchan`)
    entry.bind(make(entry.name, entry.fields, entry.options))
  } catch (error) {
    // The library can't help it, and must not fail.
    thisProcess.emitWarning(
      `rchan: a library's tracepoint is not recorded: ${(error as Error | null)?.message ?? String(error)}`,
    )
  }
}

/** Adopts them, unless another copy of rchan does. */
export function adoptAll(): void {
  const place = thisProcess as unknown as Record<symbol, Registry | undefined>
  // Where the program has frozen its process, there is no registry.
  if (place[KEY] === undefined) Reflect.defineProperty(place, KEY, { value: { entries: [] } })
  const registry = place[KEY]
  if (registry === undefined || registry.adopt !== undefined) return
  registry.adopt = adopt
  registry.entries.forEach(adopt)
}
