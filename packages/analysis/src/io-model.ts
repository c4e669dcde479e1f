/**
 * What the program waited for or was asked, as Node measures it: the spans of the probe `io`, by
 * what they are of. Memory is bounded by {@link MOST_NAMES}.
 */
import type { ItemFields, SpanItem, TraceThread } from '@rchan/ctf/reader'
import { numberOf, textOf } from './field-values.js'
import type { IoUse } from './model.js'
import { quantilesOf } from './quantiles.js'
import { Sketch } from './sketch.js'

/** Names of one kind in one thread. Others are told together. */
const MOST_NAMES = 200
const OTHERS = '…'
const LONGEST_NAME = 80
/** From this status on an answer says that the request failed. */
const FAILED_STATUS = 400

/** How each kind of span is called in detail. */
const NAMES: Readonly<Record<string, (fields: ItemFields) => string>> = {
  'http:request': requestName,
  'http:client': requestName,
  fetch: ({ url }) => pathOf(textOf(url) ?? ''),
  dns: ({ what, host }) => `${textOf(what) ?? ''} ${textOf(host) ?? ''}`.trim(),
  net: ({ host, port }) => `${textOf(host) ?? ''}:${numberOf(port) ?? ''}`,
  'user:measure': ({ name }) => textOf(name) ?? '',
  'user:time': ({ name }) => textOf(name) ?? '',
}

/** Spans of one name, so far. */
interface Named {
  readonly durations: Sketch
  failed: number
  from: bigint
  to: bigint
}

/** Spans of one kind in one thread, so far. */
interface Group {
  readonly kind: string
  thread: TraceThread
  readonly named: Map<string, Named>
}

/** Follows the spans of all processes. */
export class IoModel {
  readonly #groups = new Map<string, Group>()

  /** Takes a span, if it is one of these. */
  push({ event: { name: kind }, thread, start, end, outcome, fields }: SpanItem): void {
    const nameOf = Object.hasOwn(NAMES, kind) ? NAMES[kind] : undefined
    if (nameOf === undefined || outcome === 'cut') return
    const named = this.#named(kind, thread, nameOf(fields).slice(0, LONGEST_NAME))
    named.durations.add(Number(end - start))
    if (outcome === 'failed' || (numberOf(fields.status) ?? 0) >= FAILED_STATUS) named.failed += 1
    if (named.to === 0n || start < named.from) named.from = start
    if (end > named.to) named.to = end
  }

  /** Those that took longest, all together, first. */
  result(): IoUse[] {
    const uses = [...this.#groups.values()].flatMap(({ kind, thread, named }) =>
      [...named].map(([name, { durations, failed, from, to }]) => {
        return { kind, name, thread, failed, from, to, duration: quantilesOf(durations) }
      }),
    )
    return uses.toSorted((a, b) => b.duration.sum - a.duration.sum)
  }

  #named(kind: string, thread: TraceThread, wanted: string): Named {
    const key = `${thread.process.index} ${thread.threadId} ${kind}`
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = { kind, thread, named: new Map() }))
    group.thread = thread
    const name = group.named.has(wanted) || group.named.size < MOST_NAMES ? wanted : OTHERS
    let named = group.named.get(name)
    if (named === undefined) {
      named = { durations: new Sketch(), failed: 0, from: 0n, to: 0n }
      group.named.set(name, named)
    }
    return named
  }
}

function requestName({ method, url }: ItemFields): string {
  return `${textOf(method) ?? ''} ${pathOf(textOf(url) ?? '')}`.trim()
}

/** A URL without what differs from request to request, and may be secret. */
function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end)
}
