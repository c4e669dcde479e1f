import { expect, test } from 'vitest'
import { ExitHook, harmless } from '../dist/exit-hook.js'

test('an exit waits for a flush in vain once, not at each of its listeners; nor at any when the recording is over', () => {
  const theirs = (): void => undefined
  process.on('exit', theirs)
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
    process.off('exit', theirs)
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

test('where only listeners of rchan’s own are in between, the last one alone flushes', () => {
  const others = process.listeners('exit')
  for (const listener of others) process.off('exit', listener)
  let calls = 0
  const hook = new ExitHook(() => {
    calls += 1
    return true
  })
  const exit = (): number => {
    calls = 0
    for (const listener of process.listeners('exit')) listener.call(process, 0)
    return calls
  }
  const own = harmless(() => undefined)
  const theirs = (): void => undefined
  try {
    expect(exit()).toBe(1)
    process.on('exit', own)
    expect(exit()).toBe(1)
    process.on('exit', theirs)
    expect(exit()).toBe(2)
  } finally {
    hook.end()
    for (const listener of [own, theirs]) process.off('exit', listener)
    for (const listener of others) process.on('exit', listener)
  }
})
