/** The memory of a relay with a channel in it, and all that threads do with it. */
import { plainMachine, Relay, RelayFile } from '@rchan/relay'
import { HEAD, MEMBER_BYTES, RELAY, SLOT } from '@rchan/relay/internal'
import { BUFFER, ENTRY_BYTES } from '@rchan/ring'

const geometry = { subbufSize: 64, subbufCount: 4 }

/** The words from one byte to another. */
const words = (from, to) => Array.from({ length: (to - from) >> 2 }, (_, i) => (from >> 2) + i)

/** The buffer of the first channel stands on the first page. */
const RING = RELAY.buffers + HEAD.ring
const WORDS = [
  // The head, and the beginning of the text.
  ...words(0, RELAY.text + 20),
  // Two members, and two CPUs.
  ...words(RELAY.memberTable, RELAY.memberTable + 2 * MEMBER_BYTES),
  ...words(RELAY.cpus, RELAY.cpus + 8),
  // The first slot: up to the holds of some members, and the pages of some CPUs.
  ...words(RELAY.slots, RELAY.slots + SLOT.holds + 24),
  ...words(RELAY.slots + SLOT.pages, RELAY.slots + SLOT.pages + 12),
  // The first buffer: its head, up to its last word; its ring, up to the end of the table.
  ...words(RELAY.buffers, RELAY.buffers + HEAD.wakeups + 8),
  ...words(RING, RING + BUFFER.table + geometry.subbufCount * ENTRY_BYTES),
]

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
