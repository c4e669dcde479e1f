/** The tracepoints of the tasks probe: the way of a task, from its submission to its reply. */
import { asyncSpan, flow, span, t, tracepoint } from '@rchan/trace'
import { late } from './late.js'

const ns = t.u64({ unit: 'ns' })

/** On the thread that submits: from the submission until the reply was handled. */
export const task = late(() =>
  asyncSpan('task', { begin: { pool: 'interned', name: 'interned', file: 'interned' } }),
)
/** It was given to a worker. `size`: see `task-size.ts`. */
export const dispatched = late(() =>
  tracepoint('task:dispatched', {
    id: 'u64',
    pool: 'interned',
    threadId: 'u32',
    size: t.u32({ unit: 'bytes' }),
  }),
)
/**
 * On the worker: from the moment at which it has the task until it has the result. `onCpu` and
 * `waitingForCpu` are the kernel's figures for its thread in this time; 0 where they are not known.
 * `read`: how long reading its message took before that; 0 where the event loop has read it.
 */
export const run = late(() =>
  span('task:run', {
    id: 'u64',
    name: 'interned',
    onCpu: ns,
    waitingForCpu: ns,
    read: ns,
  }),
)
/** On the worker: the reply was posted. */
export const replied = late(() => tracepoint('task:replied', { id: 'u64', serializeNs: ns }))
/** From the thread that submits to the worker, and back. */
export const way = late(() => flow('task:flow'))
/** A pool, told with its first task. */
export const poolFound = late(() =>
  tracepoint('pool:found', {
    pool: 'interned',
    kind: 'interned',
    minThreads: 'u32',
    maxThreads: 'u32',
    tasksPerThread: 'u32',
  }),
)
