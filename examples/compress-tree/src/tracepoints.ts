/**
 * The tracepoints of this program. `rchan record` tells of its threads, its pool and its tasks
 * without them; these say what a task does with its time. While nothing is recorded, a call costs a
 * load and a branch. Workers need no set-up.
 */
import { counter, span, t } from 'rchan'

/** A part of the job, on the main thread. */
export const phase = span('job:phase', { name: 'interned', files: 'u32' })

/** In a worker: the steps of a task. */
export const read = span('file:read', { path: 'string', bytes: t.u32({ unit: 'bytes' }) })
export const hash = span('file:hash', { path: 'string' })
export const compress = span('file:compress', { path: 'string', bytes: t.u32({ unit: 'bytes' }) })

/** On the main thread: what was compressed so far. */
export const progress = counter('job:bytes', {
  in: t.f64({ unit: 'bytes' }),
  out: t.f64({ unit: 'bytes' }),
})
