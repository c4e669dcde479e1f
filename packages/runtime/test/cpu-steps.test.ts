/**
 * Threads that come online, trace, leave and die, stepped against a consumer that works in between.
 *
 * Forbidden: a record in the file that is torn, there twice, out of order, or written by no thread;
 * an accepted record that is neither delivered nor counted as lost; sums that differ from the
 * attempts; a dead thread's place that no other thread gets; a store by a thread of an earlier
 * recording into memory that was laid out anew.
 */
import {
  Arena,
  ARENA,
  Control,
  Cpu,
  PLACE,
  CONSUMER_STATE,
  type Machine as PlayedMachine,
} from '@rchan/runtime'
import { thisThread, type ThreadIdentity } from '@rchan/threads'
import { BUFFER, type Mode } from '@rchan/ring'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PausedThread } from '../../../test/stepping/paused.js'
import { interrupt, type Interruptions, type Life, type Own } from '../../../test/stepping/interrupted.js'
import { ArenaPool } from '../dist/arena-pool.js'
import { FLUSH_MS, Machine } from './machine.ts'

const SEED = Number(process.env.RCHAN_SEED ?? 20260301)
const NEVER = -1
const CLIENT = { subbufStart: () => undefined, subbufEnd: () => undefined }
/**
 * Words of an arena that a thread without a place in it may change though it is laid out anew, see
 * arena-pool.ts.
 */
const MAY_CHANGE = [ARENA.joining >> 2, ARENA.wanted >> 2, ARENA.requests >> 2]
/** More than are in a sub-buffer. */
const RECORDS = 6

/** A thread with an identity from the test. Its waits are over after one look. */
class PlayedCpu extends Cpu {
  constructor({ control, played }: Machine, thread: ThreadIdentity) {
    const waitAtLeast: PlayedMachine['waitAtLeast'] = (words, index, value, timeoutMs) => {
      const seen = Atomics.load(words, index)
      if (seen >= value) return true
      Atomics.wait(words, index, seen, timeoutMs)
      return Atomics.load(words, index) >= value
    }
    super(new Control(control.memory, { ...played, thread, waitAtLeast }))
    this.setClient(CLIENT)
  }
}

const identityOf = (identity: number): ThreadIdentity => ({
  identity,
  startTicks: identity * 10,
  threadId: identity,
})

/** One recording with a single place besides the recording thread's, and all attempts in it. */
class Recording {
  readonly machine: Machine
  attempted = 0
  /** Switched off. */
  isOver = false
  readonly accepted: number[] = []
  /**
   * Attempts that were cut off: their record may be there, or count as lost, or have left no trace.
   */
  readonly cut: number[] = []
  #hasFiles: boolean

  /** @param inMemory whether it gets its files by {@link setUpFiles}, at its end at the latest. */
  constructor(mode: Mode = 'discard', inMemory = false) {
    this.machine = new Machine({ mode, possibleCpus: 2, inMemory })
    this.#hasFiles = !inMemory
    this.machine.arena.words[ARENA.state >> 2] = CONSUMER_STATE.running
    this.machine.control.enable(1)
  }

  cpu(identity: number | ThreadIdentity): PlayedCpu {
    return new PlayedCpu(this.machine, typeof identity === 'number' ? identityOf(identity) : identity)
  }

  /** Gives a thread the arena, with plain stores as steps if `own` says how. */
  join(cpu: PlayedCpu, own?: Own): void {
    const arena = Arena.attach(this.machine.arena.memory)
    if (own !== undefined) {
      own(arena, 'stores')
      const { channel } = arena
      const buffer = channel.buffer.bind(channel)
      channel.buffer = (number) => own(buffer(number), 'stores')
    }
    cpu.setArena(arena)
  }

  /** The steps of a tracepoint that is switched on. */
  trace(cpu: PlayedCpu): void {
    const number = this.attempted
    this.attempted += 1
    this.cut.push(number)
    const isOnline = cpu.view.generation === this.machine.control.generation || cpu.online()
    const record = new Uint8Array(new Uint32Array([number, number]).buffer)
    if (isOnline && cpu.writer?.write(record) === true) this.accepted.push(number)
    // A record traced after the end may be there, and does not count.
    if (this.isOver) return
    this.cut.splice(this.cut.indexOf(number), 1)
  }

