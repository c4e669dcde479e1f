import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import { CONTROL, Control } from '@rchan/runtime'
import { call, CallTaker, callAndWait, stopListening } from '@rchan/runtime/call'

const ENDED = 'no recording runs in this process, or it has just ended'
const GENERATION = 3

/** A thread that answers calls. */
async function taker(): Promise<{ control: Control; worker: Worker }> {
  const control = Control.create()
  const worker = new Worker(new URL('./fixtures/call-taker.mjs', import.meta.url), {
    workerData: { control: control.memory, generation: GENERATION },
  })
  onTestFinished(async () => void (await worker.terminate()))
  await once(worker, 'message')
  return { control, worker }
}

test('a call gets the result of the consumer, or its error', async () => {
  const { control } = await taker()
  expect(await call(control, 'add', [1, 2])).toBe(3)
  expect(callAndWait(control, 'add', [3, 4], 60_000)).toBe(7)
  await expect(call(control, 'fail', 'no disk')).rejects.toThrow("can't: no disk")
  expect(() => callAndWait(control, 'fail', 'no disk', 60_000)).toThrow("can't: no disk")
})

test('calls of several threads at once get each its own result', async () => {
  const { control } = await taker()
  const times = 100
  const rights = [1, 2, 3].map(async (number) => {
    const worker = new Worker(new URL('./fixtures/caller.mjs', import.meta.url), {
      workerData: { control: control.memory, number, times },
    })
    // Before the message: the end may come with it, in the same turn.
    const end = once(worker, 'exit')
    const [right] = (await once(worker, 'message')) as [number]
    await end
    return right
  })
  const mine = Array.from({ length: times }, (_, i) => call(control, 'add', [i, i]))
  expect(await Promise.all(mine)).toEqual(Array.from({ length: times }, (_, i) => 2 * i))
  expect(await Promise.all(rights)).toEqual([times, times, times])
})

test('a call without a recording, or after its end, fails at once', async () => {
  const { control, worker } = await taker()
  await expect(call(Control.create(), 'add', [1, 2])).rejects.toThrow(`add: ${ENDED}`)
  expect(await call(control, 'end')).toBe('over')
  await once(worker, 'exit')
  await expect(call(control, 'add', [1, 2])).rejects.toThrow(`add: ${ENDED}`)
  expect(() => callAndWait(control, 'add', [1, 2], 60_000)).toThrow(`add: ${ENDED}`)
})

test('a call that is still open when the consumer ends, or dies, fails', async () => {
  const first = await taker()
  const open = call(first.control, 'keep')
  expect(await call(first.control, 'end')).toBe('over')
  await expect(open).rejects.toThrow(`keep: ${ENDED}`)

  const second = await taker()
  // The recorder does this when the consumer thread has ended.
  second.worker.once('exit', () => stopListening(second.control, GENERATION))
  await expect(call(second.control, 'die')).rejects.toThrow(`die: ${ENDED}`)
  // It leaves the next recording alone.
  Atomics.store(second.control.words, CONTROL.listening >> 2, GENERATION + 1)
  stopListening(second.control, GENERATION)
  expect(Atomics.load(second.control.words, CONTROL.listening >> 2)).toBe(GENERATION + 1)
})

test('a blocking call gives up when its patience is over', async () => {
  const { control } = await taker()
  expect(() => callAndWait(control, 'keep', undefined, 100)).toThrow(
    'keep: the thread that writes the recording did not answer for 100 ms',
  )
})

test('a call that was made before the consumer ends is refused, and not forgotten', () => {
  const control = Control.create()
  const here = new CallTaker(control, 0, GENERATION)
  const pending = call(control, 'add', [1, 2])
  expect(here.take().map(({ kind }) => kind)).toEqual(['add'])
  const late = call(control, 'add', [3, 4])
  here.close()
  return Promise.all([
    expect(pending).rejects.toThrow(ENDED),
    expect(late).rejects.toThrow(ENDED),
    expect(call(control, 'add', [5, 6])).rejects.toThrow(ENDED),
  ])
})

test('a message that is no call is passed over', async () => {
  const control = Control.create()
  const posted: string[] = []
  const { machine: there } = control
  const machine: typeof there = {
    ...there,
    openMailbox: (name, arrived) => {
      posted.push(name)
      return there.openMailbox(name, arrived)
    },
  }
  const here = new CallTaker(new Control(control.memory, machine), 0, GENERATION)
  for (const message of [null, 5, 'text', {}, { id: 1, kind: 'add' }]) there.post(posted[0], message)
  const pending = call(control, 'add', [1, 2])
  const [found, ...others] = here.take()
  expect([found.kind, others]).toEqual(['add', []])
  found.answer(3)
  expect(await pending).toBe(3)
  here.close()
})
