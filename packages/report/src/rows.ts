/** Who is shown, and in which order: processes and their threads, those that did most first. */
import { durationText, SAMPLER, type Model, type ThreadUse } from '@rchan/analysis'
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'
import type { PageProcess } from './page-data.js'
import { shortText } from './shown-text.js'

/** Where Node lies tells nobody anything. */
const NODE = /^\S*[\\/](node(?:\.exe)?)(?=\s|$)/

/** A thread that is shown. */
export interface Row {
  /** Its place in `processes`. */
  readonly process: number
  /** Node's id. */
  readonly id: number
  readonly label: string
  readonly about: string
  /** Undefined if the model doesn't know it. */
  readonly use: ThreadUse | undefined
}

/** The rows of a page. */
export class Rows {
  readonly processes: PageProcess[] = []
  readonly threads: Row[] = []
  readonly #processes: TraceProcess[] = []
  readonly #rows = new Map<string, number>()

  /** @param seen threads of which there is something to show. */
  constructor(model: Model, seen: readonly TraceThread[]) {
    const uses = new Map<TraceProcess, ThreadUse[]>()
    for (const use of model.threads) {
      const known = uses.get(use.thread.process)
      if (known === undefined) uses.set(use.thread.process, [use])
      else known.push(use)
    }
    const others = new Map<TraceProcess, TraceThread[]>()
    for (const thread of seen) {
      const { process, name } = thread
      if (!uses.has(process)) uses.set(process, [])
      if (name === SAMPLER) continue
      const known = others.get(process)
      if (known === undefined) others.set(process, [thread])
      else known.push(thread)
    }
    const work = (all: readonly ThreadUse[]): number =>
      all.reduce((sum, use) => sum + workOf({ thread: use.thread, use }), 0)
    const commands = new Map(model.processes.map(({ process, command }) => [process, command]))
    for (const [process, own] of [...uses].sort(([, a], [, b]) => work(b) - work(a))) {
      const place = this.#processes.push(process) - 1
      this.processes.push({
        index: process.index,
        pid: process.pid,
        label: labelOfProcess(process, commands.get(process)),
      })
      const known = new Set(own.map(({ thread: { threadId } }) => threadId))
      const all = [
        ...own.map((use): Known => ({ thread: use.thread, use })),
        ...(others.get(process) ?? [])
          .filter(({ threadId }) => !known.has(threadId))
          .sort((a, b) => a.threadId - b.threadId)
          .map((thread): Known => ({ thread, use: undefined })),
      ]
      all.sort((a, b) => rank(a) - rank(b) || workOf(b) - workOf(a))
      for (const each of all) this.#add(place, each)
    }
  }

  /** The row of a thread; −1 if it is not shown. */
  of({ process, threadId }: TraceThread): number {
    return this.#rows.get(`${process.index} ${threadId}`) ?? -1
  }

  /** The place of a process in `processes`; −1 if it is not shown. */
  placeOf(process: TraceProcess): number {
    return this.#processes.indexOf(process)
  }

  processOf(place: number): TraceProcess {
    return this.#processes[place]
  }

  #add(process: number, { thread, use }: Known): void {
    const { threadId: id, name } = thread
    const key = `${thread.process.index} ${id}`
    // A thread's number may have been used twice: then it is one row.
    if (this.#rows.has(key)) return
    const unnamed = use === undefined ? `worker ${id}` : 'worker'
    const label = name !== '' ? shortText(name) : id === 0 ? 'main' : unnamed
    const about = use === undefined ? '' : aboutOf(use)
    this.#rows.set(key, this.threads.push({ process, id, label, about, use }) - 1)
  }
}

/** A thread, and what the model knows of it. */
interface Known {
  readonly thread: TraceThread
  readonly use: ThreadUse | undefined
}

function rank({ thread }: Known): number {
  return thread.threadId === 0 ? 0 : 1
}

/** How much it did. */
function workOf({ use }: Known): number {
  return use === undefined ? 0 : use.onCpuNs + use.taskNs
}

function labelOfProcess({ pid, env }: TraceProcess, command: string | undefined): string {
  const program = command ?? env.program ?? env.procname
  const text = typeof program === 'string' && program !== '' ? shortText(program) : 'process'
  return pid > 0 ? `${text.replace(NODE, '$1')} (${pid})` : 'unknown process'
}

function aboutOf({
  thread: { threadId },
  shares,
  tasks,
  stalls,
  lost,
  error,
  exitCode,
  role,
}: ThreadUse): string {
  const percent = (part: number): string => `${Math.round(part * 100)} %`
  return [
    `${role === 'main' ? '' : `#${threadId} · `}${percent(shares.busy)} busy`,
    ...(shares.waitingForCpu >= 0.005 ? [`${percent(shares.waitingForCpu)} no CPU`] : []),
    ...(shares.gc >= 0.005 ? [`${percent(shares.gc)} GC`] : []),
    ...(tasks > 0 ? [`${tasks} ${tasks === 1 ? 'task' : 'tasks'}`] : []),
    ...(stalls.count > 0 ? [`stalled ${durationText(stalls.ns)}`] : []),
    ...(lost > 0 ? [`${lost} lost`] : []),
    ...(error !== undefined ? ['died'] : (exitCode ?? 0) > 1 ? [`exit code ${exitCode}`] : []),
  ].join(' · ')
}
