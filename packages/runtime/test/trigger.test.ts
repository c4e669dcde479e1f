import { expect, test } from 'vitest'
import { causeOf, cleanReason, errorText, MAX_REASON, readCause } from '../dist/trigger.js'
import { Watches, type Watch } from '../dist/watch.js'

test('a reason is one line, of bounded length, and whole characters', () => {
  expect(cleanReason('a\n\tb\u0000c\u2028d ')).toBe('a b c d')
  const cut = cleanReason(`${'x'.repeat(MAX_REASON - 2)}😀${'y'.repeat(1000)}`)
  expect(cut).toBe(`${'x'.repeat(MAX_REASON - 2)}…`)
  expect(cleanReason('x'.repeat(MAX_REASON))).toBe('x'.repeat(MAX_REASON))
})

test('a cause of another thread is checked', () => {
  const cause = causeOf('stall', 'because', 3, 5n)
  expect(readCause(cause)).toEqual(cause)
  expect(readCause({ ...cause, thread: 'x', reason: 'a\nb' })).toEqual({
    ...cause,
    thread: -1,
    reason: 'a b',
  })
  for (const bad of [undefined, null, 1, {}, { ...cause, trigger: 'x' }, { ...cause, at: 1 }])
    expect(() => readCause(bad)).toThrow('no cause of a snapshot: trigger=')
})

test('any thrown value has a text', () => {
  expect(errorText(new RangeError('too\nmuch'))).toBe('RangeError: too much')
  expect(errorText({ message: 'm' })).toBe('m')
  expect(errorText(undefined)).toBe('undefined')
  expect(errorText(Symbol('s'))).toBe('Symbol(s)')
  expect(
    errorText({
      toString() {
        throw new Error()
      },
    }),
  ).toBe('a value that can not be shown')
})

test('watches are looked at when they are due, and all learn of a snapshot', () => {
  const calls: string[] = []
  const watch = (name: string, everyMs: number): Watch & { dueAt: number } => ({
    dueAt: everyMs,
    look(now) {
      calls.push(`${name} ${now}`)
      this.dueAt = now + everyMs
    },
    snapshotTaken: () => void calls.push(`${name} taken`),
    close: () => void calls.push(`${name} closed`),
  })
  const watches = new Watches([watch('a', 10), watch('b', 25)])
  for (let now = 0; now <= 30; now += 5) watches.look(now)
  expect(calls).toEqual(['a 10', 'a 20', 'b 25', 'a 30'])
  expect(watches.dueAt).toBe(40)
  calls.length = 0
  watches.snapshotTaken()
  watches.close()
  expect(calls).toEqual(['a taken', 'b taken', 'a closed', 'b closed'])
  expect(watches.dueAt).toBe(Infinity)
  expect(new Watches([]).dueAt).toBe(Infinity)
})
