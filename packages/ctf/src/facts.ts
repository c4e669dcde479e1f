/**
 * What a trace tells apart from its records: the lives of the threads, and the spans that were cut
 * off. It stands in the `env` block of the metadata, one entry for each, so other readers pass it
 * over. Pure functions, any thread.
 *
 * ```text
 *   rchan_end = "TIME";
 *   rchan_untold = "NUMBER";
 *   rchan_thread_0 = "cpu=0&generation=0&threadId=0&threadName=main&runs=%2Fapp.js&came=TIME&went=TIME";
 *   rchan_cut_0 = "cpu=1&generation=0&threadId=3&span=tile%3Adecode&start=TIME&at=TIME";
 * ```
 *
 * Times are ns of the trace's clock. `went` is missing if the thread lived on.
 */

/** The life of a thread in a recording. Times are ns of the trace's clock. */
export interface ThreadFact {
  readonly cpu: number
  readonly generation: number
  readonly threadId: number
  readonly threadName: string
  /** The file that it runs; empty if that is not known. */
  readonly runs: string
  /** When it came online. */
  readonly came: bigint
  /** When it was found dead; undefined if it lived on. */
  readonly went: bigint | undefined
}

/** A span that had not ended when its thread died, or the recording did. */
export interface CutFact {
  readonly cpu: number
  readonly generation: number
  readonly threadId: number
  /** The name of its tracepoint. */
  readonly span: string
  readonly start: bigint
  /** When it was cut off. */
  readonly at: bigint
}

/** All facts of a trace. */
export interface TraceFacts {
  /** When they were known: the end of the recording, or of a part of it. */
  readonly end: bigint
  /** Facts that are missing, because there were too many. */
  readonly untold: number
  readonly threads: readonly ThreadFact[]
  readonly cuts: readonly CutFact[]
}

const PREFIX = 'rchan_'
const WHOLE = /^[0-9]{1,19}$/

/** Returns the entries for `env`. */
export function factsText({ end, untold, threads, cuts }: TraceFacts): Record<string, string> {
  const entries: Record<string, string> = { [`${PREFIX}end`]: `${end}` }
  if (untold > 0) entries[`${PREFIX}untold`] = `${untold}`
  threads.forEach(({ went, ...thread }, index) => {
    entries[`${PREFIX}thread_${index}`] = form(went === undefined ? thread : { ...thread, went })
  })
  cuts.forEach((cut, index) => {
    entries[`${PREFIX}cut_${index}`] = form({ ...cut })
  })
  return entries
}

/**
 * Reads the facts from `env`, which is untrusted.
 *
 * @returns the facts, undefined if there are none; and the entries that are no facts.
 */
export function parseFacts(env: Readonly<Record<string, string | number>>): {
  facts: TraceFacts | undefined
  env: Record<string, string | number>
} {
  const rest = new Map<string, string | number>()
  const threads: ThreadFact[] = []
  const cuts: CutFact[] = []
  let end: bigint | undefined
  let untold = 0
  for (const [name, value] of Object.entries(env)) {
    const text = String(value)
    if (name === `${PREFIX}end` && WHOLE.test(text)) end = BigInt(text)
    else if (name === `${PREFIX}untold` && WHOLE.test(text)) untold = Number(text)
    else if (name.startsWith(`${PREFIX}thread_`)) add(threads, threadOf(new URLSearchParams(text)))
    else if (name.startsWith(`${PREFIX}cut_`)) add(cuts, cutOf(new URLSearchParams(text)))
    else rest.set(name, value)
  }
  const facts = end === undefined ? undefined : { end, untold, threads, cuts }
  return { facts, env: Object.fromEntries(rest) }
}

function form(values: Readonly<Record<string, string | number | bigint>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${encodeURIComponent(wellFormed(String(value)))}`)
    .join('&')
}

/** Half a surrogate pair can't be encoded. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Cs}/gu, '\ufffd')
}

function add<T>(list: T[], entry: T | undefined): void {
  if (entry !== undefined) list.push(entry)
}

function threadOf(from: URLSearchParams): ThreadFact | undefined {
  const who = whoOf(from)
  const came = timeOf(from, 'came')
  if (who === undefined || came === undefined) return undefined
  const threadName = from.get('threadName') ?? ''
  return { ...who, threadName, runs: from.get('runs') ?? '', came, went: timeOf(from, 'went') }
}

function cutOf(from: URLSearchParams): CutFact | undefined {
  const who = whoOf(from)
  const start = timeOf(from, 'start')
  const at = timeOf(from, 'at')
  const span = from.get('span')
  if (who === undefined || start === undefined || at === undefined || span === null) return undefined
  return { ...who, span, start, at }
}

function whoOf(from: URLSearchParams): Pick<ThreadFact, 'cpu' | 'generation' | 'threadId'> | undefined {
  const [cpu, generation, threadId] = ['cpu', 'generation', 'threadId'].map((name) => {
    const text = from.get(name) ?? ''
    return WHOLE.test(text) ? Number(text) : -1
  })
  return cpu < 0 || generation < 0 || threadId < 0 ? undefined : { cpu, generation, threadId }
}

function timeOf(from: URLSearchParams, name: string): bigint | undefined {
  const text = from.get(name) ?? ''
  return WHOLE.test(text) ? BigInt(text) : undefined
}
