/** A model as text for people, and as plain data for JSON. */
import type { TraceThread } from '@rchan/ctf/reader'
import type {
  Crew,
  Evidence,
  Finding,
  IoUse,
  Model,
  Pool,
  Quantiles,
  Route,
  Shares,
  Task,
  ThreadUse,
} from './model.js'
import { shownParts } from './parts-text.js'
import { processTable } from './process-text.js'
import { durationText, numberText, quantityText } from './quantity.js'
import { hasDied } from './findings/finder.js'
import { sampledText } from './sampled-text.js'
import { shown, table } from './aligned-text.js'
import { isSilent, nameOfFile, threadText } from './thread-text.js'

/** How many of the slowest tasks of a pool the text shows. */
const SLOWEST_SHOWN = 5
/** Characters of a task's arguments. */
const ARGUMENTS_SHOWN = 60
/** How many routes of messages the text shows. */
const ROUTES_SHOWN = 20
/** How a task ended, where that is to be said. */
const ENDS: Readonly<Record<Task['outcome'], string>> = { ok: '', failed: 'failed', cut: 'no end' }
const SIGNS: Readonly<Record<Finding['severity'], string>> = { problem: '!', hint: '?', ok: '✓' }

/** How many kinds of requests and measures the text shows. */
const IO_SHOWN = 10

/** Returns a model as text, the findings first. Empty if the probes have not recorded it. */
export function modelText(model: Model): string {
  const { findings, pools, crews, routes, io, threads, processes } = model
  const told = routes.filter(({ isPools }) => !isPools)
  const functions = sampledText(model)
  const several = processes.length > 1
  // Else what a thread did is not known.
  const isProbed = processes.some(({ command }) => command !== undefined)
  const parts: string[] = []
  if (findings.length > 0) parts.push(findings.map(findingText).join('\n'))
  if (several) parts.push(processTable(processes, threads))
  for (const pool of pools) parts.push(poolText(pool, several, model.from))
  if (told.length > 0)
    parts.push(crews.map((crew) => crewText(crew, several)).join('') + routeTable(told, several))
  if (io.length > 0) parts.push(ioTable(io, several))
  if (isProbed || findings.length + pools.length + told.length > 0) parts.push(shareTable(threads, several))
  if (functions !== '') parts.push(functions)
  return parts.join('\n')
}

function findingText(finding: Finding): string {
  const { severity, title, evidence, advice, thin } = finding
  const cost = costText(finding)
  const figures = evidence.map((each) => `${each.label} ${evidenceText(each)}`).join(', ')
  return [
    `${SIGNS[severity]} ${shown(title)}${cost === '' ? '' : ` It ${cost}.`}`,
    `    ${shown(figures)}`,
    `    ${shown(advice)}`,
    ...(thin === undefined ? [] : [`    The evidence is thin: ${thin}`]),
    '',
  ].join('\n')
}

/** Returns what a finding cost, as a verb and its object; empty where that can't be said. */
export function costText({ costNs, isCostOfEach = false }: Finding): string {
  return costNs > 0 ? `cost ${isCostOfEach ? 'each task ' : ''}about ${durationText(costNs)}` : ''
}

/** Returns a figure with its unit. */
export function evidenceText({ value, unit }: Evidence): string {
  return unit === '%' ? `${numberText(value)} %` : quantityText(value, unit)
}

/** @param from the recording's start. */
function poolText(pool: Pool, several: boolean, from: bigint): string {
  const { name, tasks, perSecond, failed, cut, run, slowest } = pool
  const head = [
    `${shown(name)}${several ? ` of process ${pool.process.pid}` : ''}:`,
    `${numberText(tasks)} ${tasks === 1 ? 'task' : 'tasks'},`,
    `${numberText(perSecond)} a second, ${placesText(pool)}`,
    ...(failed > 0 ? [`, ${failed} failed`] : []),
    ...(cut > 0 ? [`, ${cut} without an end`] : []),
  ].join(' ')
  const rows = [
    ['', 'p50', 'p90', 'p99', 'max'],
    ...stagesOf(pool).map(([label, quantiles]) => quantileRow(label, quantiles)),
  ]
  const lines = [`${head.replaceAll(' ,', ',')}\n`, table(rows, [true, false, false, false, false])]
  if (run.sum > 0) lines.push(partsText(pool))
  if (slowest.length > 0)
    lines.push(
      'slowest tasks\n',
      (isUnseen(pool) ? unseenTable : slowestTable)(slowest.slice(0, SLOWEST_SHOWN), from),
    )
  return lines.join('')
}

