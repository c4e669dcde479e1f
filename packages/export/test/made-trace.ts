/** Traces made by hand, item by item. For tests. */
import type {
  DecodedValue,
  EventClass,
  ItemOptions,
  Kind,
  Level,
  TraceItem,
  TraceProcess,
  TraceThread,
} from '@rchan/ctf/reader'
import { makeSchema, type FieldType } from '@rchan/ctf'

type Fields = Readonly<Record<string, DecodedValue>>

/** ns since 1970 at time 0 of the clock of each made trace. */
export const WALL_OFFSET = 1_700_000_000_000_000_000n

export class MadeTrace {
  readonly #items: TraceItem[] = []
  #classes = 0
  #processes = 0

  process(pid: number, env: TraceProcess['env'] = {}): TraceProcess {
    const index = this.#processes
    this.#processes += 1
    return { pid, folder: `/traces/${pid}`, env, index }
  }

  thread(process: TraceProcess, threadId: number, name = '', cpu = threadId, generation = 0): TraceThread {
    return { process, threadId, name, cpu, generation }
  }

  event(
    name: string,
    fields: Record<string, FieldType> = {},
    kind: Kind = 'event',
    level: Level = 'info',
  ): EventClass {
    this.#classes += 1
    return { ...makeSchema(name, fields, { kind, level }), id: this.#classes - 1 }
  }

  add(...items: TraceItem[]): this {
    this.#items.push(...items)
    return this
  }

  happened(thread: TraceThread, event: EventClass, time: bigint, fields: Fields = {}, at = time): this {
    return this.add({ type: 'event', time, at, thread, event, fields })
  }

  span(
    thread: TraceThread,
    event: EventClass,
    start: bigint,
    end: bigint,
    fields: Fields = {},
    outcome: 'ok' | 'failed' | 'cut' = 'ok',
    time = end,
  ): this {
    return this.add({ type: 'span', time, start, end, outcome, thread, event, fields })
  }

  begin(thread: TraceThread, event: EventClass, id: bigint, time: bigint, fields: Fields = {}): this {
    const name = event.name.replace(/:begin$/, '')
    return this.add({ type: 'async', phase: 'begin', name, id, time, thread, event, fields })
  }

  end(
    thread: TraceThread,
    event: EventClass,
    id: bigint,
    time: bigint,
    fields: Fields = {},
    outcome: 'ok' | 'failed' = 'ok',
  ): this {
    const name = event.name.replace(/:end$/, '')
    return this.add({ type: 'async', phase: 'end', name, id, outcome, time, thread, event, fields })
  }

  loss(thread: TraceThread | undefined, from: bigint, to: bigint, events = 1, cpu = thread?.cpu ?? 0): this {
    return this.add({ type: 'loss', time: to, from, to, thread, cpu, events })
  }

  items(_options: ItemOptions = {}): Iterable<TraceItem> {
    return this.#items
  }

  wallClock(time: bigint): bigint {
    return time + WALL_OFFSET
  }
}
