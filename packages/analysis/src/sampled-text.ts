/** The functions in which time went, as text. */
import type { HotFunction, Model, Sampled } from './model.js'
import { durationText } from './quantity.js'
import { shown, table } from './aligned-text.js'

/** Functions of a thread, or of a task. */
const SHOWN = 10
/** A function with less of the time is not shown. */
const LEAST = 0.005

/** Returns the tables of the functions, those of tasks first. Empty if nothing was sampled. */
export function sampledText({ pools, threads, processes }: Model): string {
  const several = processes.length > 1
  const ofProcess = (pid: number): string => (several ? ` of process ${pid}` : '')
  const parts: string[] = []
  for (const { name, process, sampled = [] } of pools) {
    for (const each of sampled) {
      parts.push(functionTable(`${shown(each.task)} in ${shown(name)}${ofProcess(process.pid)}`, each))
    }
  }
  for (const { thread, role, sampled } of threads) {
    if (sampled === undefined) continue
    const name = shown(thread.name) || (role === 'main' ? 'main' : 'worker')
    parts.push(functionTable(`${name} (${thread.threadId})${ofProcess(thread.process.pid)}`, sampled))
  }
  return parts.filter((part) => part !== '').join('\n')
}

function functionTable(what: string, { ns, idleNs, functions }: Sampled): string {
  const hot = functions.filter(({ selfNs }) => selfNs >= LEAST * ns && selfNs > 0).slice(0, SHOWN)
  if (hot.length === 0) return ''
  const part = (time: number): string => `${((time / ns) * 100).toFixed(1)} %`
  const rows = hot.map((each) => [part(each.selfNs), part(each.totalNs), nameOf(each), placeOf(each)])
  const head = `functions of ${what}, of ${durationText(ns)}${idleNs > 0 ? `, and ${durationText(idleNs)} idle` : ''}\n`
  return head + table([['self', 'total', 'function', 'at'], ...rows], [false, false, true, true])
}

function nameOf({ name }: HotFunction): string {
  return name === '' ? '(no name)' : shown(name)
}

function placeOf({ file, line, column }: HotFunction): string {
  return file === '' ? '' : shown(`${file}${line > 0 ? `:${line}:${column}` : ''}`)
}
