/**
 * Runs a few threads in every order that they can take, on one thread, with the real code of the package.
 *
 * A thread is a function. What it does to shared memory goes through `Atomics`, through watched words or through `act`;
 * each of these is a step. To let a thread make its n-th step, it is run from its start with the results of its first
 * n − 1 steps, and stopped by an exception when it comes to the one after. So a thread's state is the list of its
 * results, and every state of all threads can be visited once: each thread that can go on goes on, dies, or, asleep, is
 * timed out. It shows what a sequentially consistent machine can do.
 */
import { clocks } from '@rchan/sync/patience'

/** What a test says of its threads. */
export interface Model {
  /** Words of shared memory, for the primitives and for the test's own notes; what they start as. */
  readonly words: readonly number[]
  readonly threads: readonly ((self: Self) => void)[]
  /** The threads that are let run until they sleep, one after the other, before the rest begins. Few states. */
  readonly asleep?: readonly number[]
  /** How many threads may die, anywhere. */
  readonly deaths?: number
  /** Threads that may not. */
  readonly immortal?: readonly number[]
  /** How many sleeps may time out while others can go on. When none can, they may anyway if somebody died. */
  readonly timeouts?: number
  /** Whether the clock may at any moment turn past {@link DEADLINE}. */
  readonly clock?: boolean
  /** Called for every end: all threads that live have returned. Throws when it is not allowed. */
  end?(words: Int32Array, dead: readonly boolean[]): void
}

/** A deadline for the threads of a model, before the end of a slice; and the time after the clock has turned. */
export const DEADLINE = 5
const LATER = 10
const SLICE_MS = 10

/** What a thread of a model can do besides using the package. */
export interface Self {
  /** Its number, from 1, and its id. */
  readonly id: number
  /** Shared memory from `at`, as the package wants it. */
  words(at: number, length: number): Int32Array<SharedArrayBuffer>
  /** One step of the test's own: it sees all words, and who is dead. */
  act<T extends string | number | boolean | undefined>(
    step: (words: Int32Array, dead: readonly boolean[]) => T,
  ): T
  /** Whether a thread is dead; a step. */
  readonly isDead: (id: number) => boolean
}

type Result = string | number | boolean | undefined

interface ThreadState {
  readonly log: readonly Result[]
  readonly state: 'ready' | 'asleep' | 'done' | 'dead'
}

interface State {
  readonly memory: Int32Array
  readonly threads: readonly ThreadState[]
  /** Who sleeps, in order, on which word, and whether until a deadline, not for a slice. */
  readonly sleepers: readonly (readonly [thread: number, word: number, deadline: boolean])[]
  readonly deaths: number
  readonly timeouts: number
  readonly turned: boolean
  readonly trail: Trail | undefined
  readonly depth: number
}

interface Trail {
  readonly before: Trail | undefined
  readonly what: string
}

class Suspended extends Error {}

const bases = new WeakMap<object, number>()
/** The run that is going on: makes a step of the current thread. */
let current: ((name: string, step: (memory: Int32Array) => Result) => Result) | undefined
let sleepsOn: ((word: number, timeoutMs: number) => never) | undefined
let wakes: ((word: number, count: number) => number) | undefined

const original = {
  load: Atomics.load,
  store: Atomics.store,
  add: Atomics.add,
  and: Atomics.and,
  compareExchange: Atomics.compareExchange,
}
const { wait, notify } = Atomics
const taken = { ...clocks }

function watching(name: string, operation: (...args: never[]) => unknown): (...args: unknown[]) => unknown {
  return (array, index, ...rest) => {
    const base = bases.get(array as object)
    if (base === undefined || current === undefined) {
      return (operation as (...args: unknown[]) => unknown)(array, index, ...rest)
    }
    const at = base + (index as number)
    return current(`${name} ${at} ${rest.join(' ')}`, (memory) =>
      (operation as (...args: unknown[]) => Result)(memory, at, ...rest),
    )
  }
}

