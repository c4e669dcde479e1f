/** Callbacks at the start and the end of recordings. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { currentRecording, startRecording, whileRecording } from '@rchan/trace'
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

test('an exception of one is the program’s, and keeps no other from its call', () => {
  const program = `
    import { startRecording, whileRecording } from '@rchan/trace'
    process.on('uncaughtException', ({ message }) => console.log(message))
    whileRecording(() => { throw new Error('of mine') })
    const called = new Promise((resolve) => whileRecording(() => resolve()))
    const recording = await startRecording()
    const waits = setTimeout(() => undefined, 60_000)
    await called
    clearTimeout(waits)
    console.log('called')
    await recording.stop()`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  })
  expect(output.trim().split('\n').toSorted()).toEqual(['called', 'of mine'])
})

test('the current recording is one object as long as it runs', async () => {
  expect(currentRecording()).toBeUndefined()
  const first = await startRecording()
  const current = currentRecording()
  expect(current).toBeDefined()
  expect(currentRecording()).toBe(current)
  await first.stop()
  expect(currentRecording()).toBeUndefined()
  const second = await startRecording()
  expect(currentRecording()).not.toBe(current)
  await second.stop()
})
