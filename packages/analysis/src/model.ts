/**
 * What a recording of a program says about it: its processes, threads, pools and tasks, and what is
 * wrong. Types only. Times are ns of the trace's clock; durations are ns.
 */
import type { TraceProcess, TraceThread } from '@rchan/ctf/reader'
import type { Bin } from './sketch.js'

/** How durations are distributed, in ns. All are 0 if there is none. */
export interface Quantiles {
  readonly count: number
  readonly sum: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
  /** How many durations lie where, four bins for each power of two. */
  readonly bins: readonly Bin[]
}

/** What time is made of, in ns. */
export interface Parts {
  /** On a CPU, without garbage collection. */
  readonly onCpu: number
  /** It could have run, and no CPU was free. */
  readonly waitingForCpu: number
  /** Collections, without their share of the wait for a CPU. */
  readonly gc: number
  /** It waited for something else: a timer, a file, a lock, a reply. */
  readonly blocked: number
  /** Not known: the recording has no account of the thread, as on other systems than Linux. */
  readonly unknown: number
  /**
   * The time whose parts are an estimate: short tasks share what their thread had between two
   * readings of its account, in proportion to their run times.
   */
  readonly estimated: number
  /** How much of that may belong to another part. */
  readonly error: number
}

/** The part of a thread's time, each from 0 to 1, together 1. */
export interface Shares {
  /** At work, without garbage collection. */
  readonly busy: number
  readonly waitingForCpu: number
  readonly gc: number
  readonly idle: number
}

/** A function in which time went. */
export interface HotFunction {
  /** Empty for one without a name; in parentheses where no function ran: `(garbage collector)`. */
  readonly name: string
  /** Empty for a function of V8's own. */
  readonly file: string
  /** Where it begins, from 1; 0 where that is not known. */
  readonly line: number
  readonly column: number
  /** Time in the function itself. */
  readonly selfNs: number
  /** Time in it and in what it called. */
  readonly totalNs: number
}

/** In which functions time went, by samples of the stack. */
export interface Sampled {
  /** How often V8 has looked. */
  readonly samples: number
  /** Time of these samples, without that of the idle ones. */
  readonly ns: number
  /** Time in which the thread waited in its event loop. */
  readonly idleNs: number
  /** Those with the most own time first. Only the hottest. */
  readonly functions: readonly HotFunction[]
}

/** The functions of the tasks of one name. */
export interface SampledTask extends Sampled {
  readonly task: string
}

/** A process of the recording. */
export interface ProcessUse {
  readonly process: TraceProcess
  /** Its command line, if the recording has it. */
  readonly command?: string
  /** The process that has started it: the nearest one that is recorded, too, if there is one. */
  readonly parentPid?: number
  readonly cpus?: number
  /** Of its first and last record. */
  readonly from: bigint
  readonly to: bigint
  /** Node processes that it has started, as it tells. */
  readonly started: readonly StartedProcess[]
}

/** A process that a recorded one has started. */
export interface StartedProcess {
  readonly pid: number
  readonly command: string
  /** Whether the recording has it, or one that it has started itself: it may be a wrapper. */
  readonly isRecorded: boolean
}

/** What a thread did. */
export interface ThreadUse {
  readonly thread: TraceThread
  readonly role: 'main' | 'worker' | 'sampler'
  /** Whether it tells what it does. A worker with an environment of its own may not. */
  readonly isProbed: boolean
  /** The file that it runs. */
  readonly runs?: string
  readonly shares: Shares
  /** Whose figures the shares are: the kernel's, or those of the spans of the thread. */
  readonly basis: 'kernel' | 'spans'
  /** Who started it. */
  readonly parent?: TraceThread
  /** `new Worker` was called. */
  readonly spawned?: bigint
  /** The parent heard that it is online. */
  readonly online?: bigint
  /** Its event loop turned for the first time. */
  readonly ready?: bigint
  readonly exit?: bigint
  readonly exitCode?: number
  /** The error that ended it. */
  readonly error?: string
  /** It ended itself with a code other than 0: it was not terminated. */
  readonly endedItself?: true
  /** Its first and its last moment in the recording. */
  readonly from: bigint
  readonly to: bigint
  readonly tasks: number
  /** How long it loaded what it runs, with its first task in its hands. */
  readonly loadNs: number
  /** Time in tasks. Tasks at the same time count once. */
  readonly taskNs: number
  readonly onCpuNs: number
  readonly waitingForCpuNs: number
  /** Of these, until its first task. */
  readonly beforeTasks: { readonly onCpuNs: number; readonly waitingForCpuNs: number }
  readonly gcNs: number
  /** Old objects, in bytes: the most that was seen, and that was seen twice in a row. */
  readonly heap?: { readonly used: number; readonly usedTwice: number; readonly limit: number }
  readonly stalls: { readonly count: number; readonly ns: number; readonly longest: number }
  /** Records that it lost. */
  readonly lost: number
  /** If the probe `samples` was on. */
  readonly sampled?: Sampled
}

