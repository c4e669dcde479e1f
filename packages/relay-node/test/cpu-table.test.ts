/**
 * A CPU of a runtime goes from a thread that died to one that joins, and the coordinator frees it
 * at any moment of that. Threads are real: one has ended, others live. What they do to the table is
 * done here, in their names.
 *
 * Forbidden: a living thread that loses its CPU, and a CPU that two threads have.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { ThreadIdentity } from '@rchan/threads'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { interrupt } from '../../../test/stepping/interrupted.js'
import { CpuTable } from '../dist/cpu-table.js'

const CPU = 1
/** Operations of Atomics in which a place is taken, and in which it is freed. */
const STEPS = 3
const PROGRAM = `
import { parentPort, workerData } from 'node:worker_threads'
import { thisThread } from ${JSON.stringify(import.meta.resolve('@rchan/threads'))}
parentPort.postMessage(thisThread())
if (workerData) setInterval(() => undefined, 1000)
`

const workers: Worker[] = []
let dead: ThreadIdentity
let living: ThreadIdentity
let another: ThreadIdentity

async function threadOf(stays: boolean): Promise<ThreadIdentity> {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(PROGRAM)}`), {
    workerData: stays,
  })
  workers.push(worker)
  const [identity] = (await once(worker, 'message')) as [ThreadIdentity]
  if (!stays) await once(worker, 'exit')
  return identity
}

beforeAll(async () => {
  ;[dead, living, another] = [await threadOf(false), await threadOf(true), await threadOf(true)]
})
afterAll(async () => void (await Promise.all(workers.map((worker) => worker.terminate()))))

/** A thread that lets something happen when it has the CPU, and has not said yet who it is. */
function whileItTakes(me: ThreadIdentity, happens: () => void): ThreadIdentity {
  return {
    ...me,
    get startTicks() {
      happens()
      return me.startTicks
    },
  }
}

/** A table in which the CPU is a dead thread's. */
function withDead(): { readonly table: CpuTable; readonly generation: number } {
  const table = CpuTable.create(2)
  const generation = table.take(CPU, dead)
  expect(generation).toBe(1)
  return { table, generation }
}

function expectOwned(table: CpuTable, owner: ThreadIdentity, generation: number): void {
  expect(table.isTaken(CPU)).toBe(true)
  expect(table.generation(CPU)).toBe(generation)
  expect(table.threadId(CPU)).toBe(owner.threadId)
  expect(table.take(CPU, another), 'a second thread has the CPU').toBe(0)
}

describe.runIf(process.platform === 'linux')('the CPU of a dead thread', () => {
  test('may be freed at any moment in which a living one takes it', () => {
    for (let at = 0; at < STEPS; at += 1) {
      const { table, generation } = withDead()
      let taken = 0
      let isThere = false
      const before = (step: number): void => {
        if (step !== at) return
        isThere = true
        table.free(CPU, generation)
      }
      interrupt({ before }, () => void (taken = table.take(CPU, living)))
      expect(isThere).toBe(true)
      // Freed in the middle of the claim, it goes to whoever looks next.
      if (taken === 0) taken = table.take(CPU, living)
      expectOwned(table, living, taken)
    }
    const { table, generation } = withDead()
    const taken = table.take(
      CPU,
      whileItTakes(living, () => table.free(CPU, generation)),
    )
    expectOwned(table, living, taken)
  })

  test('may be taken by a living one at any moment in which it is freed', () => {
    for (let at = 0; at < STEPS; at += 1) {
      const { table, generation } = withDead()
      let taken = 0
      const before = (step: number): void => {
        if (step === at) taken = table.take(CPU, living)
      }
      interrupt({ before }, () => table.free(CPU, generation))
      expect(taken).toBeGreaterThan(0)
      expectOwned(table, living, taken)
    }
  })

  test('is not taken from a living one that has not said yet who it is', () => {
    const { table } = withDead()
    let second = -1
    const taken = table.take(
      CPU,
      whileItTakes(living, () => (second = table.take(CPU, another))),
    )
    expect(second).toBe(0)
    expectOwned(table, living, taken)
    for (let at = 0; at < STEPS; at += 1) {
      const { table: next } = withDead()
      const won: number[] = []
      const before = (step: number): void => {
        if (step === at) won.push(next.take(CPU, another))
      }
      interrupt({ before }, () => void won.push(next.take(CPU, living)))
      expect(won.length).toBe(2)
      expect(won.filter((generation) => generation > 0).length, `at ${at}`).toBe(1)
      expect(next.isTaken(CPU)).toBe(true)
    }
  })

  test('that was reserved is taken by the worker that it is for, and no other', () => {
    const table = CpuTable.create(2)
    expect(table.reserve(CPU)).toBe(true)
    const generation = table.beginGeneration(CPU)
    table.expect(CPU, living.threadId)
    expect(table.takeReserved(CPU, generation, another)).toBe(false)
    expect(table.takeReserved(CPU, generation - 1, living)).toBe(false)
    expect(table.takeReserved(CPU, generation, living)).toBe(true)
    expectOwned(table, living, generation)
  })
})
