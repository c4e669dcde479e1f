/**
 * The tracepoints of a pool: when each task was submitted, started and ended, and which threads
 * came and went.
 *
 * This file is meant to be copied. It needs nothing of the rest: call `submit` where you hand a
 * task to your pool, `start` and `end` around the work in the worker, `online` where the worker's
 * module is loaded, and `offline` where you learn that a thread is gone. While nothing is recorded,
 * a call is a load and a branch; workers need no set-up.
 */
import { tracepoint } from 'rchan'

/**
 * On the thread that owns the pool, just before the task is handed over.
 *
 * `task` is a number of your own choice, `kind` the name that tasks of one kind share, `path` what
 * this one works on.
 */
export const submit = tracepoint('pool:submit', {
  task: 'u32',
  kind: 'string',
  path: 'string',
  bytes: 'u32',
})

/**
 * In the worker, first thing. The path stands here, too: it tells what a thread was doing when it
 * died.
 */
export const start = tracepoint('pool:start', { task: 'u32', kind: 'string', path: 'string' })

/** In the worker, last thing, in a `finally`: a task that failed has ended as well. */
export const end = tracepoint('pool:end', {
  task: 'u32',
  path: 'string',
  bytesIn: 'u32',
  bytesOut: 'u32',
  ok: 'bool',
})

/** In the worker, once, when its module is loaded. */
export const online = tracepoint('pool:online', { threadId: 'u32' })

/**
 * On the thread that owns the pool: an idle thread was ended. It can't tell itself, it sleeps in
 * `Atomics.wait`.
 */
export const offline = tracepoint('pool:offline', { threadId: 'u32' })

/** On the thread that owns the pool: what it does from here on. */
export const phase = tracepoint('job:phase', { name: 'string', files: 'u32' })