/** An event loop stood still. */
export interface Stall {
  readonly thread: TraceThread
  readonly from: bigint
  readonly to: bigint
}

/** A task's way through a pool. What isn't known is left out. */
export interface Task {
  readonly id: bigint
  /** The name of its pool. */
  readonly pool: string
  readonly name: string
  readonly submitter: TraceThread
  readonly worker?: TraceThread
  readonly queued: bigint
  readonly dispatched?: bigint
  /** The worker began to read its message. */
  readonly woken?: bigint
  readonly started?: bigint
  readonly finished?: bigint
  readonly replied?: bigint
  readonly handled?: bigint
  readonly outcome: 'ok' | 'failed' | 'cut'
  /** Bytes of binary data and text in it, as far as the probe has looked. */
  readonly size?: number
  /** What it was given, as a short text, if the probe `arguments` was on. */
  readonly arguments?: string
  readonly onCpu?: number
  readonly waitingForCpu?: number
  readonly gc?: number
  readonly blocked?: number
  /** Whether these parts are those of its thread at that time: the task has not read its own. */
  readonly isEstimated?: true
}

/** What one worker did for a pool. */
export interface PoolWorker {
  readonly thread: TraceThread
  readonly tasks: number
  /** Sum of the run times of its tasks. */
  readonly runNs: number
  /** Tasks that it had when it ended, or of which it never told an end. */
  readonly abandoned: number
}

/** A pool's queue at a time: means over the time until the next point. */
export interface QueuePoint {
  readonly time: bigint
  readonly queued: number
  readonly running: number
}

/** The time in which tasks were queued. */
export interface Backlog {
  readonly ns: number
  /** Most tasks that were queued. */
  readonly longest: number
  /** Tasks queued, and tasks with a worker; means over this time. */
  readonly queued: number
  readonly running: number
  /** Undefined if the recording doesn't have it. */
  readonly cpus?: CpusUsed
}

/** What CPUs did in some time. Means, so parts of CPUs. */
export interface CpusUsed {
  /** Used by all recorded processes. */
  readonly used: number
  /** CPUs of the machine that nobody used. Undefined if the recording doesn't have it. */
  readonly idle?: number
}

/** The time from a pool's first task to the end of its last one. */
export interface PoolSpan {
  readonly ns: number
  /** Undefined if the recording doesn't have it. */
  readonly cpus?: CpusUsed
  /** What the thread that uses the pool did. */
  readonly submitterOnCpuNs: number
  readonly submitterWaitingNs: number
}

/** What lay for long before anybody took it. */
export interface Late {
  readonly count: number
  /** How long all of it lay. Overlaps count once. */
  readonly ns: number
  readonly longest: number
  /** When that which lay longest did. Undefined if nothing lay. */
  readonly at?: { readonly from: bigint; readonly to: bigint }
}

/** What a pool of workers did. */
export interface Pool {
  /** `piscina-1`. */
  readonly name: string
  readonly kind: string
  readonly process: TraceProcess
  /** The thread that uses it. */
  readonly submitter: TraceThread
  readonly from: bigint
  readonly to: bigint
  /** When its last task was submitted. */
  readonly lastQueued: bigint
  readonly tasks: number
  readonly failed: number
  /** Of these, with a worker that never told of an end: it was ended, or died. */
  readonly abandoned: number
  /** Tasks that had no end in the recording. */
  readonly cut: number
  /** In the time in which it had tasks. */
  readonly perSecond: number
  /** Time in which it had tasks. */
  readonly activeNs: number
  readonly span: PoolSpan
  /** From the submission until a worker was given the task. */
  readonly wait: Quantiles
  /** From then until the worker began. */
  readonly wake: Quantiles
  readonly run: Quantiles
  /** From the result until the submitter handled it. */
  readonly reply: Quantiles
  /** From the dispatch until then, of tasks that ran unseen: in a child process. */
  readonly unseen: Quantiles
  /** How long posting the reply took. */
  readonly serialize: Quantiles
  /** Bytes of binary data and text in half of the tasks, or less; 0: none, or not known. */
  readonly size: number
  /** What the run times are made of, summed over all tasks. */
  readonly parts: Parts
  /** How long the collections took by the clock. */
  readonly gcNs: number
  /** Of that, no more can have been on a CPU. The rest waited for other threads. */
  readonly gcOnCpuNs: number
  /** Workers that were given tasks, or run the same file. */
  readonly threads: number
  /** Most of them that lived at once. */
  readonly threadsAtOnce: number
  readonly minThreads?: number
  readonly maxThreads?: number
  readonly tasksPerThread: number
  readonly workers: readonly PoolWorker[]
  readonly backlog: Backlog
  /** Most tasks that were there at once, queued or under way. */
  readonly tasksAtOnce: number
  /** How long tasks were queued behind runs that took 2 ** N ns or more, by N. */
  readonly waitBehind: readonly number[]
  /** Results that lay for at least 50 ms before they were handled. */
  readonly lateReplies: Late
  /**
   * Tasks that waited for the start of their worker, or for what it loads; `ns` counts overlaps
   * once.
   */
  readonly startWaits: { readonly tasks: number; readonly ns: number }
  readonly queue: readonly QueuePoint[]
  /** By the time from dispatch to reply, the slowest first. */
  readonly slowest: readonly Task[]
  /** By the names of tasks, the dearest first, if the probe `samples` was on. */
  readonly sampled?: readonly SampledTask[]
}

