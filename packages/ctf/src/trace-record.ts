/** A record, as the readers of streams give it. Types only. */
import type { DecodedValue } from './field-readers.js'
import type { EventClass } from './schema.js'

/** One event of a trace. */
export interface TraceRecord {
  /** Nanoseconds of the trace's monotonic clock. */
  readonly time: bigint
  /** The CPU that wrote it. */
  readonly cpu: number
  /**
   * How often the CPU's place had been taken before. −1 in a global trace, which doesn't have it.
   */
  readonly generation: number
  /**
   * Node's id of the thread that wrote it; 0 for the main thread. In a global trace: modulo 65536.
   */
  readonly threadId: number
  /** The thread's name; empty if the trace has none. */
  readonly threadName: string
  readonly event: EventClass
  /**
   * The fields by name: bigint for u64 and i64, boolean for bool, string for string, else number.
   */
  readonly fields: Record<string, DecodedValue>
  /** In a trace by others: the process that wrote it, where the trace says that. */
  readonly pid?: number
  /** In a trace by others: what it says beside the fields. */
  readonly context?: Record<string, DecodedValue>
}
