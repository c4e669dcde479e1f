/** What encoders of both kinds of buffer are. It is here so that they need not import each other. */

/** The encoder of one recording. `flag` is that of its tracepoint, and not 0. */
export type Bound = (args: Readonly<Record<string, unknown>> | undefined, flag: number) => void
