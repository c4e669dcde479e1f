/**
 * Makes a packet of a sub-buffer: the writing thread fills the packet header when the sub-buffer
 * starts and when it is complete. Runs on the writing thread, inside the switch, so it must not
 * throw, wait or trace. The sub-buffers of a global buffer have no headers.
 */
import { PACKET, PACKET_MAGIC, storeSizes, storeU64 } from '@rchan/ctf'
import type { Cpu, CpuClient } from '@rchan/runtime'

/** Bytes of the trace's uuid, at the start of the arena's client bytes. */
const UUID_BYTES = 16

/** Fills the packet headers of a CPU's sub-buffers. */
export const packetClient: CpuClient = {
  subbufStart(cpu: Cpu, start: number): void {
    const { u8, u32, i64 } = cpu.view
    if (cpu.arena === undefined) return
    const { client } = cpu.arena
    u32[(start + PACKET.magic) >> 2] = PACKET_MAGIC
    for (let i = 0; i < UUID_BYTES; i += 1) u8[start + PACKET.uuid + i] = client[i]
    u32[(start + PACKET.streamId) >> 2] = 0
    storeU64(u32, start + PACKET.streamInstanceId, cpu.number)
    i64[(start + PACKET.timestampBegin) >> 3] = cpu.clock()
    u32[(start + PACKET.cpuId) >> 2] = cpu.number
    u32[(start + PACKET.generation) >> 2] = cpu.placeGeneration
    u32[(start + PACKET.threadId) >> 2] = cpu.thread.threadId
  },

  subbufEnd(cpu: Cpu, start: number, end: number): void {
    const { u32, i64 } = cpu.view
    const discarded = cpu.discarded
    i64[(start + PACKET.timestampEnd) >> 3] = cpu.clock()
    storeU64(u32, start + PACKET.eventsDiscarded, discarded)
    storeSizes(u32, start, end - start)
  },
}
