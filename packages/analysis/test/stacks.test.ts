/** Samples of stacks: whose time they are. */
import { modelText } from '@rchan/analysis'
import { expect, test } from 'vitest'
import { MadeRecording, MS } from './made-recording.ts'

interface Row {
  readonly name: string
  readonly selfNs: number
  readonly totalNs: number
}

function rows(functions: readonly Row[] = []): [string, number, number][] {
  return functions.map(({ name, selfNs, totalNs }) => [name, selfNs / MS, totalNs / MS])
}

function made(): MadeRecording {
  return new MadeRecording().life(3, 0, 500)
}

test('a function has its own time, and that of what it called; one that calls itself counts once', () => {
  const recording = made()
  for (const [id, parent, name] of [
    [1, 0, 'main'],
    [2, 1, 'walk'],
    [3, 2, 'walk'],
    [4, 0, '(idle)'],
  ] as const) {
    recording.stack(3, 200, 1, id, parent, name)
  }
  recording.sample(3, 201, 1, 3, 100, 110).sample(3, 202, 1, 1, 110, 113).sample(3, 203, 1, 4, 113, 150)
  const [, { sampled }] = recording.model().threads
  expect(sampled).toMatchObject({ samples: 50, ns: 13 * MS, idleNs: 37 * MS })
  expect(rows(sampled?.functions)).toEqual([
    ['walk', 10, 10],
    ['main', 3, 13],
  ])
})

test('numbers of stacks count in one slice; equal functions of all slices are one', () => {
  const recording = made()
  recording.stack(3, 200, 1, 1, 0, 'one').sample(3, 201, 1, 1, 100, 110)
  recording.stack(3, 300, 2, 1, 0, 'two').sample(3, 301, 2, 1, 210, 215)
  recording.stack(3, 302, 2, 2, 0, 'one').sample(3, 303, 2, 2, 215, 216)
  const [, { sampled }] = recording.model().threads
  expect(rows(sampled?.functions)).toEqual([
    ['one', 11, 11],
    ['two', 5, 5],
  ])
})

test('a sample whose stack was lost is told as such', () => {
  const recording = made().stack(3, 200, 1, 2, 1, 'called')
  recording.sample(3, 201, 1, 2, 100, 102).sample(3, 202, 1, 9, 102, 103)
  const [, { sampled }] = recording.model().threads
  expect(rows(sampled?.functions)).toEqual([
    ['called', 2, 2],
    ['(stack lost)', 1, 3],
  ])
})

test('a task is charged with its part of a sample, whether that is told before its end or after', () => {
  const recording = made()
  recording.stack(3, 100, 1, 1, 0, 'work')
  // In it; on its start; after its end.
  recording.sample(3, 101, 1, 1, 80, 90).sample(3, 102, 1, 1, 60, 72)
  recording.task({ worker: 3, queued: 60, dispatched: 69, started: 70, finished: 120, handled: 122 })
  recording.stack(3, 200, 2, 1, 0, 'late').sample(3, 201, 2, 1, 115, 130)
  const model = recording.model()
  expect(rows(model.threads[1].sampled?.functions)).toEqual([
    ['work', 22, 22],
    ['late', 15, 15],
  ])
  const [task, ...others] = model.pools[0].sampled ?? []
  expect(others).toEqual([])
  expect(task.task).toBe('resize')
  expect(rows(task.functions)).toEqual([
    ['work', 12, 12],
    ['late', 5, 5],
  ])
  expect(modelText(model)).toMatch(
    /^functions of resize in piscina-1, of 17\.0 ms\n +self +total +function +at\n70\.6 % +70\.6 % +work +\/app\.js:1:1$/m,
  )
})

test('a recording without samples has none', () => {
  const recording = made()
  recording.task({ worker: 3, queued: 60, dispatched: 69, started: 70, finished: 120, handled: 122 })
  const { threads, pools } = recording.model()
  expect(threads.every((thread) => !('sampled' in thread))).toBe(true)
  expect(pools.every((pool) => !('sampled' in pool))).toBe(true)
})
