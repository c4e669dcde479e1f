/**
 * Draining: complete sub-buffers go to a file. The floor is a bare `writeSync` of the same bytes,
 * in pieces of the same size, to a separate file. Neither waits for the disk.
 */
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKET_HEADER_BYTES } from '@rchan/ctf'
import type { Packet } from '@rchan/runtime'
import { OpenFolder } from '@rchan/runtime/folder'
import { StreamFile } from '@rchan/runtime/stream-file'
import type { Suite } from './harness.js'

const SUBBUF_BYTES = 2 ** 18
/** Packets in one file. The file grows to the lengths that a stream's files have. */
const PACKETS = 64

export const drain: Suite = {
  name: 'drain',
  about: `${PACKETS} sub-buffers of 256 KiB to a new file, for each; the floor is a bare writeSync of the same bytes`,
  setUp: () => {
    const folder = mkdtempSync(join(tmpdir(), 'rchan-bench-'))
    const open = new OpenFolder(folder)
    const bytes = new Uint8Array(new SharedArrayBuffer(SUBBUF_BYTES)).fill(1)
    const header = bytes.slice(0, PACKET_HEADER_BYTES)
    const packet: Packet = {
      headerBytes: PACKET_HEADER_BYTES,
      bytes: SUBBUF_BYTES,
      pieces: [bytes.subarray(PACKET_HEADER_BYTES)],
      header: () => header,
      following: () => header,
    }
    let count = 0
    return Promise.resolve({
      tasks: [
        {
          name: 'write-sync',
          floor: 'write-sync',
          operations: PACKETS,
          run: () => {
            const path = join(folder, 'bare')
            const fd = openSync(path, 'wx')
            for (let i = 0; i < PACKETS; i += 1) writeSync(fd, bytes, 0, SUBBUF_BYTES, i * SUBBUF_BYTES)
            closeSync(fd)
            unlinkSync(path)
          },
        },
        {
          name: 'drain-file',
          floor: 'write-sync',
          operations: PACKETS,
          run: () => {
            count += 1
            const file = new StreamFile(open, `cpu_${count}`)
            for (let i = 0; i < PACKETS; i += 1) file.append(packet, 1)
            file.end({ ...packet, bytes: PACKET_HEADER_BYTES, pieces: [] })
            const { problem } = file.close()
            if (problem !== undefined) throw new Error(problem)
            for (const name of file.names) unlinkSync(join(folder, name))
          },
        },
      ],
      tearDown: () => {
        open.close()
        rmSync(folder, { recursive: true })
        return Promise.resolve()
      },
    })
  },
}
