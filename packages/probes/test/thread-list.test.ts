/** The list of threads that the probes of a process share. */
import { expect, test } from 'vitest'
import { LIST, LIST_ENTRY, ThreadList } from '../dist/thread-list.js'

const OWNER = (LIST.entries + LIST_ENTRY.owner) >> 2

/** The list, as two threads have it. */
function twoThreads(): [ThreadList, ThreadList] {
  const list = new ThreadList()
  return [list, new ThreadList(list.memory)]
}

test('a thread that leaves gives its entry to the next one', () => {
  const [first, second] = twoThreads()
  first.enter(3, 103)
  first.beat(50)
  first.leave()
  second.enter(4, 104)
  expect(second.entries()).toEqual([{ slot: 0, threadId: 4, tid: 104, beats: 0, limitMs: 0 }])
})

test('a thread that has left is not removed again when another one has its entry', () => {
  const [first, second] = twoThreads()
  first.enter(3, 103)
  const [seen] = second.entries()
  first.leave()
  second.enter(4, 104)
  first.remove(seen)
  expect(first.entries()).toHaveLength(1)
})

test('a thread that is just entering is not taken for the dead one before it', () => {
  const [dead, sampler] = twoThreads()
  dead.enter(3, 103)
  sampler.remove(sampler.entries()[0])
  // The next one has stored its own number, and not yet its kernel thread id.
  new Int32Array(sampler.memory)[OWNER] = 5
  const [entering] = sampler.entries()
  expect(entering).toMatchObject({ threadId: 4, tid: 0 })
  // What the sampler would do with the account of thread 103.
  sampler.remove({ ...entering, tid: 103 })
  expect(sampler.entries()).toHaveLength(1)
})
