/**
 * A trace as JSON in Chrome's trace event format, which Chrome's DevTools, Perfetto's viewer and
 * speedscope open. Streams: memory doesn't grow with the trace.
 *
 * Times are µs with three decimals, so ns are kept. They count from {@link ROOM} before the first
 * item: as the clock's own times, numbers of JSON would lose the last digits on a machine that has
 * been up for weeks.
 */
import { AsyncPairs, Extents, LossMarks, surelyRanFrom } from '@rchan/analysis'
import type {
  AsyncItem,
  CounterItem,
  EventClass,
  FlowItem,
  GapItem,
  ItemFields,
  ItemOptions,
  ItemSource,
  LossItem,
  SpanItem,
  ThreadItem,
  TraceItem,
  TraceThread,
} from '@rchan/ctf/reader'
import { CalledFunctions } from './called-functions.js'
import { piecesOf, type Conversion } from './conversion.js'
import { flowId } from './flow-id.js'
import { Identities, type ThreadIdentity } from './identity.js'
import { jsonMembers, jsonString } from './json-text.js'
import { Lanes } from './nest.js'
import { Pieces } from './pieces.js'
import { groupOf } from './plans.js'
import { seriesOf } from './series.js'
import { Times } from './times.js'

/** ns for what began before the first item: a negative time is nothing that viewers expect. */
const ROOM = 1_000_000_000n
/** The sort index of a thread is this times its number: its further lanes come behind it. */
const LANES = 1024
/** Threads that are gone, of which it is still known what they wrote: a cut span may come. */
const MOST_GONE = 256

/**
 * Converts a trace to Chrome's format.
 *
 * @returns the file, in pieces of about 64 KiB.
 */
export function toChrome(source: ItemSource, options?: ItemOptions): IterableIterator<string> {
  return piecesOf(startChrome, source, options)
}

/** Starts a conversion to Chrome's format. */
export function startChrome(source: ItemSource): Conversion<string> {
  return new ChromeConversion(source, { wants: () => true, hasArguments: true })
}

/** What is known of a thread. */
interface ThreadState {
  readonly thread: TraceThread
  readonly identity: ThreadIdentity
  /** `"pid":1,"tid":2`, of each lane. */
  readonly where: string[]
  readonly sortIndex: number
  readonly lanes: Lanes
}

/** The texts of an event class. */
interface ClassText {
  readonly name: string
  readonly category: string
}

/** What the file has. */
interface Contents {
  /** Which items. */
  readonly wants: (item: TraceItem) => boolean
  /** Whether slices have the fields of their spans. */
  readonly hasArguments: boolean
}

/** A file in Chrome's format, in the making. */
export class ChromeConversion implements Conversion<string> {
  readonly extents = new Extents()
  readonly losses = new LossMarks()
  readonly #pieces = new Pieces()
  readonly #functions: CalledFunctions
  readonly #hasArguments: boolean
  readonly #source: ItemSource
  readonly #identities = new Identities()
  readonly #times = new Times()
  readonly #pairs = new AsyncPairs<undefined>()
  readonly #threads = new Map<TraceThread, ThreadState>()
  readonly #gone = new Set<TraceThread>()
  readonly #classes = new Map<EventClass, ClassText>()
  readonly #series = new Map<EventClass, readonly string[]>()
  readonly #processes = new Set<number>()
  #count = 0
  #latest: ThreadState | undefined
  #base = 0n
  #separator = '\n'

