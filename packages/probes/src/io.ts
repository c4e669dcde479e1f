/**
 * The probe `io`: what Node itself measures: requests by HTTP, look-ups of names, connections; and
 * the program's own `performance.mark`, `performance.measure` and `console.time`. Node's observer
 * tells them late, so the spans have times of their own.
 */
import { PerformanceObserver, type EntryType, type PerformanceEntry } from 'node:perf_hooks'
import { span, t, tracepoint, whileRecording } from '@rchan/trace'
import { watchConsoleTimers } from './console-timers.js'
import { timesOf } from './observed.js'
import { guarded, type Probe } from './probe.js'
import { late } from './late.js'

const LONGEST = 200
const ENTRY_TYPES = ['http', 'dns', 'net', 'resource', 'measure', 'mark'] as EntryType[]

const text = t.string({ max: LONGEST })
const httpRequest = late(() => span('http:request', { method: 'interned', url: text, status: 'u32' }))
const httpClient = late(() => span('http:client', { method: 'interned', url: text, status: 'u32' }))
const fetched = late(() => span('fetch', { url: text, status: 'u32' }))
const dns = late(() => span('dns', { what: 'interned', host: text }))
const net = late(() => span('net', { host: text, port: 'u32' }))
const measure = late(() => span('user:measure', { name: 'interned' }))
const mark = late(() => tracepoint('user:mark', { name: 'interned' }))

export const io: Probe = {
  name: 'io',
  description: 'HTTP, DNS, connections, performance.mark and measure, console.time',
  byDefault: true,
  install: (context) =>
    whileRecording(() => {
      const observer = new PerformanceObserver(guarded(context, (list) => list.getEntries().forEach(tell)))
      // A type that this Node does not have is passed over.
      observer.observe({ entryTypes: ENTRY_TYPES })
      const endTimers = watchConsoleTimers(context)
      return () => {
        observer.disconnect()
        endTimers()
      }
    }),
}

function tell(entry: PerformanceEntry): void {
  const { entryType, name } = entry
  const { detail } = entry as { detail?: unknown }
  const { start, end } = timesOf(entry)
  switch (entryType) {
    case 'http': {
      const { req = {}, res = {} } = (detail ?? {}) as HttpDetail
      const kind = name === 'HttpClient' ? httpClient : httpRequest
      kind().between(start, end, {
        method: textOf(req.method),
        url: textOf(req.url),
        status: Number(res.statusCode ?? 0) >>> 0,
      })
      return
    }
    case 'resource': {
      const { initiatorType, responseStatus } = entry as Partial<Fetched>
      if (initiatorType !== 'fetch') return
      // Node 20 does not tell the status.
      fetched().between(start, end, { url: name, status: Number(responseStatus ?? 0) >>> 0 })
      return
    }
    case 'dns': {
      const { host, hostname } = (detail ?? {}) as { host?: unknown; hostname?: unknown }
      dns().between(start, end, { what: name, host: textOf(host ?? hostname) })
      return
    }
    case 'net': {
      const { host, port } = (detail ?? {}) as { host?: unknown; port?: unknown }
      net().between(start, end, { host: textOf(host), port: Number(port ?? 0) >>> 0 })
      return
    }
    case 'measure':
      measure().between(start, end, { name })
      return
    default:
      mark().at(start, { name })
  }
}

/** What an entry of a fetch has beside. */
interface Fetched {
  readonly initiatorType: unknown
  readonly responseStatus: unknown
}

interface HttpDetail {
  readonly req?: { readonly method?: unknown; readonly url?: unknown }
  readonly res?: { readonly statusCode?: unknown }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