/** Messages in one direction. Those by which piscina and tinypool give tasks are not among them. */
export interface Traffic {
  readonly messages: number
  /** Of these, never received in the recording. */
  readonly unhandled: number
  /** Of these, taken by `receiveMessageOnPort`. */
  readonly taken: number
  /** How long posting took: that is serializing. */
  readonly post: Quantiles
  /** From then until the receipt. */
  readonly wait: Quantiles
  /** How long its listeners ran, without what they await. */
  readonly handle: Quantiles
  /** How long reading them took at most: what is no wait for the thread. */
  readonly readNs: number
  /** Messages that lay for at least 50 ms. */
  readonly late: Late
}

/** The messages from one thread to another, by whatever channels. */
export interface Route extends Traffic {
  readonly from: TraceThread
  readonly to: TraceThread
  /** Whether one of them is a worker of a pool. */
  readonly isPools: boolean
}

/** What one worker did for its crew. */
export interface CrewWorker {
  readonly thread: TraceThread
  /** From the thread that started it. */
  readonly messages: number
  /** Of these, never received. */
  readonly unhandled: number
  /** Messages that it posted. */
  readonly answers: number
  /** Time at work on messages: handling them, and, if it answers each, until the answer. */
  readonly workNs: number
  /** From its first message until it ended, or until the last message of its crew. */
  readonly thereNs: number
  /** Since its first message, by the kernel; 0 if it isn't known. */
  readonly onCpuNs: number
  readonly waitingForCpuNs: number
}

/**
 * Workers without a pool that we know: of one file, started by one thread, which talks with them.
 */
export interface Crew {
  /** Of the file that they run, or theirs. */
  readonly name: string
  readonly process: TraceProcess
  /** The thread that has started them. */
  readonly parent: TraceThread
  readonly from: bigint
  readonly to: bigint
  /** Time in which messages were on their way, or workers at work on them. */
  readonly activeNs: number
  /** The messages to the workers. */
  readonly there: Traffic
  readonly back: Traffic
  readonly workers: readonly CrewWorker[]
}

/**
 * What Node measures of one kind and name in one thread: requests, look-ups, the program's
 * measures.
 */
export interface IoUse {
  /** Of its span: `http:request`. */
  readonly kind: string
  /** `GET /users`: without what comes behind `?`; `…` for others when there are very many. */
  readonly name: string
  readonly thread: TraceThread
  readonly duration: Quantiles
  /** Of these, with an error, or a status of 400 or more. */
  readonly failed: number
  /** From the first begin to the last end. */
  readonly from: bigint
  readonly to: bigint
}

/** What is lacking in the recording. */
export interface ModelLosses {
  readonly events: number
  readonly packets: number
  /** Tasks that were open at once beyond what analysis keeps. */
  readonly tasks: number
}

/** A figure that proves a finding. Times are in ns. */
export interface Evidence {
  readonly label: string
  readonly value: number
  /** `ns`, `bytes`, `%`, or empty for a number. */
  readonly unit: string
}

/** Something that is wrong, or that nothing is. */
export interface Finding {
  /** What kind: `too-few-threads`. */
  readonly id: string
  readonly severity: 'problem' | 'hint' | 'ok'
  /** One sentence. */
  readonly title: string
  readonly evidence: readonly Evidence[]
  /** How much time it cost, in ns; 0 where that can't be said. */
  readonly costNs: number
  /** It cost each task so much, on average, rather than all of them together. */
  readonly isCostOfEach?: boolean
  /** What to try. */
  readonly advice: string
  /** Why the evidence is weak, if it is. */
  readonly thin?: string
  readonly at?: { readonly thread?: TraceThread; readonly from: bigint; readonly to: bigint }
}

/** What a recording says about a program. */
export interface Model {
  readonly from: bigint
  readonly to: bigint
  /** How many CPUs there are, if the recording has it. */
  readonly cpus?: number
  /** What they did, if the recording has it. */
  readonly cpuUse?: CpusUsed
  readonly processes: readonly ProcessUse[]
  /** Main threads first, then workers as they were started. Without rchan's own threads. */
  readonly threads: readonly ThreadUse[]
  readonly pools: readonly Pool[]
  readonly crews: readonly Crew[]
  /** Those with the most messages first. */
  readonly routes: readonly Route[]
  /** Those that took longest, all together, first. */
  readonly io: readonly IoUse[]
  /** The longest, in the order of time. */
  readonly stalls: readonly Stall[]
  readonly losses: ModelLosses
  /** The dearest first. */
  readonly findings: readonly Finding[]
}
