/** The pictures of shared memory in the sources of the runtimes and the probes match their code. */
import {
  ARENA,
  CLIENT_BYTES,
  CONTROL,
  Control,
  MAX_ENTRIES,
  PLACE,
  REMARK,
  REMARK_BYTES,
  REMARKS,
} from '@rchan/runtime'
import { expect, test } from 'vitest'
import { PASSAGE, PASSAGE_ENTRY } from '../packages/probes/dist/port-passage.js'
import { LIST, LIST_ENTRY } from '../packages/probes/dist/thread-list.js'
import {
  MOST_TENURES,
  PART_BYTES,
  TABLE,
  TABLE_PART,
  TABLE_PLACE,
  TENURE,
  TENURE_BYTES,
} from '../packages/relay-node/dist/cpu-table.js'
import { SINK_WORDS, SINK_WORDS_BYTES } from '../packages/relay-node/dist/sink-thread.js'
import { misplacedWords, offsetsOf, readPicture, typeBytes } from './picture.js'

const control = readPicture(new URL('../packages/runtime/src/control-page.ts', import.meta.url))
const remarks = readPicture(new URL('../packages/runtime/src/remarks.ts', import.meta.url))
const cpuTableSource = new URL('../packages/relay-node/src/cpu-table.ts', import.meta.url)
const cpuTable = readPicture(cpuTableSource)
const arena = readPicture(new URL('../packages/runtime/src/arena.ts', import.meta.url))

test('the picture of the control page has the exported offsets', () => {
  expect(offsetsOf(control.words)).toEqual(CONTROL)
  expect(misplacedWords(control.words)).toEqual([])
})

test('the control page has a flag for each id of the table', () => {
  const flags = control.words.find(({ name }) => name === 'flags')
  expect(typeBytes(flags?.type ?? '')).toBe(MAX_ENTRIES * 4)
  expect(Control.create().flags.length).toBe(MAX_ENTRIES)
})

test('an entry of the tracepoint table is laid out as the second picture says', () => {
  const page = Control.create()
  const view = new DataView(page.memory)
  page.declare('first')
  expect(page.declare('zwölf')).toBe(1)
  const at = CONTROL.table + view.getInt32(CONTROL.table, true)
  expect(at % 8).toBe(0)
  expect(view.getInt32(at, true)).toBe(24)
  expect(view.getInt32(at + 4, true)).toBe(1)
  expect(view.getUint32(at + 8, true)).toBe(6)
  expect(Buffer.from(new Uint8Array(page.memory, at + 12, 6)).toString()).toBe('zwölf')
})

test('the picture of the arena has the exported offsets, of its head and of a place', () => {
  expect(offsetsOf(arena.words)).toEqual(ARENA)
  expect(misplacedWords(arena.words)).toEqual([])
  expect(offsetsOf(arena.elementWords)).toEqual(PLACE)
  expect(misplacedWords(arena.elementWords)).toEqual([])
})

test('the picture of the remarks has the exported offsets, of the whole and of a slot', () => {
  expect(misplacedWords(remarks.words)).toEqual([])
  expect(offsetsOf(remarks.words.map((word) => ({ ...word, at: word.at ?? REMARKS.slots })))).toEqual(REMARKS)
  expect(misplacedWords(remarks.elementWords)).toEqual([])
  expect(offsetsOf(remarks.elementWords)).toEqual(REMARK)
  const { type } = remarks.words.find(({ name }) => name === 'said') ?? { type: '' }
  expect(typeBytes(type) * 8).toBe(MAX_ENTRIES)
  const text = remarks.elementWords.find(({ name }) => name === 'text')
  expect(typeBytes(text?.type ?? '')).toBe(REMARK_BYTES)
})

test("the arena has the client's bytes that the picture shows", () => {
  const client = arena.words.find(({ name }) => name === 'client')
  expect(typeBytes(client?.type ?? '')).toBe(CLIENT_BYTES)
})

test("the picture of a runtime's CPUs has the exported offsets, of its head and of a place", () => {
  expect(offsetsOf(cpuTable.words)).toEqual(TABLE)
  expect(misplacedWords(cpuTable.words)).toEqual([])
  expect(offsetsOf(cpuTable.elementWords)).toEqual(TABLE_PLACE)
  expect(misplacedWords(cpuTable.elementWords)).toEqual([])
})

test('the picture of a channel and a CPU has the exported offsets, of its head and of a tenure', () => {
  const { words, elementWords } = readPicture(cpuTableSource, 1)
  expect(offsetsOf(words)).toEqual(TABLE_PART)
  expect(misplacedWords(words)).toEqual([])
  expect(offsetsOf(elementWords)).toEqual(TENURE)
  expect(misplacedWords(elementWords)).toEqual([])
  // One behind the other in an array of doubles; all of them before the name, which is the last.
  const { at = 0, type } = elementWords[elementWords.length - 1]
  expect(at + typeBytes(type)).toBe(TENURE_BYTES)
  expect(TENURE_BYTES % 8).toBe(0)
  expect(TABLE_PART.tenure + MOST_TENURES * TENURE_BYTES).toBe(TABLE_PART.name)
  const name = words.find((word) => word.name === 'name')
  expect(TABLE_PART.name + typeBytes(name?.type ?? '')).toBe(PART_BYTES)
  expect(PART_BYTES % 8).toBe(0)
  for (const [word, text] of [
    ['tenure', `${TENURE_BYTES} bytes each; number n is at n mod ${MOST_TENURES}:`],
    ['name', 'of the channel'],
  ]) {
    expect(words.find((each) => each.name === word)?.rest).toContain(text)
  }
  expect(cpuTable.words.at(-1)?.name).toBe('places')
})

test('the picture of the words by which a sink is asked has the exported offsets', () => {
  const { words } = readPicture(new URL('../packages/relay-node/src/sink-thread.ts', import.meta.url))
  expect(offsetsOf(words)).toEqual(SINK_WORDS)
  expect(misplacedWords(words)).toEqual([])
  expect(words.length * 4).toBe(SINK_WORDS_BYTES)
})

test.each([
  ['list of threads', 'thread-list', LIST, LIST_ENTRY],
  ['passage of ports', 'port-passage', PASSAGE, PASSAGE_ENTRY],
])(
  "the picture of the probes' %s has the exported offsets, of its head and of an entry",
  (_, file, ...offsets) => {
    const picture = readPicture(new URL(`../packages/probes/src/${file}.ts`, import.meta.url))
    for (const [index, words] of [picture.words, picture.elementWords].entries()) {
      expect(offsetsOf(words)).toEqual(offsets[index])
      expect(misplacedWords(words)).toEqual([])
    }
  },
)
