/** A recording of one process with a pool, made by hand. For tests. */
import { analyse, type AnalysisOptions, type Model } from '@rchan/analysis'
import type { EventClass, TraceThread } from '@rchan/ctf/reader'
import { MadeTrace } from '../../export/test/made-trace.ts'

export const MS = 1_000_000

/** When a task passed each stage, in ms, and what its run was made of. */
interface MadeTask {
  readonly worker: number
  readonly queued: number
  readonly dispatched?: number
  readonly started?: number
  readonly finished?: number
  readonly handled?: number
  readonly onCpu?: number
  readonly waitingForCpu?: number
  readonly serialize?: number
  readonly failed?: boolean
  /** Its arguments, as the probe `arguments` tells them. */
  readonly given?: string
}

/** When a message passed each stage, in ms. It goes to a worker from the main thread, or back. */
interface MadeMessage {
  readonly worker: number
  readonly isBack?: boolean
  /** When posting it begins, and how long that takes. */
  readonly at: number
  readonly post?: number
  readonly received?: number
  readonly handled?: number
  readonly isTaken?: boolean
  /** Of a `MessageChannel`, rather than the worker's own. */
  readonly channel?: number
  readonly isRefused?: boolean
}

/** Times are ms. Records are sorted by time at the end. */
export class MadeRecording {
  readonly trace = new MadeTrace()
  readonly process = this.trace.process(7)
  readonly main = this.trace.thread(this.process, 0, 'main')
  readonly #sampler = this.trace.thread(this.process, 99, 'rchan sampler')
  readonly #workers = new Map<number, TraceThread>()
  readonly #classes = new Map<string, EventClass>()
  readonly #records: { time: number; add: () => void }[] = []
  readonly #posted = new Map<number, number>()
  #tasks = 0n