/** Whether none of its tasks was seen to run: they did in child processes. */
function isUnseen({ unseen, run }: Pool): boolean {
  return unseen.count > 0 && run.count === 0
}

/** Returns where the tasks of a pool run. */
export function placesText(pool: Pool): string {
  const { threadsAtOnce } = pool
  if (isUnseen(pool)) return 'in child processes'
  return `${threadsAtOnce} ${threadsAtOnce === 1 ? 'thread' : 'threads'}`
}

/** Returns the stages of a pool's tasks: those that were seen. */
export function stagesOf(pool: Pool): (readonly [string, Quantiles])[] {
  const { wait, wake, run, reply, unseen } = pool
  const inside = [
    ['to the worker', wake],
    ['run', run],
    ['result handled', reply],
  ] as const
  return [
    ['queued', wait],
    ...(unseen.count > 0 ? ([['in a process', unseen]] as const) : []),
    ...(isUnseen(pool) ? [] : inside),
  ]
}

function crewText({ name, process, parent, workers, there, back }: Crew, several: boolean): string {
  const count = workers.length
  const whose = `${threadText(parent)}${several ? ` of process ${process.pid}` : ''}`
  return (
    `${shown(name) || 'workers'}: ${count} ${count === 1 ? 'worker' : 'workers'} of ${whose}, ` +
    `${numberText(there.messages)} ${there.messages === 1 ? 'message' : 'messages'} there, ${numberText(back.messages)} back\n`
  )
}

function routeTable(routes: readonly Route[], several: boolean): string {
  const head = ['messages', 'to', ...(several ? ['process'] : []), 'count']
  const stages = ['posting', 'on its way', 'handling'].flatMap((stage) => [stage, 'p99'])
  const rows = [[...head, ...stages, 'not received']]
  for (const { from, to, messages, post, wait, handle, unhandled } of routes.slice(0, ROUTES_SHOWN)) {
    rows.push([
      endText(from),
      endText(to),
      ...(several ? [String(from.process.pid)] : []),
      numberText(messages),
      ...[post, wait, handle].flatMap(({ count, p50, p99 }) =>
        [p50, p99].map((value) => (count === 0 ? '–' : durationText(value))),
      ),
      isSilent(to) ? 'not known' : unhandled === 0 ? '' : numberText(unhandled),
    ])
  }
  const more = routes.length - ROUTES_SHOWN
  const left = rows[0].map((_, column) => column < 2)
  return table(rows, left) + (more > 0 ? `and ${more} more between other threads\n` : '')
}

/** A thread in a row: its name and its number. */
function endText({ threadId, name }: TraceThread): string {
  return threadId === 0 ? 'main' : `${shown(name) || 'worker'} ${threadId}`
}

function quantileRow(label: string, quantiles: Quantiles): string[] {
  const { count, p50, p90, p99, max } = quantiles
  return [label, ...[p50, p90, p99, max].map((value) => (count === 0 ? '–' : durationText(value)))]
}

function partsText(pool: Pool): string {
  const { verb, parts, error } = shownParts(pool.parts, pool.run.sum)
  return `run time ${verb}: ${[...parts.map(({ text }) => text), ...(error === '' ? [] : [error])].join(', ')}\n`
}

function slowestTable(tasks: readonly Task[], from: bigint): string {
  const hasArguments = tasks.some((task) => task.arguments !== undefined)
  const rows = [
    ['task', 'at', 'worker', 'queued', 'to worker', 'run', 'result', 'on CPU', 'no CPU', 'gc', 'blocked', ''],
  ]
  const left = rows[0].map((_, column, all) => column === 0 || column === all.length - 1)
  if (hasArguments) {
    rows[0].push('arguments')
    left.push(true)
  }
  for (const task of tasks) {
    const { id, name, worker, queued, dispatched, started, finished, handled, outcome } = task
    rows.push([
      `${shown(name) || 'task'} #${id}`,
      durationText(Number(queued - from)),
      worker === undefined ? '–' : String(worker.threadId),
      between(queued, dispatched),
      between(dispatched, started),
      between(started, finished),
      between(finished, handled),
      ...[task.onCpu, task.waitingForCpu, task.gc, task.blocked].map((value) =>
        value === undefined ? '–' : durationText(value),
      ),
      ENDS[outcome],
      ...(hasArguments ? [shown(argumentsText(task))] : []),
    ])
  }
  return table(rows, left)
}

function argumentsText({ arguments: text = '' }: Task): string {
  return text.length <= ARGUMENTS_SHOWN ? text : `${text.slice(0, ARGUMENTS_SHOWN - 1)}…`
}