/** Makes `Atomics` and the clock those of the model. @returns how to undo it. */
function takeOver(clock: () => number): () => void {
  const watched = Object.entries(original).map(([name, operation]) => [name, watching(name, operation)])
  Object.assign(Atomics, Object.fromEntries(watched), {
    wait: (array: object, index: number, value: number, timeoutMs: number): Result => {
      const at = (bases.get(array) ?? NaN) + index
      return current?.(`wait ${at} ${value}`, (memory) =>
        memory[at] === value ? sleepsOn?.(at, timeoutMs) : 'not-equal',
      )
    },
    notify: (array: object, index: number, count = Infinity): Result => {
      const at = (bases.get(array) ?? NaN) + index
      return current?.(`notify ${at} ${count}`, () => wakes?.(at, count))
    },
  })
  Object.assign(clocks, { epochMs: clock, monotonicMs: clock })
  return () => {
    Object.assign(Atomics, original, { wait, notify })
    Object.assign(clocks, taken)
  }
}

function handle(at: number, length: number): Int32Array<SharedArrayBuffer> {
  const proxy = new Proxy(new Int32Array(new SharedArrayBuffer(0)), {
    get: (target, key) => {
      if (key === 'length') return length
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        return current?.(`read ${at + Number(key)}`, (memory) => memory[at + Number(key)])
      }
      return Reflect.get(target, key, target) as unknown
    },
    set: (_, key, value: number) => {
      current?.(`write ${at + Number(key)} ${value}`, (memory) => {
        memory[at + Number(key)] = value
        return undefined
      })
      return true
    },
  })
  bases.set(proxy, at)
  return proxy
}

class Sleep extends Error {
  readonly word: number
  readonly deadline: boolean
  constructor(word: number, timeoutMs: number) {
    super()
    this.word = word
    this.deadline = timeoutMs < SLICE_MS
  }
}

/**
 * Visits every state of a model.
 *
 * @returns how many there were, and how many ends.
 * @throws what a thread or `end` threw, with the steps that led there; also when threads sleep that nobody will wake
 * though none has died, and when it does not end.
 */
