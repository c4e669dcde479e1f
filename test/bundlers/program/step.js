import { tracepoint } from 'rchan'

export const step = tracepoint('bundled:step', { n: 'u32', who: 'string' })
