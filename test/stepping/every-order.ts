/**
 * Plays a few threads in every possible order.
 *
 * A thread is a function. It accesses shared memory through `Atomics`, through the words that it is
 * given, or through `act`; each of these is a step. To make a thread's n-th step, the harness runs
 * it from its start with the results of its first n − 1 steps, and stops it at the step after. So a
 * thread's state is the list of its results, and the harness can visit every state of all threads
 * once. In each state, each thread that can go on goes on or dies, and a sleeping one may time out.
 */
import { clocks } from '@rchan/sync/clocks'
import { catchAccesses, watch, type Access } from './accesses.js'
import { Pause, Replay } from './paused.js'

/** The threads of a test, and its bounds. */
export interface Model {
  /**
   * Initial values of the words of shared memory, for the primitives and for the test's own notes.
   */
  readonly words: readonly number[]
  readonly threads: readonly ((self: Self) => void)[]
  /**
   * Threads that run until they sleep, one after the other, before the rest begins. That saves
   * states.
   */
  readonly asleep?: readonly number[]
  /** How many threads may die, anywhere. */
  readonly deaths?: number
  /** Threads that may not die. */
  readonly immortal?: readonly number[]
  /**
   * How many sleeps may time out while others can go on. If no thread can go on, sleeps may always
   * time out once a thread has died.
   */
  readonly timeouts?: number
  /** Whether the clock may pass {@link DEADLINE} at any moment. */
  readonly clock?: boolean
  /**
   * Called at every end, when all living threads have returned. Throws if the end is not allowed.
   */
  end?(words: Int32Array, dead: readonly boolean[]): void
}

/**
 * A deadline for the threads of a model, before the end of a slice; and the time once the clock has
 * passed it.
 */
export const DEADLINE = 5
const LATER = 10
const SLICE_MS = 10

/** The operations of a thread in a model, besides using the package. */
export interface Self {
  /** Its number, from 1, and its id. */
  readonly id: number
  /** Shared memory from `at`, in the form that the package needs. */
  words(at: number, length: number): Int32Array<SharedArrayBuffer>
  /** A step of the test itself. It sees all words, and which threads are dead. */
  act<T extends string | number | boolean | undefined>(
    step: (words: Int32Array, dead: readonly boolean[]) => T,
  ): T
  /** Whether a thread is dead. This is a step. */
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
  /**
   * The sleeping threads, in order: on which word, and whether until a deadline rather than for a
   * slice.
   */
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

/** Gives `sync` the clock of the model. @returns a function that undoes it. */
function takeClock(clock: () => number): () => void {
  const before = { ...clocks }
  Object.assign(clocks, { epochMs: clock, monotonicMs: clock })
  return () => Object.assign(clocks, before)
}

/** One step of a run: its name, and its effect on memory or on the threads that sleep on it. */
type Step = (name: string, perform: (memory: Int32Array, wake: Wake) => Result) => Result
type Wake = (word: number, count: number) => number

/** Makes handles of the model's memory. The content belongs to the state, not to the handles. */
function wordsOf(step: Step): Self['words'] {
  const handles = new Map<string, Int32Array<SharedArrayBuffer>>()
  const make = (base: number, length: number): Int32Array<SharedArrayBuffer> =>
    watch(new Int32Array(new SharedArrayBuffer(length * 4)), (access) => {
      const [index, ...rest] = access.args as number[]
      return step([access.name, base + index, ...rest].join(' '), (memory, wake) =>
        performOn(access, memory, base, wake),
      )
    })
  return (base, length) => {
    const key = `${base} ${length}`
    const handle = handles.get(key) ?? make(base, length)
    handles.set(key, handle)
    return handle
  }
}

function performOn(access: Access, memory: Int32Array, base: number, wake: Wake): Result {
  const [index, value, timeoutMs] = access.args as number[]
  const word = base + index
  if (access.name === 'notify') return wake(word, value ?? Infinity)
  if (access.name !== 'wait') return access.perform(memory, base) as Result
  if (memory[word] !== value) return 'not-equal'
  throw new Sleep(word, timeoutMs)
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
 * @returns the number of states and of ends.
 * @throws the error of a thread or of `end`, with the steps that led there; also if threads sleep
 * for ever although none has died, and if the model does not end.
 */
export function visitAll(model: Model): { states: number; ends: number } {
  return catchAccesses(() => visit(model))
}

function visit(model: Model): { states: number; ends: number } {
  const visited = new Set<string>()
  let ends = 0
  /** Makes a step of the running thread. */
  let current: Step = () => {
    throw new Error('no thread runs')
  }
  let hasTurned = false
  const undo = takeClock(() =>
    model.clock === true ? (current('clock', () => (hasTurned ? LATER : 0)) as number) : 0,
  )
  const words = wordsOf((name, perform) => current(name, perform))
  const fail = (at: State, error: unknown): never => {
    const steps: string[] = []
    for (let trail = at.trail; trail !== undefined; trail = trail.before) steps.unshift(trail.what)
    throw new Error(`${String(error)}\nafter:\n  ${steps.join('\n  ')}`, { cause: error })
  }

  /** Lets a thread make one more step. */
  const step = (from: State, thread: number): State => {
    hasTurned = from.turned
    const memory = from.memory.slice()
    const replay = new Replay([...from.threads[thread].log], 1)
    const threads = [...from.threads]
    let sleepers = from.sleepers
    let what = 'returns'
    const dead = from.threads.map((one) => one.state === 'dead')
    const wake = (word: number, count: number): number => {
      const woken = sleepers.filter(([, on]) => on === word).slice(0, count)
      sleepers = sleepers.filter((sleeper) => !woken.includes(sleeper))
      for (const [one] of woken) threads[one] = { log: [...threads[one].log, 'ok'], state: 'ready' }
      return woken.length
    }
    current = (name, perform) =>
      replay.access(true, () => {
        what = name
        const result = perform(memory, wake)
        what += ` → ${String(result)}`
        return result
      })
    let after: ThreadState['state'] = 'done'
    try {
      model.threads[thread]({
        id: thread + 1,
        words,
        act: (own) => current('acts', (all) => own(all, dead)) as never,
        isDead: (id) => current(`is ${id} dead?`, () => dead[id - 1]) as boolean,
      })
    } catch (error) {
      if (error instanceof Sleep) {
        after = 'asleep'
        sleepers = [...sleepers, [thread, error.word, error.deadline]]
      } else if (error instanceof Pause) after = 'ready'
      else return fail(from, error)
    }
    threads[thread] = { log: replay.results as Result[], state: after }
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
  const meet = (next: State): void => {
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
      // A slice may end without cause. But if no thread died, a wait that only the end of a slice
      // ends was forgotten.
      const mayEnd = (deadline: boolean): boolean =>
        anyReady ? from.timeouts < (model.timeouts ?? 0) : from.deaths > 0 || (deadline && from.turned)
      if (!anyReady && !canTurn && !from.sleepers.some(([, , deadline]) => mayEnd(deadline))) {
        fail(from, 'all sleep, and nobody died')
      }
      for (const [thread, , deadline] of from.sleepers) {
        if (mayEnd(deadline)) meet(timeOut(from, thread, anyReady))
      }
      for (const [thread, one] of from.threads.entries()) {
        if (one.state === 'ready') meet(step(from, thread))
        const lives = one.state === 'ready' || one.state === 'asleep'
        if (lives && from.deaths < (model.deaths ?? 0) && model.immortal?.includes(thread + 1) !== true)
          meet(die(from, thread))
      }
      if (canTurn) meet(follow(from, 'the clock turns', { turned: true }))
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