export function visitAll(model: Model): { states: number; ends: number } {
  const visited = new Set<string>()
  let ends = 0
  let state!: State
  const undo = takeOver(() =>
    model.clock === true && current !== undefined
      ? (current('clock', () => (state.turned ? LATER : 0)) as number)
      : 0,
  )
  const fail = (at: State, error: unknown): never => {
    const steps: string[] = []
    for (let trail = at.trail; trail !== undefined; trail = trail.before) steps.unshift(trail.what)
    throw new Error(`${String(error)}\nafter:\n  ${steps.join('\n  ')}`, { cause: error })
  }

  /** Lets a thread make one more step. */
  const step = (from: State, thread: number): State => {
    state = from
    const memory = from.memory.slice()
    const log = [...from.threads[thread].log]
    const threads = [...from.threads]
    let sleepers = from.sleepers
    let what = 'returns'
    let replayed = 0
    let stepped = false
    let slept: Sleep | undefined
    const dead = from.threads.map((one) => one.state === 'dead')
    current = (name, operation) => {
      if (replayed < log.length && !stepped) {
        replayed += 1
        return log[replayed - 1]
      }
      if (stepped) throw new Suspended()
      stepped = true
      what = name
      const result = operation(memory)
      what += ` → ${String(result)}`
      log.push(result)
      return result
    }
    sleepsOn = (word, timeoutMs) => {
      throw new Sleep(word, timeoutMs)
    }
    wakes = (word, count) => {
      const woken = sleepers.filter(([, on]) => on === word).slice(0, count)
      sleepers = sleepers.filter((sleeper) => !woken.includes(sleeper))
      for (const [one] of woken) threads[one] = { log: [...threads[one].log, 'ok'], state: 'ready' }
      return woken.length
    }
    let after: ThreadState['state'] = 'done'
    try {
      model.threads[thread]({
        id: thread + 1,
        words: handle,
        act: (own) => current?.('acts', (all) => own(all, dead)) as never,
        isDead: (id) => current?.(`is ${id} dead?`, () => dead[id - 1]) as boolean,
      })
    } catch (error) {
      if (error instanceof Sleep) slept = error
      else if (!(error instanceof Suspended)) return fail(from, error)
      after = slept === undefined ? 'ready' : 'asleep'
    } finally {
      current = undefined
    }
    if (slept !== undefined) sleepers = [...sleepers, [thread, slept.word, slept.deadline]]
    threads[thread] = { log, state: after }
    return follow(from, `${thread + 1} ${what}`, { memory, threads, sleepers })
  }

  const pending: State[] = [
    {
      memory: Int32Array.from(model.words),
      threads: model.threads.map(() => ({ log: [], state: 'ready' })),
      sleepers: [],
      deaths: 0,
      timeouts: 0,
      turned: false,
      trail: undefined,
      depth: 0,
    },
  ]
  const visit = (next: State): void => {
    const key = keyOf(next)
    if (visited.has(key)) return
    visited.add(key)
    pending.push(next)
  }
  try {
    for (const thread of model.asleep ?? []) {
      while (pending[0].threads[thread - 1].state === 'ready') pending[0] = step(pending[0], thread - 1)
    }
    for (let from = pending.pop(); from !== undefined; from = pending.pop()) {
      if (from.depth > 600) fail(from, 'it does not end')
      const anyReady = from.threads.some((one) => one.state === 'ready')
      const canTurn = model.clock === true && !from.turned
      if (!anyReady && from.sleepers.length === 0) {
        ends += 1
        try {
          model.end?.(
            from.memory,
            from.threads.map((one) => one.state === 'dead'),
          )
        } catch (error) {
          fail(from, error)
        }
        continue
      }
      // A slice may end without cause. But a wait that only the end of a slice ends, though nobody died, was forgotten.
      const mayEnd = (deadline: boolean): boolean =>
        anyReady ? from.timeouts < (model.timeouts ?? 0) : from.deaths > 0 || (deadline && from.turned)
      if (!anyReady && !canTurn && !from.sleepers.some(([, , deadline]) => mayEnd(deadline))) {
        fail(from, 'all sleep, and nobody died')
      }
      for (const [thread, , deadline] of from.sleepers) {
        if (mayEnd(deadline)) visit(timeOut(from, thread, anyReady))
      }
      for (const [thread, one] of from.threads.entries()) {
        if (one.state === 'ready') visit(step(from, thread))
        const lives = one.state === 'ready' || one.state === 'asleep'
        if (lives && from.deaths < (model.deaths ?? 0) && model.immortal?.includes(thread + 1) !== true)
          visit(die(from, thread))
      }
      if (canTurn) visit(follow(from, 'the clock turns', { turned: true }))
    }
  } finally {
    undo()
  }
  return { states: visited.size, ends }
}

function follow(from: State, what: string, change: Partial<State>): State {
  return { ...from, ...change, trail: { before: from.trail, what }, depth: from.depth + 1 }
}

function timeOut(from: State, thread: number, counts: boolean): State {
  const threads = [...from.threads]
  threads[thread] = { log: [...threads[thread].log, 'timed-out'], state: 'ready' }
  return follow(from, `${thread + 1} is timed out`, {
    threads,
    sleepers: from.sleepers.filter(([one]) => one !== thread),
    timeouts: from.timeouts + (counts ? 1 : 0),
  })
}

function die(from: State, thread: number): State {
  const threads = [...from.threads]
  threads[thread] = { log: [], state: 'dead' }
  return follow(from, `${thread + 1} dies`, {
    threads,
    sleepers: from.sleepers.filter(([one]) => one !== thread),
    deaths: from.deaths + 1,
  })
}

function keyOf({ memory, threads, sleepers, deaths, timeouts, turned }: State): string {
  const logs = threads.map(({ log, state }) => (state === 'done' ? state : `${state}:${log.join(',')}`))
  return [memory.join(','), logs.join('|'), sleepers.join(';'), deaths, timeouts, turned].join('/')
}
