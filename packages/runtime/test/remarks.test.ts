import { MAX_ENTRIES, MAX_REMARKS, REMARK, REMARK_BYTES, REMARKS, Remarks } from '@rchan/runtime'
import { expect, test } from 'vitest'

const SLOT_WORDS = (REMARK.text + REMARK_BYTES) / 4
const AT = 64

function make(): { remarks: Remarks; memory: SharedArrayBuffer; slot: (index: number) => Int32Array } {
  const memory = new SharedArrayBuffer(65_536)
  const slot = (index: number): Int32Array =>
    new Int32Array(memory, AT + REMARKS.slots + index * SLOT_WORDS * 4, SLOT_WORDS)
  return { remarks: new Remarks(memory, AT), memory, slot }
}

test('the first remark on a tracepoint stays; the text of others is not even made', () => {
  const { remarks } = make()
  remarks.say(MAX_ENTRIES - 1, () => 'last')
  remarks.say(0, () => 'first')
  remarks.say(0, () => {
    throw new Error('not made')
  })
  remarks.say(31, () => 'zwölf €')
  expect(remarks.all()).toEqual([
    { id: 0, text: 'first' },
    { id: 31, text: 'zwölf €' },
    { id: MAX_ENTRIES - 1, text: 'last' },
  ])
})

test('when the slots are used up nothing more is said, and a long text is cut between characters', () => {
  const { remarks } = make()
  for (let id = 0; id < MAX_REMARKS * 2; id += 1) remarks.say(id, () => '€'.repeat(300))
  const all = remarks.all()
  expect(all.map(({ id }) => id)).toEqual(Array.from({ length: MAX_REMARKS }, (_, id) => id))
  expect(new Set(all.map(({ text }) => text))).toEqual(new Set(['€'.repeat(Math.floor(REMARK_BYTES / 3))]))
})

test('a text that can not be made is made again at the next call', () => {
  const { remarks } = make()
  remarks.say(4, () => {
    throw new RangeError('Maximum call stack size exceeded')
  })
  expect(remarks.all()).toEqual([])
  remarks.say(4, () => 'now')
  expect(remarks.all()).toEqual([{ id: 4, text: 'now' }])
})

test('a slot whose thread died before it stored the id is passed over', () => {
  const { remarks, slot } = make()
  remarks.say(1, () => 'one')
  remarks.say(2, () => 'two')
  slot(0)[REMARK.id >> 2] = 0
  expect(remarks.all()).toEqual([{ id: 2, text: 'two' }])
})

test('bytes that anybody may have stored are a text of a tracepoint that can be, or nothing', () => {
  for (const id of [-1, -(2 ** 31), MAX_ENTRIES + 1, 2 ** 31 - 1, 5]) {
    for (const length of [-1, 0, 1, REMARK_BYTES, REMARK_BYTES + 1, 2 ** 31 - 1, -(2 ** 31)]) {
      const { remarks, slot } = make()
      for (let index = 0; index < MAX_REMARKS; index += 1) {
        slot(index).fill(-1)
        slot(index)[REMARK.id >> 2] = id
        slot(index)[REMARK.length >> 2] = length
      }
      const bytes = Math.min(REMARK_BYTES, Math.max(0, length))
      expect(remarks.all()).toEqual(id === 5 ? [{ id: 4, text: '\ufffd'.repeat(bytes) }] : [])
    }
  }
})

test('a count of slots that anybody may have stored stores nothing outside of them', () => {
  for (const taken of [-1, -(2 ** 31), MAX_REMARKS, 2 ** 31 - 1]) {
    const { remarks, memory } = make()
    new Int32Array(memory, AT)[REMARKS.taken >> 2] = taken
    remarks.say(1, () => 'x')
    expect(remarks.all()).toEqual([])
    expect(new Uint8Array(memory, AT + REMARKS.slots).every((byte) => byte === 0)).toBe(true)
    expect(new Uint8Array(memory, 0, AT).every((byte) => byte === 0)).toBe(true)
  }
})
