/** The shared memory of a relay is what the picture at the head of layout.ts says. */
import { plainMachine, Relay } from '@rchan/relay'
import {
  FLAG,
  MAX_CHANNELS,
  MAX_MEMBERS,
  MAX_RELAY_CPUS,
  MEMBER_BYTES,
  RELAY,
  SLOT,
  SLOT_BYTES,
  STATE,
} from '@rchan/relay/layout'
import { expect, test } from 'vitest'
import { misplacedWords, offsetsOf, readPicture, typeBytes } from '../../../test/picture.js'

const { words, elementWords } = readPicture(new URL('../src/layout.ts', import.meta.url))
// Two tables stand in the picture: what starts at 0 again is the second one's.
const second = elementWords.findLastIndex(({ at }) => at === 0)
const memberWords = elementWords.slice(0, second)
const slotWords = elementWords.slice(second)

test('the picture of a relay has the exported offsets', () => {
  const renamed = words.map((word) =>
    word.name === 'members' && word.type === '…' ? { ...word, name: 'memberTable' } : word,
  )
  expect(offsetsOf(renamed)).toEqual(RELAY)
})

test('the picture of a slot has the exported offsets', () => {
  expect(offsetsOf(slotWords)).toEqual(SLOT)
})

test('no word of a relay overlaps another, and each is naturally aligned', () => {
  expect(misplacedWords(words)).toEqual([])
  expect(misplacedWords(memberWords)).toEqual([])
  expect(misplacedWords(slotWords)).toEqual([])
})

test('the tables end where the next thing begins', () => {
  const bytesOf = (table: typeof words): number =>
    Math.max(...table.map(({ at = 0, type }) => at + typeBytes(type)))
  expect(bytesOf(memberWords)).toBe(MEMBER_BYTES)
  expect(bytesOf(slotWords)).toBe(SLOT_BYTES)
  expect(RELAY.memberTable + MAX_MEMBERS * MEMBER_BYTES).toBe(RELAY.cpus)
  expect(RELAY.cpus + 4 * MAX_RELAY_CPUS).toBeLessThanOrEqual(RELAY.slots)
  expect(RELAY.slots + MAX_CHANNELS * SLOT_BYTES).toBe(RELAY.buffers)
  const typeOf = (name: string): string | undefined => slotWords.find((word) => word.name === name)?.type
  expect(typeOf('holds')).toBe(`i32[${MAX_MEMBERS}]`)
  expect(typeOf('pages')).toBe(`u32[${MAX_RELAY_CPUS}]`)
})

test('the buffers start on a page', () => {
  expect(RELAY.buffers % 4096).toBe(0)
})

test('the words in memory are those of the picture, in its types', () => {
  const machine = { ...plainMachine(3), identity: 77, startTicks: 1234.5 }
  const relay = new Relay(machine, { possibleCpus: 5, memoryBytes: 2 ** 20 })
  const files: string[] = []
  const channel = relay.open({
    baseFilename: 'näme',
    parent: 'parent',
    subbufSize: 24,
    subbufCount: 3,
    mode: 'overwrite',
    headerBytes: 8,
    callbacks: {
      createBufFile: (name) => (name === undefined ? undefined : files.push(name)),
      bufMapped: () => undefined,
    },
  })
  channel.write(1, new Uint8Array(30))
  const view = new DataView(relay.memory)
  const textAt = (at: number, bytes: number): string =>
    new TextDecoder().decode(new Uint8Array(relay.memory, at, bytes).slice())
  expect(textAt(RELAY.magic, 4)).toBe('rchR')
  expect(view.getUint32(RELAY.possibleCpus, true)).toBe(5)
  expect(view.getUint32(RELAY.pageCount, true) * 4096).toBe(relay.memory.byteLength)
  expect(view.getInt32(RELAY.coordinator, true)).toBe(1)
  expect(view.getInt32(RELAY.channels, true)).toBe(1)
  expect(view.getInt32(RELAY.members, true)).toBe(1)
  expect(view.getInt32(RELAY.memberTable, true)).toBe(1)
  expect(view.getInt32(RELAY.memberTable + 4, true)).toBe(77)
  expect(view.getFloat64(RELAY.memberTable + 8, true)).toBe(1234.5)
  const slot = RELAY.slots
  expect(view.getInt32(slot + SLOT.state, true)).toBe(STATE.open)
  expect(view.getInt32(slot + SLOT.id, true)).toBe(channel.id)
  const geometry = [0, 4, 8, 12].map((at) => view.getUint32(slot + SLOT.geometry + at, true))
  expect(geometry).toEqual([24, 3, 1, 8])
  expect(view.getInt32(slot + SLOT.flags, true)).toBe(FLAG.hasBaseFilename | FLAG.tellsOfMappings)
  expect(view.getUint32(slot + SLOT.lastTooBig, true)).toBe(30)
  expect(view.getInt32(slot + SLOT.opener, true)).toBe(1)
  const lengths = [0, 4, 8].map((at) => view.getUint32(slot + SLOT.textBytes + at, true))
  expect(lengths).toEqual([5, 6, 0])
  expect(textAt(slot + SLOT.texts, 11)).toBe('nämeparent')
  // What is written is held.
  expect(view.getInt32(slot + SLOT.holds, true)).toBe(1)
  const pages = [0, 1, 2, 3].map((cpu) => view.getUint32(slot + SLOT.pages + 4 * cpu, true))
  expect(pages).toEqual([65, 67, 69, 0])
  expect(textAt(65 * 4096, 4)).toBe('rchB')
})
