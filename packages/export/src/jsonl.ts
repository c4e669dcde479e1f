/**
 * A trace as lines of JSON, for programs. Everything that the trace says can be read back.
 *
 * Times, ids and fields of 64 bits are texts of decimal digits, always, so that no reader rounds
 * them. A line of type `class` describes an event before its first item: the types of its fields
 * tell which texts are numbers.
 */
import { typeText } from '@rchan/ctf'
import type {
  EventClass,
  FollowOptions,
  FollowSource,
  ItemOptions,
  ItemSource,
  TraceItem,
  TraceProcess,
  TraceThread,
} from '@rchan/ctf/reader'
import { piecesOf, type Conversion } from './conversion.js'
import { followInPieces } from './follow.js'
import { jsonMembers, jsonString } from './json-text.js'
import { Pieces } from './pieces.js'
import { userFields } from './plans.js'

/** The version of the form, in the first line. */
const VERSION = 1

/**
 * Converts a trace to lines of JSON.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toJsonLines(source: ItemSource, options?: ItemOptions): IterableIterator<string> {
  return piecesOf(startJsonLines, source, options)
}

/** Starts a conversion to lines of JSON. */
export function startJsonLines(source: ItemSource): Conversion<string> {
  const pieces = new Pieces()
  const lines = new Lines(pieces, source)
  return {
    push(item) {
      lines.add(item)
      return pieces.takeFull()
    },
    finish: () => [pieces.take()],
  }
}

/**
 * Converts a recording that still runs to lines of JSON, as `follow()` gives its items.
 *
 * @returns the file, in pieces of whole lines: each when the items in it have come.
 */
export function followJsonLines(
  source: FollowSource,
  options: FollowOptions = {},
): AsyncIterableIterator<string> {
  const pieces = new Pieces()
  const lines = new Lines(pieces, source)
  return followInPieces(source, options, pieces, (item) => lines.add(item))
}

class Lines {
  readonly #pieces: Pieces
  readonly #classes = new Map<EventClass, number>()
  readonly #processes = new Set<TraceProcess>()
  readonly #threads = new WeakMap<TraceThread, { readonly name: string; readonly text: string }>()

  /** Adds the first line. */
  constructor(pieces: Pieces, source: Pick<ItemSource, 'wallClock'>) {
    this.#pieces = pieces
    pieces.add(`{"type":"trace","version":${VERSION},"wallClockOffset":"${source.wallClock(0n)}"}\n`)
  }

  add(item: TraceItem): void {
    let text = `{"type":"${item.type}","time":"${item.time}"`
    if (item.type === 'gap') {
      const { from, to, cpu, packets } = item
      this.#pieces.add(`${text},${jsonMembers({ from, to, cpu, packets }, 'text')}}\n`)
      return
    }
    if (item.type === 'loss') {
      const { from, to, cpu, events, thread } = item
      const who = thread === undefined ? `"cpu":${cpu}` : this.#thread(thread)
      this.#pieces.add(`${text},${jsonMembers({ from, to, events }, 'text')},${who}}\n`)
      return
    }
    if (item.type === 'thread') {
      const { thread, phase, runs, how } = item
      const rest = jsonMembers({ runs, how }, 'text')
      this.#pieces.add(
        `${text},"phase":"${phase}",${this.#thread(thread)}${rest === '' ? '' : `,${rest}`}}\n`,
      )
      return
    }
    const { event, thread, fields } = item
    if (item.type === 'event') {
      if (item.at !== item.time) text += `,"at":"${item.at}"`
      if (item.context !== undefined) text += `,"context":{${jsonMembers(item.context, 'text')}}`
    } else if (item.type === 'span') {
      text += `,"start":"${item.start}","end":"${item.end}","outcome":"${item.outcome}"`
    } else if (item.type === 'async') {
      text += `,"phase":"${item.phase}","id":"${item.id}"`
      if (item.outcome !== undefined) text += `,"outcome":"${item.outcome}"`
    } else if (item.type === 'flow') text += `,"phase":"${item.phase}","id":"${item.id}"`
    const name = jsonString(item.type === 'async' ? item.name : event.name)
    const number = this.#class(event)
    const who = this.#thread(thread)
    this.#pieces.add(
      `${text},"name":${name},"class":${number},${who},"fields":{${jsonMembers(fields, 'text')}}}\n`,
    )
  }

  /** Returns the number of a class; describes it if it is new. */
  #class(event: EventClass): number {
    let number = this.#classes.get(event)
    if (number === undefined) {
      number = this.#classes.size
      this.#classes.set(event, number)
      const { name, kind = 'event', level = 'info' } = event
      const fields = userFields(event)
        .map((field) => `{"name":${jsonString(field.name)},"type":${typeText(field.type)}}`)
        .join(',')
      this.#pieces.add(
        `{"type":"class","class":${number},"name":${jsonString(name)},"kind":"${kind}","level":"${level}","fields":[${fields}]}\n`,
      )
    }
    return number
  }

  #thread(thread: TraceThread): string {
    const { process, threadId, name, cpu, generation } = thread
    let known = this.#threads.get(thread)
    if (known?.name !== name) {
      const text =
        `"process":${process.index},"threadId":${threadId},"thread":${jsonString(name)},"cpu":${cpu},` +
        `"generation":${generation}`
      this.#threads.set(thread, (known = { name, text }))
    }
    if (!this.#processes.has(process)) {
      this.#processes.add(process)
      const { index, pid, folder, env } = process
      this.#pieces.add(
        `{"type":"process","process":${index},"pid":${pid},"folder":${jsonString(folder)},"env":{${jsonMembers(env, 'text')}}}\n`,
      )
    }
    return known.text
  }
}