  constructor(source: ItemSource, { wants, hasArguments }: Contents) {
    this.#hasArguments = hasArguments
    this.#source = source
    this.#functions = new CalledFunctions((item) => {
      if (wants(item)) this.#convert(item)
    })
    this.#pieces.add('{"displayTimeUnit":"ms","traceEvents":[')
  }

  push(item: TraceItem): string | undefined {
    this.#functions.push(item)
    return this.#pieces.takeFull()
  }

  #convert(item: TraceItem): void {
    if (this.extents.from === undefined) this.#base = item.time - ROOM
    this.extents.add(item)
    switch (item.type) {
      case 'event': {
        const { at, thread, event, fields } = item
        const args = jsonMembers(fields, 'number-if-safe')
        this.#add(
          `"ph":"i","s":"t",${this.#what(event)},${this.#at(thread)},"ts":${this.#ts(at)},"args":{${args}}`,
        )
        return
      }
      case 'span':
        this.#span(item)
        return
      case 'async':
        if (item.phase === 'begin') this.#begin(item)
        else this.#end(item)
        return
      case 'flow':
        this.#flow(item)
        return
      case 'counter':
        this.#counter(item)
        return
      case 'thread':
        this.#life(item)
        return
      default:
        this.#loss(item)
    }
  }

  /** Cuts what is open, and ends the file. */
  *finish(): IterableIterator<string> {
    this.#functions.finish(this.extents.to)
    for (const { begin } of this.#pairs.open()) {
      this.#cut(begin, this.extents.toOf(begin.thread.process))
      const piece = this.#pieces.takeFull()
      if (piece !== undefined) yield piece
    }
    const { from } = this.extents
    const other =
      from === undefined
        ? ''
        : `,"otherData":{"clockOfTs0":"${this.#base}","wallClockOfTs0":"${this.#source.wallClock(this.#base)}"}`
    this.#pieces.add(`\n]${other}}\n`)
    yield this.#pieces.take()
  }

  #add(members: string): void {
    this.#pieces.add(`${this.#separator}{${members}}`)
    this.#separator = ',\n'
  }

  /** Returns a time in µs. */
  #ts(time: bigint): string {
    return micros(time - this.#base)
  }

  /** Returns the name and the categories of an event's items. */
  #what(event: EventClass, more = ''): string {
    let text = this.#classes.get(event)
    if (text === undefined) {
      const { name, level = 'info' } = event
      const category = groupOf(name) + (level === 'info' ? '' : `,${level}`)
      text = { name: jsonString(name), category: JSON.stringify(category).slice(0, -1) }
      this.#classes.set(event, text)
    }
    return `"name":${text.name},"cat":${text.category}${more}"`
  }

  #at(thread: TraceThread): string {
    return this.#thread(thread).where[0]
  }

  #thread(thread: TraceThread): ThreadState {
    if (this.#latest?.thread === thread) return this.#latest
    let state = this.#threads.get(thread)
    if (state === undefined) {
      const identity = this.#identities.thread(thread)
      const { pid } = identity.process
      state = {
        thread,
        identity,
        where: [`"pid":${pid},"tid":${identity.tid}`],
        sortIndex: LANES * (thread.threadId === 0 ? 0 : (this.#count += 1)),
        lanes: new Lanes('nested'),
      }
      this.#threads.set(thread, state)
      if (!this.#processes.has(pid)) {
        this.#processes.add(pid)
        this.#meta('process_name', `"pid":${pid},"tid":0`, `"name":${jsonString(identity.process.name)}`)
        this.#meta('process_sort_index', `"pid":${pid},"tid":0`, `"sort_index":${this.#processes.size - 1}`)
      }
      this.#name(state, 0)
    }
    this.#latest = state
    return state
  }

  /** Names a lane of a thread, which viewers know as a thread. */
  #name({ identity: { name }, where, sortIndex }: ThreadState, lane: number): void {
    const of = lane === 0 ? name : `${name} ${lane + 1}`
    this.#meta('thread_name', where[lane], `"name":${jsonString(of)}`)
    this.#meta('thread_sort_index', where[lane], `"sort_index":${sortIndex + lane}`)
  }

  #meta(name: string, where: string, args: string): void {
    this.#add(`"ph":"M","name":"${name}",${where},"args":{${args}}`)
  }

  /** Returns the ids of a lane. */
  #lane(state: ThreadState, lane: number): string {
    const { where, thread, identity } = state
    // A span that has no lane gets an id of its own, on each.
    const at = lane < 0 ? where.length : lane
    if (where[at] === undefined || lane < 0) {
      where[at] = `"pid":${identity.process.pid},"tid":${this.#identities.extraTid(thread)}`
      this.#name(state, at)
    }
    const text = where[at]
    if (lane < 0) where.length = at
    return text
  }

  #span({ thread, event, start, end, outcome, fields }: SpanItem): void {
    const state = this.#thread(thread)
    const where = this.#lane(state, state.lanes.place(this.#times.of(start), this.#times.of(end)))
    const isCut = outcome === 'cut'
    const more = outcome === 'ok' ? '' : `,${outcome}`
    const what = this.#what(event, more)
    const args = this.#hasArguments
      ? `,"args":{${withOwn(fields, outcome === 'failed', isCut ? 'end' : undefined)}}`
      : ''
    this.#add(`"ph":"X",${what},${where},"ts":${this.#ts(start)},"dur":${micros(end - start)}${args}`)
  }

  #begin(item: AsyncItem): void {
    this.#pairs.begin(
      item,
      () => undefined,
      (open) => this.#cut(open.begin, item.time),
    )
    this.#async('b', item, item.time, withOwn(item.fields, false, undefined))
  }

  #end(item: AsyncItem): void {
    const isWhole = this.#pairs.end(item) !== undefined
    if (!isWhole) this.#async('b', item, surelyRanFrom(item, this), withOwn({}, false, 'start'))
    this.#async('e', item, item.time, withOwn(item.fields, item.outcome === 'failed', undefined))
  }

  #cut(begin: AsyncItem, time: bigint): void {
    this.#async('e', begin, time, withOwn({}, false, 'end'))
  }

  #async(phase: 'b' | 'e', { thread, name, id }: AsyncItem, time: bigint, args: string): void {
    const state = this.#thread(thread)
    const text = jsonString(name)
    // Ids are of the process: viewers would pair those of several processes. Those of one category
    // with one id are parts of one thing for them, so the category is the name.
    const local = `"id2":{"local":"0x${BigInt.asUintN(64, id).toString(16)}"}`
    this.#add(
      `"ph":"${phase}","name":${text},"cat":${text},${local},${state.where[0]},"ts":${this.#ts(time)},"args":{${args}}`,
    )
  }

  #flow({ time, thread, event, fields, phase, id }: FlowItem): void {
    const letter = phase === 'start' ? 's' : phase === 'step' ? 't' : 'f'
    const of = `"id":"0x${flowId(thread.process, event.name, id).toString(16)}"`
    // By default the end of a flow is bound to the next slice, not to the one that it is in.
    const binding = letter === 'f' ? ',"bp":"e"' : ''
    const args = jsonMembers(fields, 'number-if-safe')
    const point = `${this.#what(event)},${this.#at(thread)},"ts":${this.#ts(time)}`
    // DevTools draws its arrows between events that have the times of a flow's points.
    this.#add(`"ph":"i","s":"t",${point},"args":{${args}}`)
    this.#add(`"ph":"${letter}"${binding},${of},${point}`)
  }

  #counter({ time, thread, event, fields }: CounterItem): void {
    let names = this.#series.get(event)
    if (names === undefined) this.#series.set(event, (names = seriesOf(event).map(({ field }) => field)))
    let args = ''
    for (const name of names) {
      const value = Number(fields[name])
      // A missing one is NaN.
      if (Number.isFinite(value)) args += `${args === '' ? '' : ','}${jsonString(name)}:${value}`
    }
    if (args === '') return
    const { identity, where } = this.#thread(thread)
    // Counters are of the process, unless they have an id.
    const id = `"id":${jsonString(`${identity.name} (${identity.tid})`)}`
    this.#add(`"ph":"C",${this.#what(event)},${id},${where[0]},"ts":${this.#ts(time)},"args":{${args}}`)
  }

  #life({ time, thread, phase, runs, how }: ThreadItem): void {
    const args = jsonMembers(phase === 'came' ? { runs } : { how }, 'number-if-safe')
    this.#add(
      `"ph":"i","s":"t","name":"thread ${phase}","cat":"rchan:thread",${this.#at(thread)},"ts":${this.#ts(time)},"args":{${args}}`,
    )
    if (phase === 'came') return
    this.#gone.delete(thread)
    this.#gone.add(thread)
    if (this.#gone.size <= MOST_GONE) return
    const [oldest] = this.#gone
    this.#gone.delete(oldest)
    this.#threads.delete(oldest)
    if (this.#latest?.thread === oldest) this.#latest = undefined
  }

  #loss(item: LossItem | GapItem): void {
    this.losses.add(item)
    const { from, to, cpu } = item
    const isLoss = item.type === 'loss'
    const name = isLoss ? 'lost events' : 'missing packets'
    const args = isLoss ? `"events":${item.events}` : `"packets":${item.packets}`
    const thread = isLoss ? item.thread : undefined
    // An asynchronous slice, so that it may overlap what its thread did.
    const where = thread === undefined ? '"pid":0,"tid":0' : this.#at(thread)
    const id = `"id2":{"local":"0x${(this.#losses += 1).toString(16)}"}`
    const head = `"name":"${name}","cat":"rchan:loss",${id},${where}`
    this.#add(`"ph":"b",${head},"ts":${this.#ts(from)},"args":{"cpu":${cpu},${args}}`)
    this.#add(`"ph":"e",${head},"ts":${this.#ts(to)},"args":{}`)
  }

  #losses = 0
}

/** Returns fields as arguments, with our own, which no field can be called. */
function withOwn(fields: ItemFields, failed: boolean, cut: 'start' | 'end' | undefined): string {
  let args = jsonMembers(fields, 'number-if-safe')
  if (failed) args += `${args === '' ? '' : ','}"rchan.outcome":"failed"`
  if (cut !== undefined) args += `${args === '' ? '' : ','}"rchan.cut":"${cut}"`
  return args
}

/** Returns ns as µs, with all digits. */
function micros(ns: bigint): string {
  const number = Number(ns)
  if (!Number.isSafeInteger(number)) return microsOfDigits(ns)
  const whole = Math.floor(Math.abs(number) / 1000)
  const rest = Math.abs(number) % 1000
  const sign = number < 0 ? '-' : ''
  if (rest === 0) return `${sign}${whole}`
  return `${sign}${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

function microsOfDigits(ns: bigint): string {
  const digits = String(ns < 0n ? -ns : ns)
  return `${ns < 0n ? '-' : ''}${digits.slice(0, -3)}.${digits.slice(-3)}`
}
