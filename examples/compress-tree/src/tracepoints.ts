/**
 * The tracepoints of a pool: when each task was submitted, started and ended, and which threads
 * started and ended.
 *
 * Copy this file. It needs nothing of the rest. Call `submit` where you hand a task to your pool,
 * `start` and `end` around the work in the worker, `online` where the worker's module is loaded,
 * and `offline` where you learn that a thread is gone. While nothing is recorded, a call costs a
 * load and a branch. Workers need no set-up.
 */
import { tracepoint } from 'rchan'

/**
 * On the thread that owns the pool, just before the task is handed over.
 *
 * `task` is a number of your choice, `kind` the common name of similar tasks, `path` the file that
 * this task works on.
 */
export const submit = tracepoint('pool:submit', {
  task: 'u32',
  kind: 'string',
  path: 'string',
  bytes: 'u32',
})

/**
 * In the worker, before the work. The path is here, too: it tells which file a thread was working
 * on when it died.
 */
export const start = tracepoint('pool:start', { task: 'u32', kind: 'string', path: 'string' })

/** In the worker, after the work, in a `finally`: a failed task has ended, too. */
export const end = tracepoint('pool:end', {
  task: 'u32',
  path: 'string',
  bytesIn: 'u32',
  bytesOut: 'u32',
  ok: 'bool',
})

/**
 * In the worker, once, when the worker's module is loaded. It needs no fields: the trace says of
 * each event which thread it is from.
 */
export const online = tracepoint('pool:online', {})

/**
 * On the thread that owns the pool, when an idle thread was ended. That thread can't record it,
 * because it sleeps in `Atomics.wait`.
 */
export const offline = tracepoint('pool:offline', { threadId: 'u32' })

/** On the thread that owns the pool, when a phase of the job begins. */
export const phase = tracepoint('job:phase', { name: 'string', files: 'u32' })
