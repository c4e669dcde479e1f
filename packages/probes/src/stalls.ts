/** Tracepoints of event loops that stand still. The sampler and the thread itself write them. */
import { span, t, tracepoint } from '@rchan/trace'
import { late } from './late.js'

/** An event loop stands still, and has for longer than the limit. The sampler writes it. */
export const stalled = late(() =>
  tracepoint(
    'loop:stalled',
    { threadId: 'u32', limitMs: 'u32', since: t.u64({ unit: 'ns' }) },
    { level: 'warning' },
  ),
)

/**
 * The event loop of the thread that writes it stood still from the start to the end of the span.
 */
export const stall = late(() => span('loop:stall', { limitMs: 'u32' }, { level: 'warning' }))
