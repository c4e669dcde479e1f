/** Callbacks at the start and the end of recordings. */
import { expect, test } from 'vitest'
import { startRecording, whileRecording } from '@rchan/trace'
import { freshFolder } from './process.ts'

test('are called once for each recording, and the end of one that runs comes with the end of the watch', async () => {
  const calls: string[] = []
  let n = 0
  const stop = whileRecording(() => {
    n += 1
    const mine = n
    calls.push(`start ${mine}`)
    return () => calls.push(`end ${mine}`)
  })
  expect(calls).toEqual([])
  const first = await startRecording({ path: freshFolder() })
  await expect.poll(() => calls, { timeout: 20_000 }).toEqual(['start 1'])
  await first.stop()
  await expect.poll(() => calls, { timeout: 20_000 }).toEqual(['start 1', 'end 1'])
  const second = await startRecording({ path: freshFolder() })
  // A recording that runs already is told at once.
  const others: string[] = []
  whileRecording(() => {
    others.push('start')
  })()
  expect(others).toEqual(['start'])
  await expect.poll(() => calls.at(-1), { timeout: 20_000 }).toBe('start 2')
  stop()
  expect(calls.at(-1)).toBe('end 2')
  await second.stop()
  expect(() => whileRecording(undefined as never)).toThrow('start is a undefined')
})