/** Tasks that ran in child processes. */
function unseenTable(tasks: readonly Task[], from: bigint): string {
  const hasArguments = tasks.some((task) => task.arguments !== undefined)
  const rows = [['task', 'at', 'queued', 'in a process', '', ...(hasArguments ? ['arguments'] : [])]]
  for (const task of tasks) {
    const { id, name, queued, dispatched, handled, outcome } = task
    rows.push([
      `${shown(name) || 'task'} #${id}`,
      durationText(Number(queued - from)),
      between(queued, dispatched),
      between(dispatched, handled),
      ENDS[outcome],
      ...(hasArguments ? [shown(argumentsText(task))] : []),
    ])
  }
  const left = rows[0].map((_, column) => column === 0 || column >= 4)
  return table(rows, left)
}

function between(start: bigint | undefined, end: bigint | undefined): string {
  return start === undefined || end === undefined ? '–' : durationText(Number(end - start))
}

function ioTable(io: readonly IoUse[], several: boolean): string {
  const head = ['requests and measures', '', ...(several ? ['process'] : []), 'count']
  const rows = [[...head, 'p50', 'p99', 'max', 'sum', 'failed']]
  for (const { kind, name, thread, duration, failed } of io.slice(0, IO_SHOWN)) {
    const { count, p50, p99, max, sum } = duration
    rows.push([
      kind,
      shown(name),
      ...(several ? [String(thread.process.pid)] : []),
      numberText(count),
      ...[p50, p99, max, sum].map((value) => durationText(value)),
      failed === 0 ? '' : numberText(failed),
    ])
  }
  const more = io.length - IO_SHOWN
  const left = rows[0].map((_, column) => column < 2)
  return table(rows, left) + (more > 0 ? `and ${more} more, which took less\n` : '')
}

function shareTable(threads: readonly ThreadUse[], several: boolean): string {
  const rows = [
    ['thread', 'id', ...(several ? ['process'] : []), 'busy', 'no CPU', 'gc', 'idle', 'tasks', 'start', ''],
  ]
  for (const use of threads) {
    const { thread, role, runs, stalls, isProbed, shares, basis, tasks, spawned, ready, online, error } = use
    const at = ready ?? online
    rows.push([
      shown(thread.name) || (role === 'main' ? 'main' : shown(nameOfFile(runs ?? '')) || '–'),
      String(thread.threadId),
      ...(several ? [String(thread.process.pid)] : []),
      ...shareTexts(shares, basis),
      numberText(tasks),
      between(spawned, at),
      [
        ...(error === undefined ? [] : [shown(error.split('\n')[0])]),
        ...(error === undefined && hasDied(use) ? [`exit code ${use.exitCode}`] : []),
        ...(stalls.count === 0 ? [] : [stallsText(stalls)]),
        ...(isProbed || spawned === undefined ? [] : ['tells nothing itself']),
        ...(basis === 'spans' ? ['without the time on CPUs'] : []),
      ].join(', '),
    ])
  }
  return table(rows, [true, ...rows[0].slice(1, -1).map(() => false), true])
}

function stallsText({ count, longest }: ThreadUse['stalls']): string {
  return `stood still ${count === 1 ? 'once, for' : `${numberText(count)} times, up to`} ${durationText(longest)}`
}

/**
 * Returns the parts of a thread's time. Without the kernel's account nobody knows its wait for a
 * CPU, nor what a thread did of which no span tells.
 */
function shareTexts({ busy, waitingForCpu, gc, idle }: Shares, basis: ThreadUse['basis']): string[] {
  const text = (part: number): string => `${(part * 100).toFixed(1)} %`
  if (basis === 'kernel') return [busy, waitingForCpu, gc, idle].map(text)
  return busy > 0 ? [text(busy), '–', text(gc), text(idle)] : ['–', '–', text(gc), '–']
}

/**
 * Returns a model as data that `JSON.stringify` takes: times become ns since its start, ids text,
 * and threads `{ pid, threadId, name }`.
 */
export function modelJson(model: Model): Record<string, unknown> {
  return plain(model, model.from) as Record<string, unknown>
}

function plain(value: unknown, from: bigint, key = ''): unknown {
  if (typeof value === 'bigint') return key === 'id' ? String(value) : Number(value - from)
  if (Array.isArray(value)) return value.map((each) => plain(each, from))
  if (typeof value !== 'object' || value === null) return value
  if ('threadId' in value) {
    const { threadId, name, process } = value as TraceThread
    return { pid: process.pid, threadId, name }
  }
  if ('folder' in value && 'pid' in value) return value.pid
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each, from, name)]))
}
