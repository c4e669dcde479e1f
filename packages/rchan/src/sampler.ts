/** The sampler thread of the probes. It is no entry: `start-sampler` starts it. */
export * from '@rchan/probes/sampler'
