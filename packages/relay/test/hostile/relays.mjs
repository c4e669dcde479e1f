/** The memory of a relay with a channel in it, and all that threads do with it. */
import { plainMachine, Relay, RelayFile } from '@rchan/relay'

const range = (from, count) => Array.from({ length: count }, (_, i) => from + i)

/**
 * Words of the head, of the first members, of two CPUs, of the first slot, of the first buffer: its
 * head and its ring.
 */
const WORDS = [
  ...range(0, 44),
  ...range(320, 8),
  ...range(576, 2),
  ...range(1024, 22),
  ...range(1024 + 80, 3),
  ...range(266240 / 4, 36),
  ...range((266240 + 4096) / 4, 64 + 16),
]

const geometry = { subbufSize: 64, subbufCount: 4 }
const bytes = new Uint8Array(16)

export const subjects = {
  relay: {
    make() {
      const machine = { ...plainMachine(1), patienceMs: 30, isDead: (identity) => identity !== 1 }
      const relay = new Relay(machine, { possibleCpus: 2, memoryBytes: 65536 })
      const callbacks = { createBufFile: () => ({}), removeBufFile: () => undefined }
      const channel = relay.open({ ...geometry, baseFilename: 'a', callbacks })
      for (let i = 0; i < 9; i += 1) channel.write(0, bytes)
      const buffer = channel.buffer(0)
      const file = new RelayFile(buffer)
      file.readBytes(10)
      return { memory: relay.memory, words: WORDS, machine, relay, channel, buffer, file }
    },
    use({ memory, machine, relay, channel, buffer, file }) {
      const look = (one) => {
        for (const each of one.channels) {
          void [
            each.id,
            each.geometry,
            each.isOpen,
            each.isOrphan,
            each.references,
            each.baseFilename,
            each.lastTooBig,
          ]
          const there = each.buffer(0)
          if (there === undefined) continue
          void [there.produced, there.consumed, there.offset, there.isEmpty, there.isFull, there.padding(1)]
          void [there.earlyBytes, there.fileBytes, there.references, there.finalized, there.prevPadding]
          const opened = new RelayFile(there)
          opened.readBytes(50)
          opened.poll()
          opened.release()
        }
      }
      return {
        attach: () => look(Relay.attach(memory, machine)),
        look: () => look(relay),
        read: () => file.readBytes(1000),
        splice: () => {
          const take = (pieces) => {
            for (const piece of pieces) piece.release()
            return pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
          }
          for (let i = 0; i < 10; i += 1) file.splice({ capacity: 16, take }, 100, true)
        },
        map: () => {
          const mapping = file.mmap(channel.allocSize)
          mapping.subbuf(0)
          file.consumeTo(1, buffer.resets)
          file.munmap()
        },
        write: () => {
          for (let i = 0; i < 9; i += 1) channel.write(0, bytes)
        },
        operate: () => {
          channel.flush()
          channel.reset()
          channel.subbufsConsumed(0, 1)
        },
        online: () => {
          relay.comeOnline()
          relay.goOffline()
        },
        serve: () => relay.serve(),
        open: () => relay.open(geometry).close(),
        'attach and open': () => Relay.attach(memory, machine).open(geometry).close(),
        'late files': () => channel.lateSetupFiles('b'),
        close: () => {
          file.release()
          channel.close()
        },
      }
    },
  },
}
