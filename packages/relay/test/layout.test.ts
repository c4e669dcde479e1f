/** The shared memory of a relay is what the pictures of layout.ts and buffer-head.ts say. */
import { plainMachine, Relay, RelayFile } from '@rchan/relay'
import {
  CALL_TEXT_BYTES,
  CHANNEL_STATE,
  FINALIZED,
  FLAG,
  HEAD,
  MAX_CHANNELS,
  MAX_MEMBERS,
  MAX_RELAY_CPUS,
  MEMBER_BYTES,
  RELAY,
  SLOT,
  SLOT_BYTES,
} from '@rchan/relay/internal'
import { MUTEX_WORDS, WAIT_QUEUE_WORDS } from '@rchan/sync'
import { expect, test } from 'vitest'
import { misplacedWords, offsetsOf, readPicture, typeBytes } from '../../../test/picture.js'
import { bufferOf } from './client.js'

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
  expect(typeBytes(words.find(({ name }) => name === 'listLock')?.type ?? '')).toBe(4 * MUTEX_WORDS)
  expect(typeBytes(words.find(({ name }) => name === 'text')?.type ?? '')).toBe(CALL_TEXT_BYTES)
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
  expect(view.getInt32(RELAY.fileThread, true)).toBe(1)
  expect(view.getInt32(RELAY.channels, true)).toBe(1)
  expect(view.getInt32(RELAY.members, true)).toBe(1)
  expect(view.getInt32(RELAY.memberTable, true)).toBe(1)
  expect(view.getInt32(RELAY.memberTable + 4, true)).toBe(77)
  expect(view.getFloat64(RELAY.memberTable + 8, true)).toBe(1234.5)
  const slot = RELAY.slots
  expect(view.getInt32(slot + SLOT.state, true)).toBe(CHANNEL_STATE.open)
  expect(view.getInt32(slot + SLOT.id, true)).toBe(channel.id)
  const geometry = [0, 4, 8, 12].map((at) => view.getUint32(slot + SLOT.geometry + at, true))
  expect(geometry).toEqual([24, 3, 1, 8])
  expect(view.getInt32(slot + SLOT.flags, true)).toBe(FLAG.hasBaseFilename | FLAG.wantsMappingCalls)
  expect(view.getUint32(slot + SLOT.lastTooBig, true)).toBe(30)
  expect(view.getInt32(slot + SLOT.opener, true)).toBe(1)
  const lengths = [0, 4, 8].map((at) => view.getUint32(slot + SLOT.textBytes + at, true))
  expect(lengths).toEqual([5, 6, 0])
  expect(textAt(slot + SLOT.texts, 11)).toBe('nämeparent')
  // What is written is held.
  expect(view.getInt32(slot + SLOT.holds, true)).toBe(1)
  const pages = [0, 1, 2, 3].map((cpu) => view.getUint32(slot + SLOT.pages + 4 * cpu, true))
  expect(pages).toEqual([65, 68, 71, 0])
  expect(textAt(65 * 4096 + HEAD.ring, 4)).toBe('rchB')
})

const head = readPicture(new URL('../src/buffer-head.ts', import.meta.url)).words

test("the picture of a buffer's head has the exported offsets, and its ring starts on a page", () => {
  expect(offsetsOf(head)).toEqual(HEAD)
  expect(misplacedWords(head)).toEqual([])
  expect(HEAD.ring % 4096).toBe(0)
  const bytesOf = (name: string): number => typeBytes(head.find((word) => word.name === name)?.type ?? '')
  expect([bytesOf('fileLock'), bytesOf('waitQueue')]).toEqual([4 * MUTEX_WORDS, 4 * WAIT_QUEUE_WORDS])
})

test("the words of a buffer's head are those of its picture, in its types", () => {
  const relay = new Relay(plainMachine(1), { memoryBytes: 2 ** 16 })
  const channel = relay.open({ subbufSize: 8, subbufCount: 4 })
  channel.write(0, new Uint8Array(8))
  channel.write(0, new Uint8Array(6))
  channel.flush()
  const view = new DataView(relay.memory, RELAY.buffers, HEAD.ring)
  expect(view.getInt32(HEAD.owner, true)).toBe(1)
  expect(view.getInt32(HEAD.hasFile, true)).toBe(0)
  const buffer = bufferOf(channel, 0)
  const file = new RelayFile(buffer)
  expect(view.getInt32(HEAD.holders, true)).toBe(1)
  expect(file.readBytes(5).length).toBe(5)
  expect([view.getUint32(HEAD.bytesConsumed, true), buffer.bytesConsumed]).toEqual([5, 5])
  file.readBytes(100)
  file.poll(() => undefined)
  channel.flush()
  expect([view.getUint32(HEAD.wakeups, true), buffer.wakeups]).toEqual([1, 1])
  channel.close()
  expect(view.getInt32(HEAD.asks, true)).toBe(FINALIZED)
})
