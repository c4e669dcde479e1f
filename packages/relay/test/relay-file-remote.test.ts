/** A relay file that is read while another thread, which lives, owns the buffer. Here one thread plays both. */
import { Relay, RelayFile, type Mode } from '@rchan/relay'
import { describe, expect, test } from 'vitest'
import { bufferOf } from './relay-client.js'

describe.each(['discard', 'overwrite'] as const)('in %s mode', (mode: Mode) => {
  const GRACE_MS = 10
  let nowMs = 0
  const machine = (identity: number) => ({ identity, log: () => undefined, now: () => nowMs })
  const open = () => {
    const relay = new Relay({ ...machine(1), onlineCpus: () => [0] }, { memoryBytes: 2 ** 16 })
    const channel = relay.open({ mode, subbufSize: 8, subbufCount: 2 })
    const other = bufferOf(Relay.attach(relay.memory, machine(2)).channels[0], 0)
    return { other, file: new RelayFile(bufferOf(channel, 0)) }
  }
  const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)

  //   [1 2 3 4 5 6 7 8] [9 9 9 9 9 9 9 9]   both complete, and in discard mode the next one refused: nothing is open
  test('a full buffer is read, again and again', () => {
    const { other, file } = open()
    for (let round = 0; round < 5; round += 1) {
      other.write(bytes(1, 2, 3, 4, 5, 6, 7, 8))
      other.write(bytes(9, 9, 9, 9, 9, 9, 9, 9))
      const isRefused = !other.write(bytes(7))
      expect(isRefused).toBe(mode === 'discard')
      const read = file.readBytes(100)
      // In overwrite mode the third record has taken the first sub-buffer back.
      const expected =
        mode === 'discard' ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9] : [9, 9, 9, 9, 9, 9, 9, 9]
      expect([...read]).toEqual(expected)
      if (mode === 'overwrite') return
    }
  })

  test('the open sub-buffer is read as far as it has aged', () => {
    const { other, file } = open()
    other.write(bytes(1, 2))
    expect([...file.readBytes(100)]).toEqual([])
    nowMs += GRACE_MS - 1
    other.write(bytes(3))
    expect([...file.readBytes(100)]).toEqual([])
    nowMs += GRACE_MS
    expect([...file.readBytes(100)]).toEqual([1, 2])
    nowMs += GRACE_MS
    expect([...file.readBytes(100)]).toEqual([3])
  })
})
