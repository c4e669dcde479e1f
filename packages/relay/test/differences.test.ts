/**
 * What ours does where the kernel loses memory or frees it twice. The rules are those of
 * docs/relay-differences.md.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { RelayFile } from '@rchan/relay'
import { expect, test } from 'vitest'
import { readScenario, scenarioFiles } from './conformance/scenario.mjs'
import { bufferOf, TestClient } from './client.js'

const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])

/** Nothing is left behind, and the client can go on. */
function expectNothingLeft(client: TestClient): void {
  expect(client.files.size).toBe(0)
  expect(client.relay.channels).toEqual([])
  expect(client.log).toEqual([])
  client.failing = []
  client.buffersLeft = Infinity
  client.shortFor = undefined
  const channel = client.open()
  expect(channel.write(client.online[0], BYTES)).toBe(true)
  channel.close()
  expect(channel.references).toBe(0)
  expect(client.files.size).toBe(0)
}

test('An open that runs out of memory leaves nothing behind', () => {
  for (const shortOf of ['channel', 'name', 0, 1] as const) {
    const client = new TestClient()
    if (typeof shortOf === 'number') client.buffersLeft = shortOf
    else client.shortFor = shortOf
    expect(() => client.open()).toThrow(/^no (?:memory|buffer or no file)/)
    expectNothingLeft(client)
  }
})

test('A table of sub-buffers that would be too large is refused by its values', () => {
  const client = new TestClient()
  client.buffersLeft = 0
  const open = () => client.open({ subbufSize: 1, subbufCount: 536870912 })
  expect(open).toThrow(RangeError)
  expect(open).toThrow('subbufCount=536870912')
  expectNothingLeft(client)
})

test('A channel with a base name but without callbacks is refused whole', () => {
  const client = new TestClient()
  expect(() => client.open({ callbacks: {} })).toThrow('cpu=0')
  expectNothingLeft(client)
})

test('A file that was made without a name is removed, and the open fails', () => {
  const client = new TestClient()
  const removed: unknown[] = []
  const callbacks = { createBufFile: () => 'stray', removeBufFile: (file: unknown) => removed.push(file) }
  expect(() => client.open({ baseFilename: undefined, callbacks })).toThrow('cpu=0')
  expect(removed).toEqual(['stray'])
  expect(client.log.splice(0)).toEqual(['fault: relay: createBufFile returned a file without a name'])
  expectNothingLeft(client)
})

test.each([
  ['An open whose first file fails makes no channel', [0, 1, 2], 0],
  ['An open whose second file fails removes the first', [0, 1, 2], 1],
  ['An open whose third file fails removes both before it', [0, 1, 2], 2],
  ['An open that fails without CPU 0 cleans up once', [1, 2], 2],
])('%s', (_rule, online, failing) => {
  const client = new TestClient(online)
  client.failing = [failing]
  expect(() => client.open()).toThrow(`cpu=${failing}`)
  expectNothingLeft(client)
})

test("A CPU that cannot be prepared takes no other CPU's buffer with it", () => {
  const client = new TestClient()
  const channel = client.open()
  channel.write(0, BYTES.subarray(5))
  const buffer = bufferOf(channel, 0)
  client.failing = [2]
  expect(client.relay.prepareCpu(2)).toBe(false)
  expect(client.log).toEqual(['error: relay: cpu 2 buffer creation failed'])
  expect(channel.buffer(2)).toBeUndefined()
  expect(channel.buffer(0)).toBe(buffer)
  expect(channel.write(0, BYTES.subarray(5))).toBe(true)
  expect(buffer.offset).toBe(6)
  client.failing = []
  expect(client.relay.prepareCpu(2)).toBe(true)
  expect(client.names()).toEqual(['r0', 'r1', 'r2'])
  channel.close()
  expect([channel.references, buffer.references, client.files.size]).toEqual([0, 0, 0])
})

test('Reading goes on after a CPU could not be prepared', () => {
  const client = new TestClient()
  const channel = client.open()
  channel.write(0, BYTES)
  channel.write(0, BYTES)
  client.failing = [2]
  expect(client.relay.prepareCpu(2)).toBe(false)
  const file = new RelayFile(bufferOf(channel, 0))
  expect([...file.readBytes(8)]).toEqual([...BYTES])
  expect(file.buffer.consumed).toBe(1)
  expect([...file.readBytes(100)]).toEqual([...BYTES])
  expect(file.readBytes(100)).toHaveLength(0)
})

test('The newest channel that fails stops the preparation', () => {
  const client = new TestClient()
  const older = client.open()
  const newer = client.open()
  client.failing = [3]
  expect(client.relay.prepareCpu(3)).toBe(false)
  expect([older.buffer(3), newer.buffer(3)]).toEqual([undefined, undefined])
  expect([older.references, newer.references]).toEqual([3, 3])
})

test('The oldest channel that fails leaves the newer ones prepared', () => {
  const client = new TestClient()
  const older = client.open({ callbacks: { ...client.callbacks, createBufFile: olderFile(client) } })
  const newer = client.open()
  expect(client.relay.prepareCpu(3)).toBe(false)
  expect(older.buffer(3)).toBeUndefined()
  expect(newer.write(3, BYTES)).toBe(true)
  expect(older.write(0, BYTES)).toBe(true)
  expect(older.write(1, BYTES)).toBe(true)
})

function olderFile(client: TestClient): TestClient['callbacks']['createBufFile'] {
  return (name, parent, mode, buffer, declareGlobal) =>
    buffer.cpu === 3 ? undefined : client.callbacks.createBufFile(name, parent, mode, buffer, declareGlobal)
}

test('every vector that shows a memory bug has its rule, and every rule its test', () => {
  const rules = readFileSync(new URL('../../../docs/relay-differences.md', import.meta.url), 'utf8')
  const tests = readFileSync(new URL(import.meta.url), 'utf8')
  const vectors = scenarioFiles(fileURLToPath(new URL('conformance/vectors', import.meta.url)))
    .map(readScenario)
    .filter((scenario) => scenario.kernel_bug !== undefined)
  expect(vectors).toHaveLength(12)
  for (const { name } of vectors) expect(rules).toContain(`(\`${name}\`)`)
  const memory = rules.slice(rules.indexOf('## Memory'), rules.indexOf('## Misuse')).replace(/\s+/g, ' ')
  const names = [...memory.matchAll(/- \*\*(.+?)\.?\*\*/g)].map((match) => match[1])
  expect(names).toHaveLength(12)
  for (const name of names) expect(tests).toContain(name)
})
