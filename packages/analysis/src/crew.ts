/**
 * Crews: the workers that a thread has started itself, of one file, with which it talks by
 * messages. What a pool does with its workers, a program does with a crew. Also the routes between
 * threads.
 */
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'
import { Coverage } from './coverage.js'
import type { MessageModel } from './message-model.js'
import type { Crew, CrewWorker, Route, ThreadUse } from './model.js'
import { RouteModel } from './route-model.js'
import type { ThreadModel } from './thread-model.js'
import { nameOfFile, UNNAMED } from './thread-text.js'

/** What is known when a process has ended. */
interface Known {
  readonly process: TraceProcess
  readonly messages: MessageModel
  readonly threads: ReadonlyMap<number, ThreadModel>
  readonly uses: readonly ThreadUse[]
  /** The workers of pools: they are in no crew. */
  readonly pooled: ReadonlySet<TraceThread>
  /** What the times of the models are counted from. */
  readonly base: bigint
}

/** A crew, so far. */
interface Members {
  readonly parent: ThreadModel
  readonly workers: { readonly model: ThreadModel; readonly use: ThreadUse }[]
  readonly there: RouteModel
  readonly back: RouteModel
}

/** Returns the routes of a process, and its crews. */
export function crewsOf(known: Known): { routes: Route[]; crews: Crew[] } {
  const { threads, uses, pooled } = known
  const crews = new Map<string, Members>()
  const crewOf = new Map<ThreadModel, Members>()
  for (const use of uses) {
    const model = threads.get(use.thread.threadId)
    if (model === undefined || use.role !== 'worker' || pooled.has(use.thread)) continue
    const parent = model.parent === undefined ? undefined : threads.get(model.parent.threadId)
    if (parent === undefined) continue
    let crew = crews.get(model.kind)
    if (crew === undefined) {
      crew = { parent, workers: [], there: new RouteModel(), back: new RouteModel() }
      crews.set(model.kind, crew)
    }
    crew.workers.push({ model, use })
    crewOf.set(model, crew)
  }
  const routes: Route[] = []
  const posted = new Map<ThreadModel, RouteModel>()
  known.messages.routes((from, to, route) => {
    const there = crewOf.get(to)
    if (there?.parent === from) {
      there.there.add(route)
      posted.set(to, route)
    }
    const back = crewOf.get(from)
    if (back?.parent === to) back.back.add(route)
    const isPools = pooled.has(from.thread) || pooled.has(to.thread)
    routes.push({ from: from.thread, to: to.thread, isPools, ...route.result(known.base) })
  })
  return {
    routes,
    crews: [...crews.values()]
      .filter(({ there, back }) => there.messages + back.messages > 0)
      .map((crew) => crewFrom(crew, posted, known)),
  }
}

function crewFrom(
  { parent, workers, there, back }: Members,
  posted: ReadonlyMap<ThreadModel, RouteModel>,
  { process, base }: Known,
): Crew {
  const active = new Coverage()
  let from: bigint | undefined
  let to = base
  for (const { model, use } of workers) {
    active.addAll(model.talk.active)
    if (from === undefined || use.from < from) from = use.from
    if (use.to > to) to = use.to
  }
  const [{ model: first }] = workers
  const end = active.extent?.to ?? 0
  return {
    name: nameOf(first),
    process,
    parent: parent.thread,
    from: from ?? base,
    to,
    activeNs: active.length,
    there: there.result(base),
    back: back.result(base),
    workers: workers.map(({ model, use }): CrewWorker => {
      const { talk } = model
      const route = posted.get(model)
      return {
        thread: use.thread,
        messages: route?.messages ?? 0,
        unhandled: route?.unhandled ?? 0,
        answers: talk.posted,
        workNs: workOf(model, use),
        thereNs: Math.max(0, Math.min(Number(use.to - base), end) - (talk.active.extent?.from ?? end)),
        onCpuNs: talk.before === undefined ? 0 : use.onCpuNs - talk.before.onCpu,
        waitingForCpuNs: talk.before === undefined ? 0 : use.waitingForCpuNs - talk.before.waitingForCpu,
      }
    }),
  }
}

/** Empty for workers that have neither a file nor a name. */
function nameOf({ file = '', name }: ThreadModel): string {
  const own = file === '' ? '' : nameOfFile(file)
  const known = own === '' || own === UNNAMED ? name : own
  return known === UNNAMED ? '' : known
}

/** How long a worker was at work on messages. */
function workOf({ talk }: ThreadModel, { onCpuNs, basis }: ThreadUse): number {
  const { work, isAnswering, before, messagingNs } = talk
  if (isAnswering || basis !== 'kernel' || before === undefined) return work.length
  // What listeners await is not in their time. Of that, the kernel knows what it took of a CPU.
  return Math.max(work.length, onCpuNs - before.onCpu - messagingNs)
}