  /** Gives a recording in memory its files, if it has none yet. */
  setUpFiles(): void {
    if (this.#hasFiles) return
    this.#hasFiles = true
    this.machine.setUpFiles()
    this.machine.consumer.doWork()
    expect(this.machine.setUps).toEqual([''])
  }

  /** Ends the recording. No living thread traces any more. */
  settle(): void {
    const { machine, attempted, cut } = this
    this.setUpFiles()
    const totals = machine.consumer.finish()
    expect(totals.error).toBeUndefined()
    const { full, tooBig, bad } = totals.discarded
    const { events, overwritten, torn, unwritten } = totals
    const sums = { attempted, cut, events, full, overwritten, torn, unwritten, noBuffer: totals.noBuffer }
    const accounted = events + overwritten + torn + unwritten + full + tooBig + bad + totals.noBuffer
    expect(accounted, JSON.stringify(sums)).toBeLessThanOrEqual(attempted)
    expect(accounted, JSON.stringify(sums)).toBeGreaterThanOrEqual(attempted - cut.length)
    expect(torn + unwritten, JSON.stringify(sums)).toBeLessThanOrEqual(cut.length)
    // The file is read packet by packet: one that is torn is no packet, or a record that differs
    // from its copy.
    const delivered = machine.content(1)?.numbers ?? []
    expect(delivered.length).toBe(events)
    expect(new Set(delivered).size).toBe(events)
    const isCut = new Set(cut)
    const whole = delivered.filter((number) => !isCut.has(number))
    const found = new Set(whole)
    const accepted = this.accepted.filter((number) => !isCut.has(number))
    expect(whole).toEqual(accepted.filter((number) => overwritten === 0 || found.has(number)))
    expect(accepted.length - whole.length, JSON.stringify(sums)).toBeLessThanOrEqual(overwritten)
  }
}

/** A thread's whole life: it comes online by its first record. */
function traces(recording: Recording, cpu: PlayedCpu, interruptions: Interruptions): Life {
  return interrupt(interruptions, (own) => {
    recording.join(cpu, own)
    for (let i = 0; i < RECORDS; i += 1) recording.trace(cpu)
  })
}

/** Another thread comes into the place of a dead one. */
function succeeds(recording: Recording, identity: number): void {
  const { machine } = recording
  machine.pass(2 * FLUSH_MS)
  expect(machine.place(1, PLACE.owner)).toBe(0)
  const cpu = recording.cpu(identity)
  recording.join(cpu)
  for (let i = 0; i < RECORDS; i += 1) recording.trace(cpu)
  expect(cpu.number).toBe(1)
}

describe.each(['discard', 'overwrite'] as const)('in %s mode', (mode) => {
  test('a thread may die before any access, with a consumer that works before any other, and the next has its place', () => {
    const whole = new Recording(mode)
    const { steps } = traces(whole, whole.cpu(7), {})
    whole.settle()
    expect(steps).toBeGreaterThan(40)
    for (let deathAt = 0; deathAt < steps; deathAt += 1) {
      for (const worksAt of [NEVER, deathAt >> 1, deathAt - 1, deathAt]) {
        const recording = new Recording(mode)
        const { machine } = recording
        const before = (step: number): void => {
          if (step === worksAt) machine.pass(FLUSH_MS)
        }
        expect(traces(recording, recording.cpu(7), { before, deathAt }).died).toBe(true)
        machine.consumer.doWork()
        machine.dead.add(7)
        succeeds(recording, 8)
        recording.settle()
      }
    }
  })

  test('the consumer may work before any access, and deliver what is not complete before any later one', () => {
    const whole = new Recording(mode)
    const { steps } = traces(whole, whole.cpu(7), {})
    for (let at = 0; at < steps; at += 1) {
      for (const again of [at, at + 1, at + 7]) {
        const recording = new Recording(mode)
        const { machine } = recording
        const { counters } = machine.arena.channel.buffer(1)
        const before = (step: number): void => {
          // Its first sub-buffer was begun before it says that it is online.
          if (machine.place(1, PLACE.online) === 1) expect(counters[BUFFER.started >> 3]).not.toBe(0n)
          if (step === at || step === again) machine.pass(FLUSH_MS)
        }
        traces(recording, recording.cpu(7), { before })
        expect(machine.place(1, PLACE.online)).toBe(1)
        recording.settle()
      }
    }
  })
})

describe.each(['discard', 'overwrite'] as const)('in memory, in %s mode', (mode) => {
  test('a thread may die before any access, files may come before any other, and the next has its place', () => {
    const whole = new Recording(mode, true)
    const { steps } = traces(whole, whole.cpu(7), {})
    whole.settle()
    for (let deathAt = 0; deathAt < steps; deathAt += 1) {
      // With the last two the threads are dead, and another one may have been in the place.
      for (const filesAt of [deathAt >> 1, deathAt - 1, deathAt, steps, NEVER]) {
        const recording = new Recording(mode, true)
        const { machine } = recording
        const before = (step: number): void => {
          if (step === filesAt) recording.setUpFiles()
          else if (step === deathAt >> 2) machine.pass(FLUSH_MS)
        }
        expect(traces(recording, recording.cpu(7), { before, deathAt }).died).toBe(true)
        machine.dead.add(7)
        if (filesAt === steps) {
          machine.pass(FLUSH_MS)
          recording.setUpFiles()
        }
        succeeds(recording, 8)
        recording.settle()
      }
    }
  })

  test('files may come before any access, and the consumer may work before any later one', () => {
    const whole = new Recording(mode, true)
    const { steps } = traces(whole, whole.cpu(7), {})
    for (let at = 0; at < steps; at += 1) {
      for (const again of [at, at + 1, at + 7]) {
        const recording = new Recording(mode, true)
        const before = (step: number): void => {
          if (step === at) recording.setUpFiles()
          if (step === again) recording.machine.pass(FLUSH_MS)
        }
        traces(recording, recording.cpu(7), { before })
        recording.settle()
      }
    }
  })
})

describe('a thread that asks for the arena', () => {
  /** The consumer works when the thread waits, and before this access; the recording may end. */
  function asks(
    recording: Recording,
    { worksAt = NEVER, endsAt = NEVER, deathAt = NEVER, isAnswered = true },
  ): Life & { readonly cpu: PlayedCpu } {
    const { machine } = recording
    const cpu = recording.cpu(7)
    const interruptions: Interruptions = {
      before: (step) => {
        if (step === worksAt) machine.consumer.doWork()
        if (step !== endsAt) return
        machine.control.disable(1)
        recording.isOver = true
      },
      deathAt,
      pass: () => {
        if (isAnswered) machine.consumer.doWork()
      },
    }
    const life = interrupt(interruptions, () => {
      for (let i = 0; i < RECORDS; i += 1) recording.trace(cpu)
    })
    return { ...life, cpu }
  }

  test('gets it whenever it is answered, and counts its records when it is not', () => {
    for (const isAnswered of [true, false]) {
      const alone = new Recording()
      const { steps } = asks(alone, { isAnswered })
      expect(steps).toBeGreaterThan(10)
      expect(alone.machine.control.noBuffer).toBe(isAnswered ? 0 : RECORDS)
      alone.settle()
      for (let worksAt = 0; worksAt < steps; worksAt += 1) {
        const recording = new Recording()
        const { cpu } = asks(recording, { isAnswered, worksAt })
        const { noBuffer } = recording.machine.control
        expect(cpu.number).toBe(noBuffer === RECORDS ? -1 : 1)
        if (isAnswered) expect([noBuffer, recording.accepted.length]).toEqual([0, RECORDS])
        recording.settle()
      }
    }
  })

  test('may die, or find the recording ended, before any access', () => {
    const { steps } = asks(new Recording(), {})
    for (let at = 0; at < steps; at += 1) {
      for (const worksAt of [NEVER, at - 1]) {
        const ended = new Recording()
        asks(ended, { worksAt, endsAt: at })
        expect(ended.machine.control.generation).toBe(0)
        ended.settle()
        const died = new Recording()
        expect(asks(died, { worksAt, deathAt: at }).died).toBe(true)
        died.machine.dead.add(7)
        succeeds(died, 8)
        died.settle()
      }
    }
  })
})

describe('a thread that waits for a place', () => {
  /**
   * The place is taken by a thread that has traced. @returns how it went for another one that wants
   * it.
   */
  function waits(
    recording: Recording,
    cpu: PlayedCpu,
    { dies = NEVER, deathAt = NEVER }: { dies?: number; deathAt?: number },
  ): Life {
    const { machine } = recording
    const holder = recording.cpu(7)
    recording.join(holder)
    for (let i = 0; i < RECORDS; i += 1) recording.trace(holder)
    return traces(recording, cpu, {
      before: (step) => {
        if (step === dies) machine.dead.add(7)
      },
      deathAt,
      pass: (ms) => {
        machine.timeMs += ms
        machine.consumer.doWork()
      },
    })
  }

  test('gets that of one that dies before any of its accesses, or counts its records', () => {
    const alone = new Recording()
    const { steps } = waits(alone, alone.cpu(8), {})
    // The waits are over when all were found living.
    expect(alone.machine.control.noBuffer).toBe(RECORDS)
    alone.settle()
    let got = 0
    for (let dies = 0; dies < steps; dies += 1) {
      const recording = new Recording()
      const cpu = recording.cpu(8)
      waits(recording, cpu, { dies })
      const { noBuffer } = recording.machine.control
      // Or a later record finds that it has become free meanwhile.
      expect(cpu.number).toBe(noBuffer === RECORDS ? -1 : 1)
      if (noBuffer < RECORDS) {
        got += 1
        expect(cpu.placeGeneration).toBe(1)
      }
      recording.settle()
    }
    expect(got).toBeGreaterThan(steps / 2)
  })

  test('may die itself before any access, and the next one has the place', () => {
    const whole = new Recording()
    const { steps } = waits(whole, whole.cpu(8), { dies: 0 })
    for (let deathAt = 0; deathAt < steps; deathAt += 1) {
      const recording = new Recording()
      expect(waits(recording, recording.cpu(8), { dies: 0, deathAt }).died).toBe(true)
      recording.machine.dead.add(7).add(8)
      succeeds(recording, 9)
      recording.settle()
    }
  })
})

describe('the memory of a recording that ended before any access of a thread in it', () => {
  /** @returns the steps, and whether its memory was had again. */
  function leaves(endsAt: number, deathAt = NEVER): Life & { reused: boolean } {
    const recording = new Recording()
    const { machine } = recording
    const { memory, possibleCpus } = machine.arena
    const options = { ...machine.arena.channel.buffer(0).geometry, possibleCpus }
    const pool = new ArenaPool()
    const next = Arena.create(options, 2, 0, new Uint8Array(0))
    // The pool looks whether this thread is dead, and it is not.
    const cpu = recording.cpu(thisThread())
    let anew: Int32Array | undefined
    let hasEnded = false
    let steps = 0
    const takeAgain = (): void => {
      if (!hasEnded || anew !== undefined || pool.take(options) === undefined) return
      Arena.create(options, 3, 0, new Uint8Array(0), memory)
      anew = new Int32Array(memory).slice()
    }
    const before = (step: number): void => {
      steps = step + 1
      if (step === endsAt) {
        machine.control.disable(1)
        recording.settle()
        pool.add(options, machine.arena)
        hasEnded = true
        machine.control.enable(2)
      }
      takeAgain()
    }
    const { died } = interrupt({ before, deathAt }, (own) => {
      recording.join(cpu, own)
      for (let i = 0; i < RECORDS; i += 1) {
        if (hasEnded) cpu.setArena(next)
        recording.trace(cpu)
      }
      cpu.setArena(next)
      cpu.online()
    })
    takeAgain()
    if (anew !== undefined) {
      const now = new Int32Array(memory)
      const changed = [...now.keys()].filter((word) => now[word] !== anew?.[word])
      // A thread on its way into the recording before counts itself in and out, and asks for a
      // place.
      expect(changed.filter((word) => !MAY_CHANGE.includes(word))).toEqual([])
      if (!died) expect(now[ARENA.joining >> 2]).toBe(0)
    }
    return { steps, died, reused: anew !== undefined }
  }

  test('is not had again before the thread has left it, and never stored into after', () => {
    const { steps } = leaves(NEVER)
    let reuses = 0
    for (let endsAt = 0; endsAt < steps; endsAt += 1) if (leaves(endsAt).reused) reuses += 1
    expect(reuses).toBeGreaterThan(steps / 2)
  })

  test('is not stored into either when that thread dies on its way', () => {
    const { steps } = leaves(NEVER)
    for (let endsAt = 0; endsAt < steps; endsAt += 5) {
      for (let deathAt = endsAt; deathAt < steps; deathAt += 1) leaves(endsAt, deathAt)
    }
  })
})

/** How far a thread has come on its way online. */
interface Came {
  cpu: number
  isOnline: boolean | undefined
}

describe('two threads that come online at once, wherever each of them stops', () => {
  function play(possibleCpus: number) {
    const machine = new Machine({ possibleCpus })
    machine.control.enable(1)
    const comes = (identity: number): PausedThread<Came, object> =>
      new PausedThread(
        {},
        (): Came => ({ cpu: -1, isOnline: undefined }),
        (thread) => {
          const cpu = new PlayedCpu(machine, identityOf(identity))
          const arena = thread.own(Arena.attach(machine.arena.memory))
          const { channel } = arena
          const buffer = channel.buffer.bind(channel)
          channel.buffer = (number) => thread.own(buffer(number))
          cpu.setArena(arena)
          thread.report.isOnline = cpu.online()
          thread.report.cpu = cpu.number
        },
      )
    return { machine, threads: [comes(7), comes(8)] as const }
  }
  /**
   * Lets the first take `i` steps, then the second `j`, and so on by turns till both are through.
   */
  function run([one, other]: readonly PausedThread<Came, object>[], i: number, j: number): void {
    one.advance(i)
    other.advance(j)
    one.advance(i % 5)
    other.advance(j % 3)
    one.advance(Infinity)
    other.advance(Infinity)
  }
  /** How many steps each takes when the other is through. */
  function lengths(): number[] {
    const { threads } = play(3)
    run(threads, Infinity, Infinity)
    return threads.map(({ steps }) => steps)
  }

  test('have two places', () => {
    const [first, second] = lengths()
    expect(first).toBeGreaterThan(10)
    for (let i = 0; i <= first; i += 1) {
      for (let j = 0; j <= second; j += 1) {
        const { machine, threads } = play(3)
        run(threads, i, j)
        expect(threads.map(({ report }) => report.isOnline)).toEqual([true, true])
        expect(threads.map(({ report }) => report.cpu).sort((a, b) => a - b)).toEqual([1, 2])
        expect(threads.map(({ report }) => machine.place(report.cpu, PLACE.owner))).toEqual([7, 8])
        expect(machine.control.noBuffer).toBe(0)
      }
    }
  })

  test('have one place if there is one, and the record of the other is counted', () => {
    const [first, second] = lengths()
    expect(first).toBeGreaterThan(10)
    for (let i = 0; i <= first; i += 1) {
      for (let j = 0; j <= second; j += 1) {
        const { machine, threads } = play(2)
        run(threads, i, j)
        const online = threads.filter(({ report }) => report.isOnline)
        expect(online.map(({ report }) => report.cpu)).toEqual([1])
        expect(machine.place(1, PLACE.owner)).toBe(threads[0] === online[0] ? 7 : 8)
        expect([machine.control.noBuffer, machine.arena.words[ARENA.joining >> 2]]).toEqual([1, 0])
      }
    }
  })

  test('and one of which dies there: the other has a place, and the dead one’s is free again', () => {
    const [first, second] = lengths()
    expect(first).toBeGreaterThan(10)
    for (let i = 0; i < first; i += 1) {
      for (let j = 0; j <= second; j += 3) {
        const { machine, threads } = play(3)
        const [dies, lives] = threads
        dies.advance(i)
        lives.advance(j)
        dies.dead = true
        machine.dead.add(7)
        machine.pass(2 * FLUSH_MS)
        lives.advance(Infinity)
        expect(lives.report.isOnline).toBe(true)
        const taken = [1, 2].filter((cpu) => machine.place(cpu, PLACE.owner) !== 0)
        expect(taken).toEqual([lives.report.cpu])
      }
    }
  })
})

type Action = 'work' | 'pass' | 'other traces' | 'other dies'
const at = fc.integer({ min: 0, max: 150 })
const life = fc.record({
  actions: fc.array(
    fc.record({ at, action: fc.constantFrom<Action>('work', 'work', 'pass', 'other traces', 'other dies') }),
    { maxLength: 12 },
  ),
  deathAt: fc.oneof(fc.constant(NEVER), fc.integer({ min: 0, max: 20 }), at),
})

test(`any history of threads that take one place after the other adds up (seed ${SEED})`, () => {
  fc.assert(
    fc.property(
      fc.constantFrom<Mode>('discard', 'overwrite'),
      fc.array(life, { minLength: 1, maxLength: 4 }),
      (mode, lives) => {
        const recording = new Recording(mode)
        const { machine } = recording
        let identity = 100
        let other = recording.cpu(identity)
        recording.join(other)
        const act = (action: Action): void => {
          if (action === 'work') machine.consumer.doWork()
          else if (action === 'pass') machine.pass(FLUSH_MS)
          else if (action === 'other traces') recording.trace(other)
          else {
            machine.dead.add(identity)
            identity += 1
            other = recording.cpu(identity)
            recording.join(other)
          }
        }
        lives.forEach(({ actions, deathAt }, i) => {
          traces(recording, recording.cpu(i + 1), {
            before: (step) => {
              for (const { at: when, action } of actions) if (when === step) act(action)
            },
            deathAt,
            pass: (ms) => {
              machine.timeMs += ms
              machine.consumer.doWork()
            },
          })
          // Whether it died or has ended.
          machine.dead.add(i + 1)
        })
        machine.dead.add(identity)
        recording.settle()
      },
    ),
    { seed: SEED, numRuns: 300 },
  )
})