  constructor({ cpus = 4, maxThreads = 2, kind = 'piscina' } = {}) {
    this.at(0, (time) =>
      this.trace.happened(this.main, this.#class('process:started'), time, {
        ppid: 1,
        cpus,
        command: 'node app.js',
        folder: '/',
      }),
    )
    this.at(0, (time) =>
      this.trace.happened(this.main, this.#class('pool:found'), time, {
        pool: 'piscina-1',
        kind,
        minThreads: maxThreads,
        maxThreads,
        tasksPerThread: 1,
      }),
    )
  }

  at(ms: number, add: (time: bigint) => unknown): this {
    this.#records.push({ time: ms, add: () => void add(BigInt(Math.round(ms * MS))) })
    return this
  }

  #class(name: string): EventClass {
    let known = this.#classes.get(name)
    if (known === undefined) this.#classes.set(name, (known = this.trace.event(name)))
    return known
  }

  worker(threadId: number): TraceThread {
    let known = this.#workers.get(threadId)
    if (known === undefined) {
      known = this.trace.thread(this.process, threadId, 'worker')
      this.#workers.set(threadId, known)
    }
    return known
  }

  life(
    threadId: number,
    from: number,
    to: number,
    { online = from + 50, exitCode = 1, error = '' } = {},
  ): this {
    const id = BigInt(threadId)
    this.at(from, (time) =>
      this.trace.begin(this.main, this.#class('worker:life:begin'), id, time, {
        threadId,
        heapLimitMb: 0,
        stackMb: 4,
      }),
    )
    if (online <= to) {
      this.at(online, (time) =>
        this.trace.happened(this.main, this.#class('worker:online'), time, { threadId }),
      )
      this.at(online, (time) =>
        this.trace.add({
          type: 'thread',
          time,
          thread: this.worker(threadId),
          phase: 'came',
          runs: '/pool/worker.js',
        }),
      )
    }
    return this.at(to, (time) =>
      this.trace.end(
        this.main,
        this.#class('worker:life:end'),
        id,
        time,
        { exitCode, error },
        error === '' ? 'ok' : 'failed',
      ),
    )
  }

  /** The event loop of the main thread stood still. */
  stall(start: number, end: number): this {
    return this.at(end, (time) =>
      this.trace.span(this.main, this.#class('loop:stall'), BigInt(start * MS), time, { limitMs: 50 }),
    )
  }

  /** A request that the main thread has served. */
  request(start: number, end: number, url: string, status = 200): this {
    return this.at(end, (time) =>
      this.trace.span(this.main, this.#class('http:request'), BigInt(start * MS), time, {
        method: 'GET',
        url,
        status,
      }),
    )
  }

  /** The same of a collection of its. */
  gcOfMain(start: number, end: number): this {
    return this.at(end, (time) =>
      this.trace.span(this.main, this.#class('gc'), BigInt(start * MS), time, { kind: 'minor' }),
    )
  }

  /** It ends itself with a code. */
  exits(threadId: number, ms: number, code: number): this {
    return this.at(ms, (time) =>
      this.trace.happened(this.worker(threadId), this.#class('worker:exits'), time, { code }),
    )
  }

  boot(threadId: number, start: number, end: number): this {
    return this.at(end, (time) =>
      this.trace.span(this.worker(threadId), this.#class('worker:boot'), BigInt(start * MS), time),
    )
  }

  cpu(threadId: number, ms: number, onCpu: number, waitingForCpu = 0): this {
    return this.at(ms, (time) =>
      this.trace.happened(this.#sampler, this.#class('cpu'), time, {
        threadId,
        onCpu: BigInt(Math.round(onCpu * MS)),
        waitingForCpu: BigInt(Math.round(waitingForCpu * MS)),
      }),
    )
  }

  /** What the process used of CPUs since its start, and how long the machine's CPUs were idle. */
  cpuAll(ms: number, used: number, machineIdle: number): this {
    return this.at(ms, (time) =>
      this.trace.happened(this.#sampler, this.#class('cpu:all'), time, {
        used: BigInt(Math.round(used * MS)),
        machineIdle: BigInt(Math.round(machineIdle * MS)),
      }),
    )
  }

  threads(ms: number, threads: number): this {
    return this.at(ms, (time) =>
      this.trace.add({
        type: 'counter',
        time,
        thread: this.main,
        event: this.#class('pool:piscina-1'),
        fields: { queued: 0, busy: 0, threads },
      }),
    )
  }

  gc(threadId: number, start: number, end: number, told = end): this {
    return this.at(told, (time) =>
      this.trace.span(
        this.worker(threadId),
        this.#class('gc'),
        BigInt(start * MS),
        BigInt(end * MS),
        { kind: 'minor' },
        'ok',
        time,
      ),
    )
  }

  gcSums(threadId: number, since: number, ms: number, duration: number): this {
    return this.at(ms, (time) =>
      this.trace.happened(this.worker(threadId), this.#class('gc:sums'), time, {
        since: BigInt(since * MS),
        collections: 3,
        duration: BigInt(duration * MS),
      }),
    )
  }

  /** A stack of a slice, told at `ms`: a function that another stack calls. */
  stack(threadId: number, ms: number, slice: number, id: number, parent: number, name: string): this {
    return this.at(ms, (time) =>
      this.trace.happened(this.worker(threadId), this.#class('sample:stack'), time, {
        slice,
        id,
        parent,
        function: name,
        file: name.startsWith('(') ? '' : '/app.js',
        line: 1,
        column: 1,
      }),
    )
  }

  /** A sample from `start` to `end`, told at `ms`. */
  sample(threadId: number, ms: number, slice: number, stack: number, start: number, end: number): this {
    return this.at(ms, (time) =>
      this.trace.happened(
        this.worker(threadId),
        this.#class('sample'),
        time,
        { slice, stack, count: end - start, duration: BigInt((end - start) * MS) },
        BigInt(start * MS),
      ),
    )
  }

  memory(threadId: number, ms: number, heapUsed: bigint, heapLimit: bigint): this {
    return this.at(ms, (time) =>
      this.trace.add({
        type: 'counter',
        time,
        thread: this.worker(threadId),
        event: this.#class('memory'),
        fields: { heapUsed, heapLimit, external: 0n },
      }),
    )
  }

  task(made: MadeTask): bigint {
    this.#tasks += 1n
    const id = this.#tasks
    const { worker: threadId, queued, dispatched, started, finished, handled, failed = false } = made
    const { onCpu = 0, waitingForCpu = 0, serialize = 0, given: text } = made
    const worker = this.worker(threadId)
    this.at(queued, (time) =>
      this.trace.begin(this.main, this.#class('task:begin'), id, time, {
        pool: 'piscina-1',
        name: 'resize',
        file: '',
      }),
    )
    if (dispatched !== undefined) {
      const fields = { id, pool: 'piscina-1', threadId }
      this.at(dispatched, (time) =>
        this.trace.happened(this.main, this.#class('task:dispatched'), time, fields),
      )
      if (text !== undefined) {
        this.at(dispatched, (time) =>
          this.trace.happened(this.main, this.#class('task:arguments'), time, { id, text }),
        )
      }
    }
    if (started !== undefined && finished !== undefined) {
      const ns = (ms: number): bigint => BigInt(Math.round(ms * MS))
      const fields = { id, name: 'resize', onCpu: ns(onCpu), waitingForCpu: ns(waitingForCpu) }
      const outcome = failed ? 'failed' : 'ok'
      this.at(finished, (time) =>
        this.trace.span(worker, this.#class('task:run'), ns(started), time, fields, outcome),
      )
      const reply = { id, serializeNs: ns(serialize) }
      this.at(finished + serialize, (time) =>
        this.trace.happened(worker, this.#class('task:replied'), time, reply),
      )
    }
    if (handled !== undefined) {
      this.at(handled, (time) =>
        this.trace.end(this.main, this.#class('task:end'), id, time, {}, failed ? 'failed' : 'ok'),
      )
    }
    return id
  }

  message(made: MadeMessage): this {
    const { worker, isBack = false, at, post = 0, received, handled, isTaken = false } = made
    const { channel = worker * 2, isRefused = false } = made
    const side = isBack ? 1 : 0
    const [from, to] = isBack ? [this.worker(worker), this.main] : [this.main, this.worker(worker)]
    const end = channel * 2 + side
    const seq = this.#posted.get(end) ?? 0
    if (!isRefused) this.#posted.set(end, seq + 1)
    const fields = { channel, side, seq }
    const ns = (ms: number): bigint => BigInt(Math.round(ms * MS))
    const flow = (thread: TraceThread, phase: 'start' | 'end', time: bigint): unknown =>
      this.trace.add({
        type: 'flow',
        phase,
        id: BigInt(end * 2 ** 31 + seq),
        time,
        thread,
        event: this.#class('message'),
        fields: {},
      })
    this.at(at, (time) => flow(from, 'start', time))
    this.at(at + post, (time) =>
      this.trace.span(from, this.#class('message:post'), ns(at), time, fields, isRefused ? 'failed' : 'ok'),
    )
    if (received === undefined) return this
    if (isTaken) {
      this.at(received, (time) => this.trace.happened(to, this.#class('message:taken'), time, fields))
    }
    this.at(received, (time) => flow(to, 'end', time))
    if (handled === undefined) return this
    return this.at(handled, (time) =>
      this.trace.span(to, this.#class('message:handle'), ns(received), time, fields),
    )
  }

  /** A worker gets a message, works, answers, and the main thread handles that. @returns when. */
  asked(worker: number, at: number, work: number, { post = 0, back = 0, lay = 0.1, way = 0.1 } = {}): number {
    const received = at + post + way
    const done = received + work
    this.message({ worker, at, post, received, handled: done + back })
    const answered = done + back + lay
    this.message({ worker, isBack: true, at: done, post: back, received: answered, handled: answered })
    return answered
  }

  /** Tasks one after the other on each worker, submitted together at `from`. */
  batch(
    workers: readonly number[],
    each: number,
    run: number,
    { from = 100, way = 0.05, onCpu = run, waitingForCpu = 0 } = {},
  ): number {
    let end = from
    for (const worker of workers) {
      let time = from
      for (let count = 0; count < each; count += 1) {
        const started = time + way
        const finished = started + run
        this.task({
          worker,
          queued: from,
          dispatched: time,
          started,
          finished,
          handled: finished + way,
          onCpu,
          waitingForCpu,
        })
        time = finished + way
      }
      end = Math.max(end, time)
    }
    return end
  }

  /** The trace, of all that was made so far. */
  finished(): MadeTrace {
    this.#records.sort((a, b) => a.time - b.time)
    for (const { add } of this.#records.splice(0)) add()
    return this.trace
  }

  model(options: AnalysisOptions = {}): Model {
    return analyse(this.finished(), options)
  }
}
