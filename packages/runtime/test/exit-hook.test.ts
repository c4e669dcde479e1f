import { expect, test } from 'vitest'
import { ExitHook } from '../dist/exit-hook.js'

test('an exit waits for a flush in vain once, not at each of its listeners; nor at any when the recording is over', () => {
  const before = process.listeners('exit')
  let calls = 0
  const hook = new ExitHook(() => {
    calls += 1
    return calls < 3
  })
  const ours = process.listeners('exit').filter((listener) => !before.includes(listener))
  const play = (): void => {
    for (const listener of ours) listener.call(process, 0)
  }
  try {
    expect(ours.length).toBe(2)
    play()
    expect(calls).toBe(2)
    play()
    expect(calls).toBe(3)
    play()
    expect(calls).toBe(3)
  } finally {
    hook.end()
  }
  const next = new ExitHook(() => {
    calls += 1
    return true
  })
  const kept = process.listeners('exit').filter((listener) => !before.includes(listener))
  next.end()
  // The program had saved them, and puts them back.
  for (const listener of kept) listener.call(process, 0)
  expect(calls).toBe(3)
})
