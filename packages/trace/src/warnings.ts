/**
 * Warnings for a recording that is empty or has losses: sentences that say what happened and what
 * to do. They are made at the end, from the totals, so they cost nothing while events are recorded.
 * Runs on the thread that records.
 */
import { parseSchema, typeWords } from '@rchan/ctf'
import { thisCpu } from '@rchan/runtime'
import type { RecordingTotals } from '@rchan/runtime/recorder'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { basename } from 'node:path'

/** The settings of a recording. */
export interface WarnedSettings {
  readonly mode: 'discard' | 'overwrite'
  readonly bufferSize: number
  readonly subbufSize: number
  readonly possibleCpus: number
  readonly hasFiles: boolean
}

/** The most kinds of events that one sentence names. */
const MOST_NAMED = 3
const KIB = 1024
/** On this channel Node reports each child process that this thread starts. */
const CHANNEL = 'child_process'

/** Counts the Node processes that this thread starts, until {@link end}. */
export class ChildCount {
  #count = 0
  readonly #onChild = (message: unknown): void => {
    const child = (message as { readonly process?: { readonly spawnfile?: unknown } } | undefined)?.process
    // The process is still being made; its file is known right after.
    queueMicrotask(() => {
      const file = child?.spawnfile
      if (typeof file !== 'string') return
      if (file === process.execPath || /^node(?:\.exe)?$/.test(basename(file))) this.#count += 1
    })
  }

  constructor() {
    subscribe(CHANNEL, this.#onChild)
  }

  end(): number {
    unsubscribe(CHANNEL, this.#onChild)
    return this.#count
  }
}

/**
 * Returns the warnings for a recording. Never throws: a program may have replaced built-ins that
 * this uses, and a complete recording must not fail because of a hint.
 *
 * @param children number of Node processes that were started during the recording.
 */
export function warningsOf(totals: RecordingTotals, settings: WarnedSettings, children: number): string[] {
  try {
    return findings(totals, settings, children)
  } catch (error) {
    return [`the recording could not be looked over for hints: ${(error as Error | undefined)?.message}`]
  }
}

function findings(totals: RecordingTotals, settings: WarnedSettings, children: number): string[] {
  const { mode, bufferSize, subbufSize, possibleCpus, hasFiles } = settings
  const { full, tooBig, bad } = totals.discarded
  const warnings: string[] = []
  const schemas = thisCpu.control.entries().found.map(({ text }) => ({ text, schema: parseSchema(text) }))
  const tried = totals.events + totals.overwritten + totals.torn + totals.unwritten
  if (tried + full + tooBig + bad + totals.noBuffer === 0) warnings.push(emptiness(schemas, totals))
  if (!hasFiles) {
    warnings.push(
      `nothing was written: the recording was in memory until its end, and its events are gone with it ` +
        `(${totals.unwritten} unwritten): call recording.setUpFiles({ path }) before stop to have them in a file, or ` +
        `give path or dir to startRecording`,
    )
  }
  if (children > 0) {
    warnings.push(
      `this thread started ${plural(children, 'process', 'processes')} of Node meanwhile, whose events are not in ` +
        `this trace: each process records by itself, so call startRecording in it, too, with a folder of its own`,
    )
  }
  if (full > 0) {
    const or = mode === 'discard' ? `, or give mode: 'overwrite' to keep the newest` : ''
    warnings.push(
      `${plural(full, 'event was', 'events were')} lost because a buffer was full: make bufferSize larger (it is ` +
        `${bufferSize / KIB} KiB)${or}`,
    )
  }
  if (tooBig > 0) {
    warnings.push(
      `${plural(tooBig, 'event was', 'events were')} longer than a sub-buffer (${subbufSize / KIB} KiB): ` +
        `shorten the texts${subbufSize < 256 * KIB ? ', or make bufferSize larger' : ''}`,
    )
  }
  if (bad > 0) {
    warnings.push(
      `${plural(bad, 'event', 'events')} had arguments that could not be read or don't fit their types: compare the ` +
        `calls with the fields that their tracepoints declare (badArguments has the first of each tracepoint)`,
    )
  }
  // Events of threads without a clock count there, too. Then `error` says so.
  if (totals.noBuffer > 0 && totals.error === undefined) {
    warnings.push(
      `${plural(totals.noBuffer, 'event', 'events')} came from threads that found no place among the ` +
        `${possibleCpus} of this recording, or did not get its buffers in time: make possibleCpus larger if more ` +
        `threads trace at once`,
    )
  }
  const first = new Map<string, string>()
  const told = new Set<string>()
  for (const { text, schema } of schemas) {
    if (schema === undefined) continue
    // The same event with a time of its own is no other one.
    if (schema.kind === 'late-event') continue
    const other = first.get(schema.name)
    if (other === undefined) first.set(schema.name, text)
    else if (!told.has(schema.name)) {
      told.add(schema.name)
      warnings.push(
        `the tracepoint ${schema.name} is declared with different fields, ${fieldsOf(other)} and ${fieldsOf(text)}, ` +
          `which are two kinds of events under one name: give them two names, or the same fields`,
      )
    }
  }
  return warnings
}

/** Returns why there is no event at all, as far as is known. */
function emptiness(
  schemas: readonly { readonly schema: { readonly name: string } | undefined }[],
  { durationMs }: RecordingTotals,
): string {
  const names = [...new Set(schemas.flatMap(({ schema }) => schema?.name ?? []))]
  const others =
    'a worker that was started before rchan was first imported on the main thread does not take part, so import ' +
    'rchan before you start workers'
  if (names.length === 0) {
    return (
      `no thread traced: no tracepoint has been declared with this rchan; declare some with tracepoint(name, fields) ` +
      `and call them. Also, ${others}`
    )
  }
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''
  return (
    `no thread traced: no call of the tracepoints (${names.slice(0, MOST_NAMED).join(', ')}${more}) was seen while the ` +
    `recording ran (${durationMs.toFixed(durationMs < 10 ? 1 : 0)} ms): call them after startRecording has resolved, ` +
    `and await the work before you call stop. Also, ${others}`
  )
}

function fieldsOf(text: string): string {
  const fields = parseSchema(text)?.fields ?? []
  return fields.length === 0
    ? '{}'
    : `{ ${fields.map(({ name, type }) => `${name}: ${typeWords(type)}`).join(', ')} }`
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}
