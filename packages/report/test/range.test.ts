/** Sums over a part of the time. */
import { toReport } from '@rchan/report'
import { expect, test } from 'vitest'
import { MadeTrace } from '../../export/test/made-trace.ts'
import { nameSums, threadSums } from '../page/range.ts'
import { Timeline } from '../page/timeline.ts'
import { dataOf } from './pages-of-reports.ts'

/** A thread with spans in each other, a collection and an asynchronous span; one with a span. */
function made(): Timeline {
  const trace = new MadeTrace()
  const process = trace.process(1)
  const [main, worker] = [0, 1].map((id) => trace.thread(process, id))
  const [outer, inner, gc] = ['outer', 'inner', 'gc'].map((name) => trace.event(name, {}, 'span'))
  // Times of a page begin with the first record.
  trace.happened(main, trace.event('start'), 0n)
  for (const at of [0n, 100n, 200n]) {
    trace.span(main, outer, at, at + 80n)
    trace.span(main, inner, at + 10n, at + 20n + at / 10n)
  }
  trace.span(main, gc, 250n, 260n)
  trace.begin(main, trace.event('wait:begin'), 1n, 120n, {})
  trace.end(main, trace.event('wait:end'), 1n, 390n)
  trace.span(worker, outer, 300n, 400n)
  return new Timeline(dataOf(toReport(trace)))
}

function namesIn(timeline: Timeline, from: number, to: number, thread?: number): unknown[] {
  const { names, slices } = timeline.data
  return nameSums(timeline, { from, to }, thread).map(({ name, count, ns, longest }) => [
    names[name],
    count,
    ns,
    slices.duration[longest],
  ])
}

test('spans are summed up by name, as far as they lie in the range', () => {
  const timeline = made()
  expect(namesIn(timeline, -Infinity, Infinity)).toEqual([
    ['outer', 4, 340, 100],
    ['wait', 1, 270, 270],
    ['inner', 3, 60, 30],
    ['gc', 1, 10, 10],
  ])
  // What touches its edge has no part in it.
  expect(namesIn(timeline, 80, 100)).toEqual([])
  expect(namesIn(timeline, 70, 115)).toEqual([
    ['outer', 2, 25, 80],
    ['inner', 1, 5, 20],
  ])
  expect(namesIn(timeline, 300, 1000, 1)).toEqual([['outer', 1, 100, 100]])
})

test('threads are summed up, each span once, and without asynchronous ones', () => {
  const timeline = made()
  const sums = threadSums(timeline, { from: 240, to: 350 })
  expect(sums.map(({ thread, gc, spans, known }) => [thread, gc, spans, known])).toEqual([
    [1, 0, 50, 0],
    [0, 10, 40, 0],
  ])
  expect(threadSums(timeline, { from: 85, to: 95 })).toEqual([])
})
